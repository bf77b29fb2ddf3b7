"""Packing a container's root file system, metadata and templates into a unified tarball.

Order and form are LXD's: ``metadata.yaml``, ``rootfs/…`` sorted, ``templates/…``, numeric owners, times in whole
seconds. Equal trees give equal bytes.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Protocol

from azekura.errors import Cancelled, StorageFailed
from azekura.formats.entry import Entry, Kind, shown
from azekura.formats.metadata_yaml import FILE
from azekura.formats.tar_writer import END, header, padding

_CHUNK = 1024 * 1024
_DEPTH = 500  # folders in folders: a descriptor is held for each
_HOLES = 64 * 1024  # fewer bytes of holes aren't worth a sparse file
_XATTRS = ("user.", "security.capability", "system.posix_acl_access", "system.posix_acl_default")
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
_KINDS = {
    stat.S_IFREG: Kind.FILE,
    stat.S_IFDIR: Kind.DIRECTORY,
    stat.S_IFLNK: Kind.SYMLINK,
    stat.S_IFCHR: Kind.CHARACTER,
    stat.S_IFBLK: Kind.BLOCK,
    stat.S_IFIFO: Kind.FIFO,
}


class Sink(Protocol):
    def write(self, data: bytes, /) -> object: ...


def pack_image(
    view: Path,
    metadata_yaml: bytes,
    templates: Mapping[str, bytes],
    out: Sink,
    *,
    progress: Callable[[int], None] = lambda _: None,
    cancelled: Callable[[], bool] = lambda: False,
) -> None:
    """Write the tarball, uncompressed, to ``out``.

    ``view`` is the root directory of the container, with owners as seen inside, and must not change meanwhile.
    ``progress`` is told the bytes of file data packed so far, ``cancelled`` asked now and then. Left out are sockets,
    devices 0:0 (overlayfs's marks of removed files) and all attributes but ``user.*``, file capabilities and access
    lists.

    Raises:
        Cancelled: ``cancelled`` said so.
        StorageFailed: the tree can't be read, or changed while it was.
    """
    packer = _Packer(out, progress, cancelled)
    try:
        root = os.open(view, _FOLDER)
        try:
            when = os.fstat(root).st_mtime_ns
            packer.small(FILE.encode(), metadata_yaml, when)
            packer.folder(root, b"rootfs")
        finally:
            os.close(root)
        if templates:
            packer.entry(Entry(b"templates", Kind.DIRECTORY, 0o755, mtime_ns=when))
        for name in sorted(templates):
            packer.small(b"templates/" + name.encode(), templates[name], when)
        packer.finish()
    except OSError as exc:
        raise StorageFailed(f"Packing {view} failed: {exc.strerror or exc}") from exc


class _Packer:
    def __init__(self, out: Sink, progress: Callable[[int], None], cancelled: Callable[[], bool]) -> None:
        self._out = out
        self._progress = progress
        self._cancelled = cancelled
        self._pending: list[bytes] = []  # small pieces, written together
        self._pending_bytes = 0
        self._done = 0
        self._total = 0
        self._links: dict[tuple[int, int], bytes] = {}  # first name of files that have several

    def small(self, name: bytes, data: bytes, mtime_ns: int) -> None:
        """A file that is at hand."""
        self.entry(Entry(name, Kind.FILE, 0o644, mtime_ns=mtime_ns, size=len(data)))
        self._write(data)
        self._write(padding(len(data)))

    def entry(self, entry: Entry) -> None:
        self._write(header(entry))

    def folder(self, fd: int, path: bytes) -> None:
        """A folder and all below it. A loop over a stack, since trees may be deeper than Python's."""
        self.entry(_entry(path, Kind.DIRECTORY, os.fstat(fd), xattrs=_xattrs(fd)))
        stack = [(fd, path, self._names(fd))]
        try:
            while stack:
                fd, path, names = stack[-1]
                name = next(names, None)
                if name is None:
                    stack.pop()
                    if stack:  # the outermost is the caller's
                        os.close(fd)
                    continue
                child = path + b"/" + name
                info = os.stat(name, dir_fd=fd, follow_symlinks=False)
                if stat.S_ISDIR(info.st_mode):
                    if len(stack) > _DEPTH:
                        raise StorageFailed(f'"{shown(child)}" lies deeper than {_DEPTH} folders')
                    inner = os.open(name, _FOLDER, dir_fd=fd)
                    stack.append((inner, child, self._names(inner)))
                    self.entry(_entry(child, Kind.DIRECTORY, os.fstat(inner), xattrs=_xattrs(inner)))
                else:
                    self._leaf(fd, name, child, info)
        finally:
            for fd, _, _ in stack[1:]:
                os.close(fd)

    def finish(self) -> None:
        # whole records of 10 KiB, as tar programs write
        self._write(END)
        self._write(bytes(-(self._total) % 10240))
        self._flush()
        self._progress(self._done)

    def _names(self, fd: int) -> Iterator[bytes]:
        if self._cancelled():
            raise Cancelled("Packing the image was cancelled")
        return iter(sorted(os.fsencode(name) for name in os.listdir(fd)))

    def _leaf(self, folder: int, name: bytes, path: bytes, info: os.stat_result) -> None:
        kind = _KINDS.get(stat.S_IFMT(info.st_mode))
        if kind is None:
            return
        if kind in (Kind.CHARACTER, Kind.BLOCK):
            if info.st_rdev:
                self.entry(_entry(path, kind, info, device=info.st_rdev))
        elif kind is Kind.SYMLINK:
            self.entry(_entry(path, kind, info, target=os.readlink(name, dir_fd=folder)))
        elif kind is Kind.FILE:
            key = (info.st_dev, info.st_ino)
            first = self._links.get(key) if info.st_nlink > 1 else None
            if first is not None:
                self.entry(_entry(path, Kind.HARDLINK, info, target=first))
                return
            if info.st_nlink > 1:
                self._links[key] = path
            self._file(folder, name, path)
        else:
            self.entry(_entry(path, kind, info))

    def _file(self, folder: int, name: bytes, path: bytes) -> None:
        fd = os.open(name, _FILE, dir_fd=folder)
        try:
            info = os.fstat(fd)
            if not stat.S_ISREG(info.st_mode):
                raise _changed(path)
            sparse = _data_areas(fd, info)
            entry = _entry(path, Kind.FILE, info, xattrs=_xattrs(fd), size=info.st_size, sparse=sparse)
            self.entry(entry)
            if sparse is None:
                self._copy(fd, info.st_size, path)
            else:
                for offset, length in sparse:
                    os.lseek(fd, offset, os.SEEK_SET)
                    self._copy(fd, length, path)
            self._write(padding(entry.stored))
        finally:
            os.close(fd)

    def _copy(self, fd: int, count: int, path: bytes) -> None:
        while count:
            data = os.read(fd, min(count, _CHUNK))
            if not data:
                raise _changed(path)
            count -= len(data)
            self._done += len(data)
            self._write(data)

    def _write(self, data: bytes) -> None:
        self._total += len(data)
        self._pending.append(data)
        self._pending_bytes += len(data)
        if self._pending_bytes >= _CHUNK:
            self._flush()

    def _flush(self) -> None:
        if self._pending:
            self._out.write(b"".join(self._pending) if len(self._pending) > 1 else self._pending[0])
            self._pending.clear()
            self._pending_bytes = 0
            self._progress(self._done)
            if self._cancelled():
                raise Cancelled("Packing the image was cancelled")


def _entry(
    path: bytes,
    kind: Kind,
    info: os.stat_result,
    *,
    target: bytes = b"",
    device: int = 0,
    xattrs: Mapping[str, bytes] | None = None,
    size: int = 0,
    sparse: tuple[tuple[int, int], ...] | None = None,
) -> Entry:
    return Entry(
        path,
        kind,
        stat.S_IMODE(info.st_mode),
        info.st_uid,
        info.st_gid,
        info.st_mtime_ns,
        size,
        target,
        os.major(device),
        os.minor(device),
        xattrs or {},
        sparse,
    )


def _xattrs(fd: int) -> Mapping[str, bytes] | None:
    try:
        names = os.listxattr(fd)
    except OSError:
        return None  # a file system without them
    return {name: os.getxattr(fd, name) for name in names if name.startswith(_XATTRS)} if names else None


def _data_areas(fd: int, info: os.stat_result) -> tuple[tuple[int, int], ...] | None:
    """Where the data of a sparse file lies; None for a file without holes worth the trouble."""
    if info.st_size - info.st_blocks * 512 < _HOLES:
        return None
    areas = []
    at = 0
    while at < info.st_size:
        try:
            start = os.lseek(fd, at, os.SEEK_DATA)
        except OSError:  # ENXIO: only a hole is left
            break
        at = min(os.lseek(fd, start, os.SEEK_HOLE), info.st_size)
        areas.append((start, at - start))
    os.lseek(fd, 0, os.SEEK_SET)
    holes = info.st_size - sum(length for _, length in areas)
    return tuple(areas) if holes >= _HOLES else None


def _changed(path: bytes) -> StorageFailed:
    return StorageFailed(
        f'"{shown(path)}" changed while it was packed', hint="stop or freeze the instance, or publish a snapshot"
    )
