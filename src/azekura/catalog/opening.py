"""Opening a catalog, and its transactions."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import sqlalchemy as sa

from azekura.catalog.database import Database
from azekura.catalog.migrating import bring_up_to_date
from azekura.catalog.session import Session
from azekura.catalog.transaction import Transaction
from azekura.errors import InvalidRequest


def _utc_now() -> datetime:
    return datetime.now(UTC)


class Catalog:
    """What the server knows, in a database. Threads share one; a transaction belongs to the thread that began it."""

    def __init__(self, database: Database, clock: Callable[[], datetime]) -> None:
        self._database = database
        self._clock = clock
        self._here = threading.local()
        self._counting = threading.Lock()
        self._changes: dict[str, int] = {}

    @property
    def where(self) -> str:
        """File or URL of the database, without secrets."""
        return self._database.where

    @contextmanager
    def read(self) -> Iterator[Transaction]:
        """See one state of the catalog for the length of the block; nothing can be changed in it.

        Raises:
            StorageFailed: the database can't be used.
        """
        with self._database.reading() as connection:
            yield Transaction(Session(connection, self._database.where, self._clock))

    @contextmanager
    def write(self, *, durable: bool = True) -> Iterator[Transaction]:
        """Change the catalog: all of the block's changes at its end, or none of them when an exception leaves it.

        Writers wait for each other, so keep the block short. What it reads stays true until it ends. ``durable=False``
        spares the wait for the disk: a power failure may undo the last such blocks. Not to be nested.

        Raises:
            StorageFailed: the database can't be used, or was busy for too long.
            NoSpace: its disk is full; nothing was changed.
        """
        if getattr(self._here, "writing", False):
            raise RuntimeError("a write transaction inside a write transaction would wait for itself for ever")
        self._here.writing = True
        changed: set[str] = set()
        try:
            with self._database.writing(durable=durable) as connection:
                session = Session(connection, self._database.where, self._clock)
                changed = session.changed
                yield Transaction(session)
        finally:
            self._here.writing = False
            with self._counting:
                for table in changed:
                    self._changes[table] = self._changes.get(table, 0) + 1

    def changes(self, *tables: str) -> int:
        """A number that is another one after each change of ``tables`` by this process; :meth:`write` returns later.

        Ask for it before reading: what is read then is of that number, or newer. When an image was last used doesn't
        count.
        """
        with self._counting:
            return sum(self._changes.get(table, 0) for table in tables)

    def close(self) -> None:
        """Let go of the database. No transaction may be under way."""
        self._database.close()


def open_catalog(where: str | Path, *, clock: Callable[[], datetime] = _utc_now) -> Catalog:
    """Open the catalog at ``where``: a file (made when missing) or ``postgresql://user@host/database``.

    Its tables are made or brought up to date first. ``clock`` gives the dates that the catalog puts down itself.

    Raises:
        InvalidRequest: a URL of another kind.
        StorageFailed: it can't be opened, or a newer version of this program has changed its tables.
    """
    database = database_at(where)
    try:
        bring_up_to_date(database)
    except BaseException:
        database.close()
        raise
    return Catalog(database, clock)


def database_at(where: str | Path) -> Database:
    """The database at ``where``, its tables as they are. Errors as :func:`open_catalog`."""
    if isinstance(where, Path) or "://" not in where:
        from azekura.catalog.sqlite import SqliteDatabase

        return SqliteDatabase(Path(where))
    try:
        url = sa.make_url(where)
    except (sa.exc.ArgumentError, ValueError) as exc:
        raise InvalidRequest("The catalog's URL can't be understood: expected postgresql://user@host/database") from exc
    match url.get_backend_name():
        case "postgresql":
            from azekura.catalog.postgresql import PostgresDatabase

            return PostgresDatabase(url)
        case "sqlite" if url.database:
            from azekura.catalog.sqlite import SqliteDatabase

            return SqliteDatabase(Path(url.database))
        case other:
            raise InvalidRequest(f"A catalog can't be kept in {other}: use a file or postgresql://user@host/database")
