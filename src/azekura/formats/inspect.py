"""Everything there is to say about image files, without importing or unpacking them."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any, BinaryIO

from azekura.errors import AzekuraError, InvalidRequest, NotFound, StorageFailed, TooLarge
from azekura.formats.compression import open_reader
from azekura.formats.entry import Content, Entry
from azekura.formats.limits import DEFAULT, MIB, Limits
from azekura.formats.magic import HEAD_BYTES, Container, FileKind, sniff
from azekura.formats.pair import classify_pair
from azekura.formats.qcow2 import check_qcow2
from azekura.formats.scan import UnifiedScan, scan_rootfs_tar
from azekura.formats.scanned import RootfsSummary
from azekura.formats.squashfs import scan_rootfs_squashfs
from azekura.model.metadata import ImageMetadata

_NOTHING: Mapping[str, int] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class InspectedFile:
    """One file. ``role``: unified, metadata or rootfs; ``format`` and ``compression`` are empty if not recognised."""

    path: str
    role: str
    size: int  # bytes
    sha256: str
    format: str = ""
    compression: str = ""
    expanded: int | None = None  # bytes after decompression, as far as it was read


@dataclass(frozen=True, slots=True)
class Report:
    """``refused``: every reason an import would give; empty if the image is fine. ``warnings``: what an import
    accepts and its user may regret. ``templates``: sizes in bytes by name. ``type``: container, virtual-machine or
    empty if unknown."""

    files: tuple[InspectedFile, ...]
    fingerprint: str
    size: int
    type: str = ""
    metadata: ImageMetadata | None = None
    templates: Mapping[str, int] = field(default_factory=lambda: _NOTHING)
    rootfs: RootfsSummary | None = None
    refused: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Plain lists and maps, for ``json.dumps``."""
        tree = asdict(self)
        tree["templates"] = dict(self.templates)
        return tree


def inspect_files(paths: Sequence[Path], limits: Limits = DEFAULT) -> Report:
    """Look at a unified image (one path), or at the metadata and rootfs of a split one (two, in either order).

    Raises:
        NotFound, StorageFailed: a file can't be read. What is wrong with an image isn't raised but reported.
        InvalidRequest: neither one nor two paths.
    """
    if len(paths) not in (1, 2):
        raise InvalidRequest("An image has one file, or two: metadata and rootfs")
    try:
        with ExitStack() as stack:
            first = stack.enter_context(paths[0].open("rb"))
            if len(paths) == 1:
                return _Inspection(limits).unified(first, str(paths[0]))
            second = stack.enter_context(paths[1].open("rb"))
            both = (first, str(paths[0])), (second, str(paths[1]))
            metadata, rootfs = both if classify_pair(first, second, limits)[0] is first else both[::-1]
            return _Inspection(limits).split(metadata, rootfs)
    except FileNotFoundError as exc:
        raise NotFound("file", str(exc.filename), message=f"open {exc.filename}: no such file or directory") from exc
    except OSError as exc:
        raise StorageFailed(f"Reading the image failed: {exc.strerror or exc}") from exc


class _Hashed:
    """A file that is hashed while it is read, its sniffed beginning included."""

    def __init__(self, file: BinaryIO, path: str, role: str, total: hashlib._Hash) -> None:
        self._file = file
        self._path = path
        self._role = role
        self._own = hashlib.sha256()
        self._total = total
        self.head = file.read(HEAD_BYTES)
        file.seek(0)
        self._size = 0

    def read(self, n: int, /) -> bytes:
        data = self._file.read(n)
        self._own.update(data)
        self._total.update(data)
        self._size += len(data)
        return data

    def end(self, kind: FileKind | None, expanded: int | None) -> InspectedFile:
        """Read what is left, for the hash, and describe."""
        while self.read(MIB):
            pass
        compression = str(kind.compression) if kind is not None and kind.container is Container.TAR else ""
        return InspectedFile(
            self._path,
            self._role,
            self._size,
            self._own.hexdigest(),
            str(kind.container) if kind is not None else "",
            compression,
            expanded,
        )


class _Discard:
    """A sink that reads all data, so that damage in it is found."""

    def add(self, entry: Entry, content: Content) -> None:
        del entry
        for _ in content:
            pass

    def finish(self) -> None:
        pass


