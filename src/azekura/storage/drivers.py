"""The storage drivers by name."""

from __future__ import annotations

from pathlib import Path

from azekura.errors import InvalidRequest
from azekura.storage.btrfs import BtrfsStorage
from azekura.storage.dir import DirStorage
from azekura.storage.overlay import OverlayStorage
from azekura.storage.port import StorageDriver

DRIVERS: dict[str, type[OverlayStorage] | type[BtrfsStorage] | type[DirStorage]] = {
    driver.name: driver for driver in (OverlayStorage, BtrfsStorage, DirStorage)
}


def open_driver(name: str, path: Path, *, source: Path | None = None, size: int | None = None) -> StorageDriver:
    """Return the driver ``name`` for the pool in the folder ``path``. Nothing is touched yet.

    ``source`` (a file or block device) and ``size`` (bytes of the file) are for btrfs alone.

    Raises:
        InvalidRequest: no such driver, or an option that the driver doesn't have.
    """
    if name not in DRIVERS:
        raise InvalidRequest(f"Unknown storage driver {name[:80]!r}: there are {', '.join(DRIVERS)}")
    if name == BtrfsStorage.name:
        return BtrfsStorage(path, source=source, size=size)
    if source is not None or size is not None:
        raise InvalidRequest(f"The {name} storage driver lies in a folder: it takes no source and no size")
    return OverlayStorage(path) if name == OverlayStorage.name else DirStorage(path)
