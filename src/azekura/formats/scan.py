"""Reading an image's tarballs once, with everything checked on the way.

Of a unified or metadata tarball's top level only ``metadata.yaml``, ``templates/``, ``rootfs/`` and ``rootfs.img``
mean something; each may come once and be of its own kind. Other plain files and folders there are passed over
unread (LXD's own backups have a ``backup.yaml``), other kinds there are refused: a link has no honest use at that
place (CVE-2026-63294, -48750).
"""

from __future__ import annotations

from azekura.errors import AzekuraError, InvalidRequest, TooLarge
from azekura.formats.buffered import Readable
from azekura.formats.entry import Content, Entry, EntrySink, Kind, shown
from azekura.formats.limits import DEFAULT, Limits
from azekura.formats.metadata_yaml import FILE, parse_metadata, template_name_fault
from azekura.formats.rootfs_scan import Fault, RootfsScan, clean_link, refuse
from azekura.formats.rules import Names, clean_path
from azekura.formats.scanned import RootfsSummary, ScannedImage, ScannedMetadata, ScannedRootfs
from azekura.formats.tar import TarReader
from azekura.model.image import ImageType

__all__ = [
    "Limits",
    "RootfsSummary",
    "ScannedImage",
    "ScannedMetadata",
    "ScannedRootfs",
    "UnifiedScan",
    "scan_metadata",
    "scan_rootfs_tar",
    "scan_unified",
]

_METADATA = FILE.encode()
_KNOWN = (_METADATA, b"templates", b"rootfs.img")


def scan_unified(
    reader: Readable, sink: EntrySink | None, limits: Limits = DEFAULT, *, fault: Fault = refuse
) -> ScannedImage:
    """Scan a unified tarball (decompressed) to its end; entries below ``rootfs/`` go to ``sink``.

    Raises:
        InvalidRequest: damaged or against the rules.
        TooLarge: over a limit.
    """
    scan = UnifiedScan(limits, sink, fault)
    scan.read(reader)
    if not scan.has_rootfs and scan.metadata_yaml is not None:
        raise InvalidRequest(
            "Image is missing a rootfs: this is the metadata tarball of a split image",
            hint="import it together with its rootfs file: lxc image import METADATA ROOTFS",
        )
    kept = scan.metadata()
    return ScannedImage(kept.metadata, kept.metadata_yaml, kept.templates, scan.rootfs(), scan.type)


def scan_metadata(reader: Readable, limits: Limits = DEFAULT, *, fault: Fault = refuse) -> ScannedMetadata:
    """Scan the metadata tarball of a split image. Raises as :func:`scan_unified`.

    A root file system given in its place is told by ``Metadata tarball is missing metadata.yaml``.
    """
    scan = UnifiedScan(limits, None, fault)
    scan.read(_Capped(reader, limits.metadata_tarball_bytes, scan))
    kept = scan.metadata()
    if scan.has_rootfs:
        fault(
            InvalidRequest(
                "The metadata tarball has a rootfs in it: it is a whole image",
                hint="import it alone, without a rootfs file",
            )
        )
    return kept


def scan_rootfs_tar(
    reader: Readable, sink: EntrySink | None, limits: Limits = DEFAULT, *, fault: Fault = refuse
) -> ScannedRootfs:
    """Scan the rootfs tarball of a split image, whose root is the root directory. Raises as :func:`scan_unified`."""
    scan = RootfsScan(limits, sink, fault)
    tar = TarReader(reader, limits)
    for entry in tar:
        try:
            path, link = clean_path(entry.path, limits), clean_link(entry, limits)
        except AzekuraError as error:
            fault(error)
            continue
        scan.add(entry, path, link, tar.content())
    return ScannedRootfs(scan.finish())


class _Capped:
    """Stops reading what is much too large for a metadata tarball."""

    def __init__(self, reader: Readable, limit: int, scan: UnifiedScan) -> None:
        self._reader = reader
        self._left = limit
        self._scan = scan

    def read(self, n: int, /) -> bytes:
        data = self._reader.read(n)
        self._left -= len(data)
        if self._left < 0:
            if self._scan.metadata_yaml is None:
                raise _missing_metadata()
            raise TooLarge("The metadata tarball is much larger than metadata is", hint="is it a unified image?")
        return data


def _missing_metadata() -> InvalidRequest:
    return InvalidRequest(
        f"Metadata tarball is missing {FILE}",
        hint="an image's first file has metadata.yaml at its top level; a bare rootfs is its second",
    )


