"""From ``OSError`` to the errors that may leave this package."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from azekura.errors import NoSpace, StorageFailed


@contextmanager
def explained(doing: str, path: Path) -> Iterator[None]:
    """Translate what goes wrong in the block. ``doing`` completes "Failed to …"; ``path`` is the file system used.

    Raises:
        NoSpace: the file system is full, or the quota used up.
        StorageFailed: any other ``OSError``.
    """
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise NoSpace(path=str(path), available=_available(path)) from error
        reason = error.strerror or str(error)
        if error.filename is not None:
            reason = f"{os.fsdecode(error.filename)}: {reason}"
        raise StorageFailed(f"Failed to {doing}: {reason}") from error


def _available(path: Path) -> int | None:
    try:
        status = os.statvfs(path)
    except OSError:
        return None
    return status.f_bavail * status.f_frsize
