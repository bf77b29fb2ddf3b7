"""Where the system's errors become ours."""

from __future__ import annotations

import errno
import os
from pathlib import Path

from azekura.errors import HostError, NoSpace, StorageFailed

_FULL = (errno.ENOSPC, errno.EDQUOT)


def available_bytes(path: Path) -> int | None:
    """Bytes that an ordinary user may still write on the file system of ``path``; None where it can't tell."""
    try:
        state = os.statvfs(path)
    except OSError:
        return None
    return state.f_bavail * state.f_frsize


def storage_error(exc: OSError, path: Path, doing: str, *, needed: int | None = None) -> HostError | NoSpace:
    """What to raise for ``exc``, met at ``path`` while ``doing`` ("write an image file")."""
    if exc.errno in _FULL:
        return NoSpace(path=str(path), needed=needed, available=available_bytes(path))
    return StorageFailed(f"Can't {doing} in {path}: {exc.strerror or exc}")