class UnifiedScan:
    """The top level of a unified or metadata tarball. A class, so that an inspection can ask for what there was."""

    def __init__(self, limits: Limits, sink: EntrySink | None, fault: Fault = refuse) -> None:
        self._limits = limits
        self._fault = fault
        self._rootfs = RootfsScan(limits, sink, fault)
        self._top = Names()
        self._entries = 0
        self._disk: int | None = None  # size of rootfs.img
        self._templates: dict[str, bytes] = {}
        self._templates_bytes = 0
        self._strays: list[AzekuraError] = []
        self.metadata_yaml: bytes | None = None
        self.has_rootfs = False

    @property
    def type(self) -> ImageType:
        return ImageType.CONTAINER if self._disk is None else ImageType.VIRTUAL_MACHINE

    @property
    def templates(self) -> dict[str, bytes]:
        return self._templates

    def read(self, reader: Readable) -> None:
        """Take the whole tarball."""
        tar = TarReader(reader, self._limits)
        for entry in tar:
            self._entries += 1
            if self._entries > self._limits.entries:
                raise TooLarge(f"The image has more than {self._limits.entries} files")
            try:
                self._take(entry, tar.content())
            except AzekuraError as error:
                self._fault(error)

    def metadata(self) -> ScannedMetadata:
        """Check and return the metadata.

        Raises:
            InvalidRequest: missing, or wrong.
        """
        if self.metadata_yaml is None:
            raise _missing_metadata()
        for stray in self._strays:
            self._fault(stray)
        return ScannedMetadata(parse_metadata(self.metadata_yaml, self._limits), self.metadata_yaml, self._templates)

    def rootfs(self) -> RootfsSummary:
        if self._disk is not None:
            return RootfsSummary(unpacked_bytes=self._disk)
        return self._rootfs.finish()

    def _take(self, entry: Entry, content: Content) -> None:
        # LXD's own test image names one file so; every other absolute name is refused
        name = entry.path[1:] if entry.path.startswith(b"/rootfs/") else entry.path
        path = clean_path(name, self._limits)
        top, _, rest = path.partition(b"/")
        if top == b"rootfs":
            self._take_rootfs(entry, rest, content)
            return
        if entry.kind not in (Kind.FILE, Kind.DIRECTORY):
            stray = InvalidRequest(
                f'"{shown(path)}" is a {entry.kind.value}: beside the rootfs an image has plain files only'
            )
            if top in _KNOWN:
                raise stray
            # told at the end, for if there is no metadata.yaml either this is simply another kind of file
            if len(self._strays) < self._limits.issues:
                self._strays.append(stray)
            return
        self._top.add(path, entry.kind)
        if path == _METADATA:
            self.metadata_yaml = self._small(entry, path, content, self._limits.metadata_bytes)
        elif path == b"rootfs.img":
            self._take_disk(entry)
        elif path == b"templates" and entry.kind is not Kind.DIRECTORY:
            raise InvalidRequest(f'"templates" is a {entry.kind.value} instead of a directory')
        elif top == b"templates" and rest:
            self._take_template(entry, path, rest, content)

    def _take_rootfs(self, entry: Entry, rest: bytes, content: Content) -> None:
        if self._disk is not None:
            raise InvalidRequest("The image has both rootfs/ and rootfs.img: it can't be told which is meant")
        if not rest and entry.kind is not Kind.DIRECTORY:
            raise InvalidRequest(f'"rootfs" is a {entry.kind.value} instead of a directory')
        link = clean_link(entry, self._limits)
        if link:
            top, _, link = link.partition(b"/")
            if top != b"rootfs":
                raise InvalidRequest(f'The hard link "{shown(entry.path)}" leads out of the rootfs')
        self.has_rootfs = True
        self._rootfs.add(entry, rest, link, content)

    def _take_disk(self, entry: Entry) -> None:
        if entry.kind is not Kind.FILE:
            raise InvalidRequest(f'"rootfs.img" is a {entry.kind.value} instead of a file')
        if self.has_rootfs:
            raise InvalidRequest("The image has both rootfs/ and rootfs.img: it can't be told which is meant")
        self.has_rootfs = True
        self._disk = entry.stored

    def _take_template(self, entry: Entry, path: bytes, rest: bytes, content: Content) -> None:
        name = rest.decode("utf-8", "replace")
        if entry.kind is not Kind.FILE or b"/" in rest:
            raise InvalidRequest(f'"{shown(path)}" is in the way: the templates folder holds plain files only')
        if "\ufffd" in name or template_name_fault(name):
            raise InvalidRequest(f'"{shown(path)}" can\'t be the name of a template')
        if len(self._templates) >= self._limits.templates:
            raise TooLarge(f"The image has more than {self._limits.templates} templates")
        data = self._small(entry, path, content, self._limits.template_bytes)
        self._templates_bytes += len(data)
        if self._templates_bytes > self._limits.templates_bytes:
            raise TooLarge(f"The image's templates take more than {self._limits.templates_bytes} bytes")
        self._templates[name] = data

    def _small(self, entry: Entry, path: bytes, content: Content, limit: int) -> bytes:
        if entry.kind is not Kind.FILE:
            raise InvalidRequest(f'"{shown(path)}" is a {entry.kind.value} instead of a file')
        if entry.size > limit:
            raise TooLarge(f'"{shown(path)}" is larger than {limit} bytes')
        data = bytearray(entry.size)
        for offset, piece in content:
            data[offset : offset + len(piece)] = piece
        return bytes(data)
