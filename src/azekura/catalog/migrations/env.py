"""Alembic's entry: run the migrations inside the transaction that azekura.catalog.migrating has begun."""

from __future__ import annotations

from alembic import context

from azekura.catalog.schema import VERSION_TABLE

context.configure(connection=context.config.attributes["connection"], version_table=VERSION_TABLE, render_as_batch=True)
context.run_migrations()
