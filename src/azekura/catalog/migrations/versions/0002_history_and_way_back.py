"""Aliases remember where they pointed; images can be pinned, and brought back after deletion.

Revision ID: 0002
Revises: 0001
"""

from __future__ import annotations

from datetime import UTC, datetime

import sqlalchemy as sa
from alembic import op

from azekura.catalog.columns import Counter, Words, to_moment

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    op.add_column("images", sa.Column("pinned", sa.Boolean, nullable=False, server_default=sa.false()))
    op.add_column("images", sa.Column("deleted_at", sa.BigInteger, nullable=True))
    deleted = sa.text("deleted_at IS NOT NULL")
    op.create_index("ix_images_deleted_at", "images", ["deleted_at"], sqlite_where=deleted, postgresql_where=deleted)
    moves = op.create_table(
        "alias_moves",
        sa.Column("id", Counter, primary_key=True),
        sa.Column("name", Words, nullable=False),
        sa.Column("previous", Words, nullable=True),
        sa.Column("target", Words, nullable=True),
        sa.Column("moved_at", sa.BigInteger, nullable=False),
        sa.Column("reason", Words, nullable=False),
        sa.Column("description", Words, nullable=False),
        sa.Column("type", Words, nullable=False),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_alias_moves_name", "alias_moves", ["name"])
    op.create_index("ix_alias_moves_previous", "alias_moves", ["previous"])
    _begin_histories(moves)


def _begin_histories(moves: sa.Table) -> None:
    """Aliases from before begin their history where they point now, so that a first move can be undone too."""
    names = ("name", "fingerprint", "description", "type")
    aliases = sa.table("aliases", *(sa.column(name, Words) for name in names))
    now = to_moment(datetime.now(UTC))
    op.get_bind().execute(
        moves.insert().from_select(
            ["name", "target", "moved_at", "reason", "description", "type"],
            sa.select(
                aliases.c.name,
                aliases.c.fingerprint,
                sa.literal(now, sa.BigInteger),
                sa.literal("history begins", Words),
                aliases.c.description,
                aliases.c.type,
            ).order_by(aliases.c.name),
        )
    )
