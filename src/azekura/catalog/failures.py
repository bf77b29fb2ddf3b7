"""Where the databases' errors become ours."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager

import sqlalchemy as sa

from azekura.catalog.columns import UnstorableText
from azekura.errors import AzekuraError, InvalidRequest, NoSpace, StorageFailed

_FULL = {"53100", "SQLITE_FULL"}  # 53100: PostgreSQL's disk_full
_BUSY = {"55P03", "40P01", "SQLITE_BUSY", "SQLITE_BUSY_SNAPSHOT", "SQLITE_BUSY_TIMEOUT", "SQLITE_LOCKED"}
_TOO_BIG = {"22003", "SQLITE_TOOBIG"}


@contextmanager
def translated(where: str) -> Iterator[None]:
    """Raise our error for a database's that leaves the block. ``where`` names the catalog, without secrets.

    Raises:
        InvalidRequest: a value that no column can hold.
        NoSpace: the disk is full.
        StorageFailed: everything else, such as a locked, damaged or unreachable database.
    """
    try:
        yield
    except (sa.exc.SQLAlchemyError, sqlite3.Error, OverflowError) as exc:
        raise _ours(exc, where) from exc


def _ours(exc: Exception, where: str) -> AzekuraError:
    cause: BaseException = exc
    if isinstance(exc, sa.exc.StatementError) and exc.orig is not None:
        cause = exc.orig
    if isinstance(cause, UnstorableText):
        return InvalidRequest(f"The catalog can't hold {cause}")
    code = getattr(cause, "sqlstate", None) or getattr(cause, "sqlite_errorname", None)
    if isinstance(cause, OverflowError) or code in _TOO_BIG:
        return InvalidRequest("The catalog can't hold a number or text as large as that")
    if code in _FULL:
        return NoSpace(path=where)
    if code in _BUSY or isinstance(exc, sa.exc.TimeoutError):
        return busy(where)
    reason = " ".join(str(cause).split())
    return StorageFailed(f"The catalog {where} failed: {reason[:300]}")


def busy(where: str) -> StorageFailed:
    """Somebody else kept the catalog for too long."""
    return StorageFailed(f"The catalog {where} is busy: another process holds it", hint="try again in a moment")
