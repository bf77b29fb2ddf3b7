"""A depot in a folder, without root: a real catalog and real blobs, pools of plain folders, a runtime in memory."""

from __future__ import annotations

import functools
import hashlib
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from tests.fakes.storage import FolderStorage

from azekura.blobs.folder import FolderBlobs
from azekura.catalog import open_catalog
from azekura.errors import RuntimeFailed
from azekura.model.fingerprint import Fingerprint
from azekura.model.image import Alias, Image, ImageFile, ImageFiles, ImageType, SplitFiles, UnifiedFiles
from azekura.model.instance import Instance, Profile, StoragePool
from azekura.model.source import Origin
from azekura.runtime.port import Runtime
from azekura.services.depot import Depot
from azekura.services.events import Events
from azekura.services.operations import Operations
from azekura.services.pools import Pools
from azekura.services.state_folder import StateFolder
from azekura.storage.port import StorageDriver

START = datetime(2030, 1, 1, 12, 0, tzinfo=UTC)
METADATA = b"architecture: x86_64\ncreation_date: 1700000000\n"


class TurnableClock:
    """A clock that stands still until it is turned."""

    def __init__(self, now: datetime = START) -> None:
        self.now = now

    def __call__(self) -> datetime:
        return self.now

    def turn(self, **span: float) -> None:
        """Forward by that much, in :class:`~datetime.timedelta`'s words."""
        self.now += timedelta(**span)


class FolderPools(Pools):
    """Every pool is one of plain folders, whatever its driver is called."""

    def _driver(self, pool: StoragePool) -> StorageDriver:
        return FolderStorage(self._folder.pools / pool.name)


@functools.cache
def _fresh_database() -> bytes:
    """A catalog without content: making its tables takes longer than most tests."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "fresh.db"
        open_catalog(path).close()
        return path.read_bytes()


@contextmanager
def folder_depot(root: Path, *, host: Runtime | None = None) -> Iterator[tuple[Depot, TurnableClock]]:
    """A depot below ``root`` and its clock. Without a ``host`` images are kept but not unpacked."""
    folder = StateFolder(root / "lxd")
    folder.create()
    clock = TurnableClock()
    if not folder.database.exists():
        folder.database.write_bytes(_fresh_database())
    catalog = open_catalog(folder.database, clock=clock)
    events = Events(catalog)
    depot = Depot(
        folder=folder,
        catalog=catalog,
        blobs=FolderBlobs(folder.blobs),
        pools=FolderPools(catalog, folder),
        events=events,
        operations=Operations(catalog, events),
        host=host,
        host_problem=None if host else RuntimeFailed("This is a test"),
        clock=clock,
    )
    with catalog.write() as tx:
        if not tx.profiles.list():
            tx.profiles.create(Profile("default", "Default LXD profile"))
    try:
        yield depot, clock
    finally:
        depot.operations.close()
        if depot.host is not None:
            depot.host.close()
        catalog.close()


def store_blob(depot: Depot, data: bytes, extension: str = ".tar") -> ImageFile:
    """Bytes in the store, and the file of an image that is made of them."""
    with depot.blobs.ingest() as ingest:
        ingest.write(data)
        info = ingest.commit()
    return ImageFile(info.sha256, info.size, extension)


def put_image(
    depot: Depot, content: bytes, rootfs: bytes | None = None, *, aliases: Sequence[str] = (), **fields: Any
) -> Image:
    """An image whose files hold ``content`` (and ``rootfs``), recorded as an import records one."""
    files: ImageFiles
    if rootfs is None:
        files = UnifiedFiles(store_blob(depot, content))
    else:
        files = SplitFiles(store_blob(depot, content), store_blob(depot, rootfs, ".squashfs"))
    image = Image(
        fingerprint=Fingerprint.parse(hashlib.sha256(content + (rootfs or b"")).hexdigest()),
        type=ImageType.CONTAINER,
        architecture="x86_64",
        files=files,
        created_at=depot.clock(),
        uploaded_at=depot.clock(),
        origin=Origin.ADMIN,
    )
    image = replace(image, **fields)
    with depot.catalog.write() as tx:
        tx.images.create(image, metadata_yaml=METADATA, templates={})
        for file in files.all:
            tx.blobs.record(file.sha256, file.size)
            tx.blobs.add_reference(file.sha256, "image", image.fingerprint.value)
        for name in aliases:
            tx.aliases.create(Alias(name, image.fingerprint))
    return image


def put_instance(depot: Depot, name: str, image: Image) -> Instance:
    """An instance's record, as if made from ``image``; it holds the image's last file."""
    blob = image.files.all[-1].sha256
    config = {"volatile.base_image": image.fingerprint.value, "volatile.base_blob": blob}
    instance = Instance(name, "x86_64", "default", depot.clock(), config)
    with depot.catalog.write() as tx:
        if not any(pool.name == "default" for pool in tx.pools.list()):
            tx.pools.create(StoragePool("default", "dir"))
            FolderStorage(depot.folder.pools / "default").create()
        tx.instances.create(instance)
        tx.blobs.add_reference(blob, "instance", name)
    return instance
