"""PostgreSQL: one catalog for several servers."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress

import sqlalchemy as sa

from azekura.catalog.failures import translated
from azekura.errors import StorageFailed

# Any number that other programs in this database don't use; every writer of a catalog takes this advisory lock.
_WRITERS = 0x617A656B757261
_LOCK_TIMEOUT = 30_000  # milliseconds to wait for other writers
_CONNECTIONS = 8
_MORE_CONNECTIONS = 32


class PostgresDatabase:
    """See :class:`azekura.catalog.database.Database`.

    Readers get ``REPEATABLE READ``: one state for all statements, as SQLite gives. Writers take an advisory lock for
    the length of their transaction, so that check-then-write is as safe here as under SQLite's ``BEGIN IMMEDIATE``.

    Raises:
        StorageFailed: no driver, no server, no such database, or one that isn't UTF-8.
    """

    def __init__(self, url: sa.URL) -> None:
        self.where = url.set(password=None, query={}).render_as_string()
        try:
            self._engine = sa.create_engine(
                url.set(drivername="postgresql+psycopg"),
                isolation_level="AUTOCOMMIT",
                pool_size=_CONNECTIONS,
                max_overflow=_MORE_CONNECTIONS,
                pool_reset_on_return=None,
                connect_args={"client_encoding": "utf8", "options": f"-c lock_timeout={_LOCK_TIMEOUT}"},
            )
        except ImportError as exc:
            raise StorageFailed(
                "A catalog on PostgreSQL needs psycopg, which isn't installed", hint="pip install azekura[postgres]"
            ) from exc
        with self.reading() as connection, translated(self.where):
            encoding = connection.exec_driver_sql("SHOW server_encoding").scalar_one()
        if encoding != "UTF8":
            self.close()
            raise StorageFailed(f"The database {self.where} is encoded in {encoding}; the catalog needs UTF8")

    @contextmanager
    def reading(self) -> Iterator[sa.Connection]:
        with self._begun("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY") as connection:
            try:
                yield connection
            finally:
                self._roll_back(connection)

    @contextmanager
    def writing(self, *, durable: bool = True) -> Iterator[sa.Connection]:
        with self._begun("BEGIN") as connection:
            try:
                with translated(self.where):
                    if not durable:
                        connection.exec_driver_sql("SET LOCAL synchronous_commit = off")
                    connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_WRITERS})")
                yield connection
                with translated(self.where):
                    connection.exec_driver_sql("COMMIT")
            except BaseException:
                self._roll_back(connection)
                raise

    @contextmanager
    def migrating(self) -> Iterator[sa.Connection]:
        with self.writing() as connection:
            yield connection

    def close(self) -> None:
        self._engine.dispose()

    @contextmanager
    def _begun(self, statement: str) -> Iterator[sa.Connection]:
        """A connection with its transaction begun. One that the server has dropped meanwhile is replaced."""
        with translated(self.where):
            connection = self._engine.connect()
            try:
                connection.exec_driver_sql(statement)
            except sa.exc.DBAPIError as exc:
                connection.close()
                if not exc.connection_invalidated:
                    raise
                # nothing was done yet, and SQLAlchemy has thrown the whole stale pool away
                connection = self._engine.connect()
                connection.exec_driver_sql(statement)
        try:
            yield connection
        finally:
            connection.close()

    @staticmethod
    def _roll_back(connection: sa.Connection) -> None:
        try:
            connection.exec_driver_sql("ROLLBACK")
        except sa.exc.SQLAlchemyError:
            with suppress(sa.exc.SQLAlchemyError):
                connection.invalidate()
