"""Which kind of file it is, told by its first bytes alone (names and headers of strangers are never asked).

The table is that of LXD's ``shared/archive``; v7 tars, which have no magic number, are refused as they are there.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from azekura.errors import InvalidRequest

HEAD_BYTES = 512  # more than enough for sniff(): the farthest magic number ends at 262


class Compression(StrEnum):
    """Stream compressions of tarballs."""

    NONE = "none"
    GZIP = "gzip"
    BZIP2 = "bzip2"
    XZ = "xz"
    LZMA = "lzma"
    ZSTD = "zstd"

    @property
    def extension(self) -> str:
        """What LXD appends to ``.tar``."""
        return _EXTENSIONS[self]


class Container(StrEnum):
    """What is inside."""

    TAR = "tar"
    SQUASHFS = "squashfs"
    QCOW2 = "qcow2"


_EXTENSIONS = {
    Compression.NONE: "",
    Compression.GZIP: ".gz",
    Compression.BZIP2: ".bz2",
    Compression.XZ: ".xz",
    Compression.LZMA: ".lzma",
    Compression.ZSTD: ".zst",
}


@dataclass(frozen=True, slots=True)
class FileKind:
    """A compressed file is taken for a tarball: nothing else is compressed from outside in the world of LXD."""

    container: Container
    compression: Compression = Compression.NONE

    @property
    def extension(self) -> str:
        """``.tar.xz``, ``.squashfs``, ``.qcow2`` …"""
        return f".{self.container}{self.compression.extension}"


def sniff(head: bytes) -> FileKind:
    """Tell the kind of a file from its first :data:`HEAD_BYTES` (fewer if the file is shorter).

    Raises:
        InvalidRequest: an empty file, or none of the known kinds.
    """
    if not head:
        raise InvalidRequest("The file is empty", hint="the upload or download that made it probably failed")
    compression = _compression(head)
    if compression is not None:
        return FileKind(Container.TAR, compression)
    if head[257:262] == b"ustar":
        return FileKind(Container.TAR)
    if head.startswith(b"hsqs"):
        return FileKind(Container.SQUASHFS)
    if head.startswith(b"QFI"):
        return FileKind(Container.QCOW2)
    raise InvalidRequest("Unsupported compression", hint=_hint(head))


def _compression(head: bytes) -> Compression | None:
    if head.startswith(b"\x1f\x8b"):
        return Compression.GZIP
    if head.startswith(b"\x28\xb5\x2f\xfd"):
        return Compression.ZSTD
    if head.startswith(b"BZ"):
        return Compression.BZIP2
    if head[1:5] == b"7zXZ":
        return Compression.XZ if head[0] == 0xFD else Compression.LZMA
    if head.startswith(b"\x5d\x00\x00"):
        return Compression.LZMA
    return None


def _hint(head: bytes) -> str:
    if head.startswith((b"PK\x03\x04", b"Rar!", b"7z\xbc\xaf")):
        return "this is a zip, rar or 7z archive: pack it as a tarball"
    if head.lstrip()[:9].lower().startswith((b"<!doctype", b"<html")):
        return "this is a web page, not an image: the address it came from probably answered with an error"
    if len(head) < HEAD_BYTES:
        return "the file is too short for an image"
    if head.startswith(b"sqsh"):
        return "this is a big-endian squashfs: make it anew with a current mksquashfs"
    return (
        "an image is a tarball (plain, or compressed by gzip, bzip2, xz, lzma or zstd), a squashfs or a qcow2;"
        " tarballs in the old v7 format are not accepted"
    )
