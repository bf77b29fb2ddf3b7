"""The one path for every way in: an image's bytes flow once, through hash, blob, validation and root file system.

::

    upload, remote, publish ──write──► Part ──► Ingest (hidden blob, hashed)
                                           ├──► sha256 of metadata ‖ rootfs
                                           └──► confined child: decompress, validate, fill the image tree

Nothing here is visible to anyone before :meth:`Staged.commit` is called inside the transaction that records it.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from azekura.blobs.port import BlobStore
from azekura.errors import InvalidRequest, NoSpace, NotFound
from azekura.formats.compression import open_reader
from azekura.formats.confined import ConfinedScan, scan_squashfs_confined, unpack_squashfs_confined
from azekura.formats.magic import Container
from azekura.formats.qcow2 import check_qcow2
from azekura.formats.scan import Limits, ScannedImage, ScannedMetadata, ScannedRootfs, scan_metadata
from azekura.formats.squashfs import scan_rootfs_squashfs
from azekura.model.fingerprint import Fingerprint
from azekura.model.image import ImageFile, ImageFiles, ImageType, SplitFiles, UnifiedFiles
from azekura.model.metadata import ImageMetadata
from azekura.model.source import Origin
from azekura.services.depot import Depot
from azekura.services.images.parts import HEAD, Part
from azekura.storage.port import StorageDriver, TreeFill

ROLES = ("unified", "metadata", "rootfs", "rootfs.img")


@dataclass(frozen=True, slots=True)
class Staged:
    """A complete, validated image that nobody sees yet."""

    fingerprint: Fingerprint
    type: ImageType
    files: ImageFiles
    metadata: ImageMetadata
    metadata_yaml: bytes
    templates: Mapping[str, bytes]
    origin: Origin


class Staging:
    """Collects an image's parts. A context manager: what was not committed is gone at its end."""

    def __init__(
        self, depot: Depot, origin: Origin, *, unpack: bool = True, limits: Limits | None = None, size_limit: int = 0
    ) -> None:
        self.depot = depot
        self.origin = origin
        self.size_limit = size_limit
        self._limits = limits or Limits()
        self._parts: dict[str, Part] = {}
        self._driver: StorageDriver | None = depot.pools.default() if unpack and depot.host is not None else None
        self._fill: TreeFill | None = None
        self._combined: tuple[list[str], hashlib._Hash] = ([], hashlib.sha256())
        self._committed = False
        self._open_part: Part | None = None

    @property
    def blobs(self) -> BlobStore:
        return self.depot.blobs

    def __enter__(self) -> Staging:
        return self

    def __exit__(self, *_: object) -> None:
        self.abort()

    def part(self, role: str, size: int | None = None) -> Part:
        """Begin the next file; the one before is complete with that.

        Raises:
            InvalidRequest: a role twice, or roles that don't go together, in LXD's words.
        """
        self._end_open_part()
        if role not in ROLES or role in self._parts or (self._parts and role == "unified"):
            raise InvalidRequest("Invalid multipart image")
        part = Part(self, role, size)
        self._parts[role] = part
        self._open_part = part
        return part

    def _end_open_part(self) -> None:
        if self._open_part is not None:
            self._open_part.end()
            self._open_part = None

    def part_restarted(self, part: Part) -> None:
        """The bytes of ``part`` begin again: a combined hash that holds some of them is of no use any more."""
        if part.role in self._combined[0]:
            self._combined = ([], hashlib.sha256())
        if part.role in ("unified", "rootfs") and self._fill is not None:
            self._fill.abort()
            self._fill = None

    def hash_part(self, part: Part, data: bytes | bytearray | memoryview) -> None:
        """Feed metadata ‖ rootfs while they flow, as long as they come in that order."""
        order, digest = self._combined
        if part.role == "unified":
            return
        if part.role not in order:
            wanted = "metadata" if not order else ("rootfs", "rootfs.img")
            if part.role not in wanted and part.role != wanted:
                return
            if order and self._parts[order[-1]].fault is not None:
                return
            order.append(part.role)
        if order[-1] == part.role:
            digest.update(data)

    def open_scan(self, part: Part) -> ConfinedScan | None:
        """What validates this part while it flows; None where that has to wait for the whole file."""
        assert part.kind is not None
        if part.role == "unified":
            if part.kind.container is not Container.TAR:
                raise InvalidRequest(
                    f"The file is a {part.kind.container.value} without metadata, which is no image by itself",
                    hint="give both files: lxc image import METADATA ROOTFS",
                )
            return ConfinedScan("unified", self._tree(), self._limits)
        if part.role == "rootfs" and part.kind.container is Container.TAR:
            if "metadata" in self._parts and self._metadata_is_swapped():
                return None
            return ConfinedScan("rootfs", self._tree(), self._limits)
        return None

    def _tree(self) -> Path | None:
        if self._driver is None:
            return None
        self._fill = self._driver.fill_image()
        return self._fill.path

    def _metadata_is_swapped(self) -> bool:
        """Whether the file sent as metadata is none (users give the pair in either order)."""
        part = self._parts["metadata"]
        if part.fault is not None or part.kind is None:
            return False
        if part.kind.container is not Container.TAR:
            return True
        try:
            self._scan_metadata(part)
        except InvalidRequest as exc:
            return "missing metadata.yaml" in str(exc)
        return False

    def _scan_metadata(self, part: Part) -> ScannedMetadata:
        assert part.kind is not None
        assert part.ingest is not None
        with self._file(part).open("rb") as raw:
            return scan_metadata(open_reader(raw, part.kind.compression, self._limits), self._limits)

    @staticmethod
    def _file(part: Part) -> Path:
        assert part.ingest is not None
        path = part.ingest.path()
        if path is None:
            raise InvalidRequest("This store can't be read before commit")
        return path

    def received_fingerprint(self) -> Fingerprint:
        """Of what came so far, which is complete with that; a part of it may still come anew.

        Raises:
            InvalidRequest, TooLarge, NoSpace, StorageFailed: the first fault.
        """
        for part in self._parts.values():
            part.end()
            if part.fault is not None:
                raise part.fault
        if "metadata" in self._parts:
            rootfs = next((part for role, part in self._parts.items() if role != "metadata"), None)
            if rootfs is not None:
                return self._combined_fingerprint(self._parts["metadata"], rootfs)
        if len(self._parts) != 1:
            raise InvalidRequest("Invalid multipart image")
        return Fingerprint.parse(self._image_file(next(iter(self._parts.values()))).sha256)

    def finish(self) -> Staged:
        """Validate what came as a whole.

        Raises:
            InvalidRequest, TooLarge, NoSpace, StorageFailed: the first fault; nothing is left behind then.
        """
        self._end_open_part()
        try:
            return self._finish()
        except NoSpace as exc:
            if exc.available is not None:
                raise
            raise self._measured(exc) from exc

    def _finish(self) -> Staged:
        for part in self._parts.values():
            if part.fault is not None:
                raise part.fault
        if "unified" in self._parts:
            return self._finish_unified(self._parts["unified"])
        if "metadata" in self._parts and len(self._parts) == 2:
            return self._finish_split()
        raise InvalidRequest("Invalid multipart image")

    def _finish_unified(self, part: Part) -> Staged:
        assert part.scan is not None
        scan, part.scan = part.scan, None
        scanned = scan.finish()
        assert isinstance(scanned, ScannedImage)
        file = self._image_file(part)
        if scanned.type is ImageType.VIRTUAL_MACHINE:
            self._drop_tree()
        return Staged(
            fingerprint=Fingerprint.parse(file.sha256),
            type=scanned.type,
            files=UnifiedFiles(file),
            metadata=scanned.metadata,
            metadata_yaml=scanned.metadata_yaml,
            templates=scanned.templates,
            origin=self.origin,
        )

    def _finish_split(self) -> Staged:
        metadata = self._parts["metadata"]
        rootfs = next(part for role, part in self._parts.items() if role != "metadata")
        if rootfs.role == "rootfs" and self._metadata_is_swapped():
            metadata, rootfs = rootfs, metadata
        scanned = self._scan_metadata(metadata)
        disk = rootfs.role == "rootfs.img" or (rootfs.kind is not None and rootfs.kind.container is Container.QCOW2)
        if disk:
            self._drop_tree()
            with self._file(rootfs).open("rb") as raw:
                check_qcow2(raw.read(HEAD))
        else:
            self._check_rootfs(rootfs)
        files = SplitFiles(self._image_file(metadata), self._image_file(rootfs))
        return Staged(
            fingerprint=self._combined_fingerprint(metadata, rootfs),
            type=ImageType.VIRTUAL_MACHINE if disk else ImageType.CONTAINER,
            files=files,
            metadata=scanned.metadata,
            metadata_yaml=scanned.metadata_yaml,
            templates=scanned.templates,
            origin=self.origin,
        )

    def _check_rootfs(self, part: Part) -> None:
        """Validate a container's root file system that was not validated while it flowed."""
        assert part.kind is not None
        if part.scan is not None:
            scan, part.scan = part.scan, None
            assert isinstance(scan.finish(), ScannedRootfs)
            return
        path = self._file(part)
        if part.kind.container is Container.SQUASHFS:
            if self._driver is not None and not mounts_squashfs(self.depot, self._driver, self.origin):
                tree = self._tree()
                assert tree is not None
                unpack_squashfs_confined(path, tree, self._limits)
            elif self.origin is Origin.NETWORK:
                scan_squashfs_confined(path, self._limits)
            else:
                with path.open("rb") as raw:
                    scan_rootfs_squashfs(raw, self._limits)
            return
        if part.kind.container is not Container.TAR:
            raise InvalidRequest(f"The root file system can't be a {part.kind.container.value}")
        scan_rest = ConfinedScan("rootfs", self._tree(), self._limits)  # came as "metadata": read it once more
        try:
            with path.open("rb") as raw:
                while data := raw.read(1 << 20):
                    scan_rest.write(data)
            scan_rest.finish()
        except BaseException:
            scan_rest.abort()
            raise

    def _combined_fingerprint(self, metadata: Part, rootfs: Part) -> Fingerprint:
        order, digest = self._combined
        if order == [metadata.role, rootfs.role]:
            return Fingerprint.parse(digest.hexdigest())
        digest = hashlib.sha256()
        for part in (metadata, rootfs):
            with self._file(part).open("rb") as raw:
                while data := raw.read(1 << 20):
                    digest.update(data)
        return Fingerprint.parse(digest.hexdigest())

    @staticmethod
    def _image_file(part: Part) -> ImageFile:
        assert part.ingest is not None
        assert part.kind is not None
        info = part.ingest.seal()
        return ImageFile(info.sha256, info.size, part.kind.extension)

    def _drop_tree(self) -> None:
        if self._fill is not None:
            self._fill.abort()
            self._fill = None

    def _measured(self, exc: NoSpace) -> NoSpace:
        """The error with figures: a child that ran out of room can't tell what there was. Files and tree together take
        at least twice the files' size; what is available is measured after ours was given back."""
        needed = 2 * sum(max(part.size or 0, part.written) for part in self._parts.values())
        self.abort()
        place = self._driver.path if self._driver is not None else self.depot.folder.root
        try:
            room = os.statvfs(place)
        except OSError:
            return exc
        return NoSpace(path=str(place), needed=needed, available=room.f_bavail * room.f_frsize)

    def commit_blobs(self) -> None:
        """Make the bytes visible under their hashes. To be called inside the transaction that records the image."""
        for part in self._parts.values():
            assert part.ingest is not None
            part.ingest.commit()
        self._committed = True

    def commit_tree(self, fingerprint: Fingerprint) -> None:
        """Make the filled tree the image's tree in its pool, before the image is recorded: it is only a cache."""
        if self._fill is not None:
            self._fill.commit(fingerprint.value)
            self._fill = None

    def abort(self) -> None:
        """Drop whatever was not committed."""
        if not self._committed:
            for part in self._parts.values():
                part.discard()
        self._drop_tree()


def mounts_squashfs(depot: Depot, driver: StorageDriver, origin: Origin) -> bool:
    """Whether the kernel may mount a squashfs of this origin as it is, by ``storage.mount_squashfs``."""
    if not driver.mounts_squashfs:
        return False
    with depot.catalog.read() as tx:
        try:
            policy = tx.settings.get("storage.mount_squashfs") or "trusted"
        except NotFound:
            policy = "trusted"
    return policy == "always" or (policy == "trusted" and origin is not Origin.NETWORK)
