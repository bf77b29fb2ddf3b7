"""Bringing a catalog's tables up to date, once, by whichever process comes first."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import sqlalchemy as sa

from azekura.catalog.database import Database
from azekura.catalog.failures import translated
from azekura.catalog.schema import REVISIONS, VERSION_TABLE
from azekura.errors import StorageFailed

_REVISION: sa.Select[Any] = sa.select(sa.column("version_num")).select_from(sa.table(VERSION_TABLE))
MIGRATIONS = Path(__file__).parent / "migrations"


def bring_up_to_date(database: Database, *, target: str = REVISIONS[-1]) -> None:
    """Run the migrations that ``database`` lacks, up to ``target``: all of them or none.

    Raises:
        StorageFailed: it has a revision that isn't known here, or a migration failed.
    """
    with database.reading() as connection:
        present = _revision(connection, database.where)
    if present == target:
        return
    with database.migrating() as connection:
        # another process may have done it meanwhile
        if _revision(connection, database.where) != target:
            _upgrade(connection, target, database.where)


def _revision(connection: sa.Connection, where: str) -> str | None:
    """The schema's revision, None for an empty database; one that isn't known here is refused."""
    with translated(where):
        if not sa.inspect(connection).has_table(VERSION_TABLE):
            return None
        revision: str | None = connection.execute(_REVISION).scalar()
    if revision is not None and revision not in REVISIONS:
        raise StorageFailed(
            f"The catalog {where} was written by a newer version (its schema is {revision}, the newest known here "
            f"is {REVISIONS[-1]})",
            hint="upgrade azekura, or restore the backup made before the newer version ran",
        )
    return revision


def _upgrade(connection: sa.Connection, target: str, where: str) -> None:
    # 150 ms to import, for something that is needed once per version
    from alembic import command
    from alembic.config import Config
    from alembic.util import CommandError

    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    config.attributes["connection"] = connection
    try:
        with translated(where):
            command.upgrade(config, target)
    except CommandError as exc:
        raise StorageFailed(f"The catalog {where} can't be brought up to date: {exc}") from exc
