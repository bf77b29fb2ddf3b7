"""One transaction's way to the database: statements in, plain rows out, our errors only."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from azekura.catalog.columns import UnstorableText
from azekura.catalog.failures import translated

# SQLAlchemy's Row, whose type takes other parameters in 2.1 than in 2.0; what is in it only the query knows anyway
Row = Any
_BATCH = 1000  # rows
Parameters = Mapping[str, Any] | Sequence[Mapping[str, Any]] | None


class Session:
    """What the tables' classes share. ``where`` names the catalog in errors; ``clock`` gives aware UTC dates;
    ``changed`` are the names of the tables that were changed.
    """

    __slots__ = ("_connection", "changed", "clock", "where")

    def __init__(self, connection: sa.Connection, where: str, clock: Callable[[], datetime]) -> None:
        self._connection = connection
        self.where = where
        self.clock = clock
        self.changed: set[str] = set()

    def rows(self, statement: sa.Executable, parameters: Parameters = None) -> Sequence[Row]:
        """All rows. Nothing stored equals text that can't be stored: a search for that finds nothing."""
        try:
            with translated(self.where):
                return self._connection.execute(statement, parameters).fetchall()
        except Exception as exc:
            if _unstorable(exc):
                return ()
            raise

    def row(self, statement: sa.Executable, parameters: Parameters = None) -> Row | None:
        """The first row, None where there is none."""
        rows = self.rows(statement, parameters)
        return rows[0] if rows else None

    def stream(self, statement: sa.Select[Any]) -> Iterator[Row]:
        """All rows as plain tuples, a batch at a time, straight from the driver; flags may come as 0 and 1.

        For long lists: a third quicker than :meth:`rows` for 10,000, mostly since the garbage collector has no rows
        to walk through while the values are built. Read it to its end before the next statement.
        """
        text = str(statement.compile(self._connection, compile_kwargs={"literal_binds": True}))
        with translated(self.where):
            cursor = self._connection.connection.cursor()
            try:
                cursor.execute(text)
                while rows := cursor.fetchmany(_BATCH):
                    yield from rows
            finally:
                cursor.close()

    def change(self, statement: sa.Executable, parameters: Parameters = None, *, counted: bool = True) -> int:
        """Run an INSERT, UPDATE or DELETE; the number of rows it touched.

        Not ``counted`` is what nobody who watches the table (``Catalog.changes``) cares about.

        Raises:
            InvalidRequest, NoSpace, StorageFailed: see :func:`azekura.catalog.failures.translated`.
        """
        if counted:
            self.changed.add(str(getattr(getattr(statement, "table", None), "name", "")))
        with translated(self.where):
            return self._connection.execute(statement, parameters).rowcount

    def insert_absent(self, table: sa.Table, values: Mapping[str, Any]) -> bool:
        """Insert a row unless its key is taken; whether it went in. The transaction lives on either way."""
        # psycopg forgets the count with the cursor that an INSERT leaves closed, unless told to keep it
        statement = _insert(self._connection.dialect.name, table).execution_options(preserve_rowcount=True)
        return self.change(statement, values) == 1

    def insert_counted(self, table: sa.Table, values: Mapping[str, Any]) -> int:
        """Insert a row into a table that counts its rows; the row's number."""
        with translated(self.where):
            return int(self._connection.execute(table.insert().returning(table.c.id), values).scalar_one())


def _unstorable(exc: BaseException) -> bool:
    cause = exc.__cause__
    return isinstance(cause, sa.exc.StatementError) and isinstance(cause.orig, UnstorableText)


def _insert(dialect: str, table: sa.Table) -> sa.Executable:
    if dialect == "postgresql":
        from sqlalchemy.dialects import postgresql

        return postgresql.insert(table).on_conflict_do_nothing()
    from sqlalchemy.dialects import sqlite

    return sqlite.insert(table).on_conflict_do_nothing()
