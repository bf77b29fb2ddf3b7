"""The confined child: reads a stranger's image, checks it, writes its tree, says what it found. It says one thing and
ends; it is started by :mod:`azekura.formats.confined` alone.

Everything that may be needed is imported before the walls go up, for nothing can be afterwards.
"""

from __future__ import annotations

import codecs
import os
from pathlib import Path
from typing import Any

from azekura.errors import AzekuraError, HostError, InvalidRequest, TooLarge
from azekura.formats import confinement
from azekura.formats.compression import open_reader
from azekura.formats.entry import EntrySink
from azekura.formats.limits import GIB, MIB, Limits
from azekura.formats.magic import HEAD_BYTES, Container, FileKind, sniff
from azekura.formats.outcome import encode, encode_error
from azekura.formats.scan import scan_rootfs_tar, scan_unified
from azekura.formats.scanned import RootfsSummary, ScannedImage, ScannedRootfs
from azekura.formats.tree_writer import TreeWriter
from azekura.model.image import ImageType

_MEMORY = 2 * GIB
_SECONDS = 3600


class _Input:
    """The standard input, beginning with what was read of it already."""

    def __init__(self) -> None:
        self.head = b""
        while len(self.head) < HEAD_BYTES and (data := os.read(0, HEAD_BYTES - len(self.head))):
            self.head += data
        self._first = self.head

    def read(self, n: int, /) -> bytes:
        if self._first:
            data, self._first = self._first[:n], self._first[n:]
            return data
        return os.read(0, n)


def main(job: dict[str, Any]) -> None:
    """Do the job and end the process. ``job``: kind, target, place, limits, result and image (descriptors)."""
    try:
        answer = encode(_run(job))
    except AzekuraError as error:
        answer = encode_error(error)
    except MemoryError:
        answer = encode_error(TooLarge("The image takes more memory to read than it may"))
    view = memoryview(answer)
    while view:
        view = view[os.write(job["result"], view) :]
    os._exit(0)


def _run(job: dict[str, Any]) -> ScannedImage | ScannedRootfs:
    limits = Limits(**job["limits"])
    target = Path(job["target"]) if job["target"] else None
    if job["kind"] == "squashfs":
        return _squashfs(job, target, limits)
    source = _Input()
    kind = sniff(source.head)
    if kind.container is not Container.TAR:
        return _no_tar(job["kind"], kind, source)
    if job["kind"] == "unified":
        import yaml  # noqa: F401
    reader = open_reader(source, kind.compression, limits)  # loads the library
    _confine(target, limits)
    with _Tree(target, job["place"]) as sink:
        if job["kind"] == "unified":
            return scan_unified(reader, sink, limits)
        return scan_rootfs_tar(reader, sink, limits)


def _squashfs(job: dict[str, Any], target: Path | None, limits: Limits) -> ScannedRootfs:
    from azekura.formats.squashfs import scan_rootfs_squashfs

    with open(job["image"], "rb") as file:  # noqa: PTH123 - a descriptor
        if target is not None:
            import concurrent.futures.thread  # noqa: F401 - perhaps

            import zstandard  # noqa: F401 - perhaps
        _confine(target, limits)
        with _Tree(target, job["place"]) as sink:
            return scan_rootfs_squashfs(file, limits, sink)


def _no_tar(wanted: str, kind: FileKind, source: _Input) -> ScannedRootfs:
    if wanted == "unified":
        raise InvalidRequest(
            f"Not an image by itself: the file is a {kind.container}, which needs a metadata tarball",
            hint="give both files: lxc image import METADATA ROOTFS",
        )
    if kind.container is not Container.QCOW2:
        raise InvalidRequest("A squashfs can't be read as a stream: it has to be a file")
    from azekura.formats.qcow2 import check_qcow2

    check_qcow2(source.head)
    size = 0
    while data := source.read(MIB):
        size += len(data)
    return ScannedRootfs(RootfsSummary(unpacked_bytes=size), ImageType.VIRTUAL_MACHINE)


def _confine(target: Path | None, limits: Limits) -> None:
    for codec in ("ascii", "utf-8", "utf-8-sig", "unicode_escape"):
        codecs.lookup(codec)
    if os.geteuid() == 0:
        try:
            confinement.enter(target)
        except OSError as exc:
            if target is not None:
                raise HostError(
                    f"An image can't be unpacked safely here: {exc.strerror}",
                    hint="the daemon needs CAP_SYS_ADMIN, as root on a host has it",
                ) from exc
    confinement.limit(memory=_MEMORY, file_bytes=limits.file_bytes, seconds=_SECONDS)
    confinement.drop_rights(confinement.WRITER_CAPABILITIES if target is not None else ())


class _Tree:
    """The sink: a tree below what is now the root, or none."""

    def __init__(self, target: Path | None, place: str) -> None:
        self._root = os.open("/", os.O_DIRECTORY | os.O_CLOEXEC) if target is not None else None
        self._writer = TreeWriter(self._root, place) if self._root is not None else None

    def __enter__(self) -> EntrySink | None:
        os.umask(0)
        return self._writer

    def __exit__(self, *_: object) -> None:
        if self._writer is not None and self._root is not None:
            self._writer.close()
            os.close(self._root)