class _Inspection:
    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._hash = hashlib.sha256()
        self._refused: list[str] = []
        self._warnings: list[str] = []
        self._files: list[InspectedFile] = []
        self._metadata: ImageMetadata | None = None
        self._templates: dict[str, bytes] = {}
        self._rootfs: RootfsSummary | None = None
        self._type = ""

    def unified(self, file: BinaryIO, path: str) -> Report:
        source = _Hashed(file, path, "unified", self._hash)
        kind = self._sniff(source)
        expanded = None
        if kind is not None and kind.container is not Container.TAR:
            self._refused.append(
                f"Not an image by itself: the file is a {kind.container}, which needs a metadata tarball"
            )
        elif kind is not None:
            reader = open_reader(source, kind.compression, self._limits)
            scan = UnifiedScan(self._limits, _Discard(), self._note)
            if self._guarded(lambda: scan.read(reader)):
                self._take_metadata(scan)
                if scan.has_rootfs:
                    self._type = str(scan.type)
                    self._guarded(lambda: self._take_rootfs(scan.rootfs()))
                elif scan.metadata_yaml is not None:
                    self._refused.append("Image is missing a rootfs: this is the metadata tarball of a split image")
            expanded = reader.bytes_out
        self._files.append(source.end(kind, expanded))
        return self._report()

    def split(self, metadata: tuple[BinaryIO, str], rootfs: tuple[BinaryIO, str]) -> Report:
        source = _Hashed(*metadata, "metadata", self._hash)
        kind = self._sniff(source)
        expanded = None
        if kind is not None and kind.container is not Container.TAR:
            self._refused.append(f"The metadata must be a tarball, not a {kind.container}")
        elif kind is not None:
            reader = open_reader(source, kind.compression, self._limits)
            scan = UnifiedScan(self._limits, None, self._note)
            if self._guarded(lambda: scan.read(reader)):
                self._take_metadata(scan)
                if scan.has_rootfs:
                    self._refused.append("The metadata tarball has a rootfs in it: it is a whole image")
            expanded = reader.bytes_out
        self._files.append(source.end(kind, expanded))
        self._split_rootfs(*rootfs)
        return self._report()

    def _split_rootfs(self, file: BinaryIO, path: str) -> None:
        source = _Hashed(file, path, "rootfs", self._hash)
        kind = self._sniff(source)
        expanded = None
        if kind is not None:
            self._type = "virtual-machine" if kind.container is Container.QCOW2 else "container"
        if kind is not None and kind.container is Container.TAR:
            reader = open_reader(source, kind.compression, self._limits)
            self._guarded(
                lambda: self._take_rootfs(scan_rootfs_tar(reader, _Discard(), self._limits, fault=self._note).rootfs)
            )
            expanded = reader.bytes_out
        elif kind is not None and kind.container is Container.SQUASHFS:
            self._guarded(
                lambda: self._take_rootfs(scan_rootfs_squashfs(file, self._limits, _Discard(), fault=self._note).rootfs)
            )
            file.seek(0)
        elif kind is not None:
            self._guarded(lambda: check_qcow2(source.head))
        self._files.append(source.end(kind, expanded))

    def _sniff(self, source: _Hashed) -> FileKind | None:
        try:
            return sniff(source.head)
        except InvalidRequest as error:
            self._refused.append(f"{error.message} ({error.hint})" if error.hint else error.message)
            return None

    def _note(self, error: AzekuraError) -> None:
        """A fault that doesn't end the reading; too many do."""
        issues = error.issues if isinstance(error, InvalidRequest) else (error.message,)
        self._refused += [issue for issue in issues if issue not in self._refused]
        if len(self._refused) >= self._limits.issues:
            raise TooLarge("There is more that would be refused; the rest was not looked at")

    def _guarded(self, work: Callable[[], object]) -> bool:
        """Do it; a fault that ends it is noted, and False returned."""
        try:
            work()
        except AzekuraError as error:
            issues = error.issues if isinstance(error, InvalidRequest) else (error.message,)
            self._refused += [issue for issue in issues if issue not in self._refused]
            return False
        return True

    def _take_metadata(self, scan: UnifiedScan) -> None:
        self._templates = scan.templates

        def take() -> None:
            self._metadata = scan.metadata().metadata

        self._guarded(take)

    def _take_rootfs(self, rootfs: RootfsSummary) -> None:
        self._rootfs = rootfs

    def _report(self) -> Report:
        self._warn()
        return Report(
            tuple(self._files),
            self._hash.hexdigest(),
            sum(file.size for file in self._files),
            self._type,
            self._metadata,
            {name: len(data) for name, data in sorted(self._templates.items())},
            self._rootfs,
            tuple(self._refused),
            tuple(self._warnings),
        )

    def _warn(self) -> None:
        if self._metadata is not None:
            used = {rule.template for rule in self._metadata.templates}
            for name in sorted(used - self._templates.keys()):
                self._warnings.append(f'The template "{name}" is missing: containers that need it will not start')
            for name in sorted(self._templates.keys() - used):
                self._warnings.append(f'The template "{name}" is used by no rule of metadata.yaml')
        if self._rootfs is not None and self._type == "container":
            if not self._rootfs.has_init:
                self._warnings.append("There is no init program: a container of this image will not start")
            if self._rootfs.highest_id > 65535:
                self._warnings.append(
                    f"The user or group id {self._rootfs.highest_id} is beyond the 65536 ids a container usually has"
                )
            if self._rootfs.devices:
                self._warnings.append("There are device nodes, which will not work in containers")
            if self._rootfs.dropped_xattrs:
                self._warnings.append(f"{self._rootfs.dropped_xattrs} attributes of security modules will not be kept")
