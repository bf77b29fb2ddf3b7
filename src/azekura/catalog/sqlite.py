"""SQLite: one file beside the blobs; the default."""

from __future__ import annotations

import os
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import sqlalchemy as sa

from azekura.catalog.failures import busy, translated
from azekura.errors import StorageFailed

BUSY_TIMEOUT = 30.0  # seconds to wait for writers of other processes (and for those of this one)
_READERS = 8
_MORE_READERS = 32


class SqliteDatabase:
    """See :class:`azekura.catalog.database.Database`.

    Write-ahead logging: readers and the writer don't wait for each other. Transactions are begun and ended here by
    hand, since ``sqlite3`` would begin them late and as readers, and find out at the first write that it is too late.
    """

    def __init__(self, path: Path) -> None:
        self.where = str(path)
        self._writing = threading.Lock()
        self._writer_is_durable: bool | None = None
        _create_private(path)
        url = sa.URL.create("sqlite", database=str(path))
        arguments = {"timeout": BUSY_TIMEOUT, "check_same_thread": False}
        self._readers = sa.create_engine(
            url,
            isolation_level="AUTOCOMMIT",
            connect_args=arguments,
            poolclass=sa.QueuePool,
            pool_size=_READERS,
            max_overflow=_MORE_READERS,
            pool_timeout=BUSY_TIMEOUT,
            pool_reset_on_return=None,
        )
        self._writers = sa.create_engine(
            url,
            isolation_level="AUTOCOMMIT",
            connect_args=arguments,
            poolclass=sa.QueuePool,
            pool_size=1,
            max_overflow=0,
            pool_reset_on_return=None,
        )
        sa.event.listen(self._readers, "connect", _set_up_reader)
        sa.event.listen(self._writers, "connect", self._set_up_writer)

    @contextmanager
    def reading(self) -> Iterator[sa.Connection]:
        with translated(self.where):
            connection = self._readers.connect()
        with closing(connection):
            driver = _driver(connection)
            with translated(self.where):
                driver.execute("BEGIN")
            try:
                yield connection
            finally:
                self._end(connection, "ROLLBACK")

    @contextmanager
    def writing(self, *, durable: bool = True) -> Iterator[sa.Connection]:
        with self._one_writer(), self._writer(durable) as connection:
            yield connection

    @contextmanager
    def migrating(self) -> Iterator[sa.Connection]:
        with self._one_writer():
            try:
                with translated(self.where), closing(self._writers.connect()) as connection:
                    _driver(connection).execute("PRAGMA foreign_keys = OFF")  # has no effect inside a transaction
                with self._writer(durable=True) as connection:
                    yield connection
                    with translated(self.where):
                        broken = _driver(connection).execute("PRAGMA foreign_key_check").fetchone()
                    if broken is not None:
                        raise StorageFailed(f"The catalog {self.where} has rows that refer to none: {tuple(broken)}")
            finally:
                with translated(self.where), closing(self._writers.connect()) as connection:
                    _driver(connection).execute("PRAGMA foreign_keys = ON")

    def close(self) -> None:
        self._readers.dispose()
        self._writers.dispose()

    @contextmanager
    def _one_writer(self) -> Iterator[None]:
        # a lock of our own is fair and quick; SQLite's only sleeps and asks again
        if not self._writing.acquire(timeout=BUSY_TIMEOUT):
            raise busy(self.where)
        try:
            yield
        finally:
            self._writing.release()

    @contextmanager
    def _writer(self, durable: bool) -> Iterator[sa.Connection]:
        with translated(self.where):
            connection = self._writers.connect()
        with closing(connection):
            driver = _driver(connection)
            with translated(self.where):
                if self._writer_is_durable != durable:
                    driver.execute(f"PRAGMA synchronous = {'FULL' if durable else 'NORMAL'}")
                    self._writer_is_durable = durable
                driver.execute("BEGIN IMMEDIATE")
            try:
                yield connection
                with translated(self.where):
                    driver.execute("COMMIT")
            except BaseException:
                self._end(connection, "ROLLBACK")
                raise

    def _set_up_writer(self, driver: sqlite3.Connection, _record: object) -> None:
        _set_up(driver)
        self._writer_is_durable = None

    @staticmethod
    def _end(connection: sa.Connection, word: str) -> None:
        """Leave the transaction, whatever state it is in."""
        driver = _driver(connection)
        try:
            if driver.in_transaction:
                driver.execute(word)
        except sqlite3.Error:
            connection.invalidate()


def _set_up(driver: sqlite3.Connection) -> None:
    driver.execute("PRAGMA journal_mode = WAL")
    driver.execute("PRAGMA foreign_keys = ON")
    driver.execute("PRAGMA trusted_schema = OFF")
    driver.execute("PRAGMA temp_store = MEMORY")
    driver.execute(f"PRAGMA journal_size_limit = {64 << 20}")


def _set_up_reader(driver: sqlite3.Connection, _record: object) -> None:
    _set_up(driver)
    driver.execute("PRAGMA query_only = ON")


def _driver(connection: sa.Connection) -> sqlite3.Connection:
    driver = connection.connection.dbapi_connection
    if not isinstance(driver, sqlite3.Connection):
        raise TypeError(f"SQLite's driver is {type(driver).__name__}")
    return driver


def _create_private(path: Path) -> None:
    """Secrets' hashes and private images' names lie in it: 0600. Its journals take over the mode."""
    try:
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
    except OSError as exc:
        raise StorageFailed(f"Can't open the catalog {path}: {exc.strerror}") from exc
