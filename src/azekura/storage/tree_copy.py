"""Copying a root file system whole, also one that a running container is changing.

Everything is reached from descriptors of the folders above it and no link is ever followed, so a container that
swaps a folder for a link while it is being copied gets nothing of the host's into the copy. ``cp -a`` opens its
sources by path and would follow.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from azekura.errors import StorageFailed
from azekura.storage.kernel.paths import clone_file
from azekura.storage.owner_shift import UNCHANGED, OwnerShift

MAX_DEPTH = 200  # two descriptors are open per level, of the usual 1024
_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
_WRITE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_CHUNK = 1 << 30
_CHANGED = (errno.ELOOP, errno.ENOTDIR, errno.ENXIO)  # became a link, a file, a socket since it was listed


@dataclass(slots=True)
class _Level:
    """A folder being copied, its name in the folder above, and what of it is still to do."""

    name: str
    source: int
    target: int
    status: os.stat_result
    entries: Iterator[os.DirEntry[str]]

    def close(self) -> None:
        os.close(self.source)
        os.close(self.target)


def copy_tree(source: Path, target: Path, shift: OwnerShift = UNCHANGED) -> None:
    """Copy the folder ``source`` into the empty or new folder ``target``, its owners changed by ``shift``.

    Modes, times, hard links, nodes and extended attributes stay what they are; file contents share blocks
    where the file system can do that. What disappears while it is being copied is left out.

    Raises:
        OSError: reading or writing failed; ``target`` is half-made then.
        StorageFailed: folders nested deeper than :data:`MAX_DEPTH`.
    """
    target.mkdir(mode=0o700, exist_ok=True)
    _Copy(shift).run(os.open(source, _DIRECTORY), os.open(target, _DIRECTORY))


class _Copy:
    def __init__(self, shift: OwnerShift) -> None:
        self._shift = shift
        self._levels: list[_Level] = []
        self._linked: dict[tuple[int, int], str] = {}  # inode with several names → path of its copy, from the root
        self._try_clone = True

    def run(self, source: int, target: int) -> None:
        try:
            self._enter("", source, target)
            while self._levels:
                level = self._levels[-1]
                entry = next(level.entries, None)
                if entry is None:
                    self._give_attributes(level.source, level.target, level.status)
                    self._levels.pop().close()
                else:
                    with suppress(FileNotFoundError):
                        self._copy(level, entry)
        finally:
            while self._levels:
                self._levels.pop().close()

    def _enter(self, name: str, source: int, target: int) -> None:
        if len(self._levels) >= MAX_DEPTH:
            os.close(source)
            os.close(target)
            raise StorageFailed(f"The root file system has folders nested deeper than {MAX_DEPTH}: can't copy it")
        # A list, since scandir's own iterator would keep a third descriptor open.
        with os.scandir(source) as found:
            entries = list(found)
        self._levels.append(_Level(name, source, target, os.fstat(source), iter(entries)))

    def _copy(self, level: _Level, entry: os.DirEntry[str]) -> None:
        name = entry.name
        if entry.is_dir(follow_symlinks=False):
            source = _open_as_listed(name, _DIRECTORY, level.source)
            os.mkdir(name, 0o700, dir_fd=level.target)
            self._enter(name, source, os.open(name, _DIRECTORY, dir_fd=level.target))
        elif entry.is_file(follow_symlinks=False):
            source = _open_as_listed(name, _READ, level.source)
            try:
                self._copy_file(level, name, source)
            finally:
                os.close(source)
        else:
            self._copy_node(level, name)

    def _copy_file(self, level: _Level, name: str, source: int) -> None:
        status = os.fstat(source)
        if not stat.S_ISREG(status.st_mode):
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), name)
        inode = (status.st_dev, status.st_ino)
        if inode in self._linked:
            os.link(
                self._linked[inode],
                name,
                src_dir_fd=self._levels[0].target,
                dst_dir_fd=level.target,
                follow_symlinks=False,
            )
            return
        target = os.open(name, _WRITE, 0o600, dir_fd=level.target)
        try:
            self._copy_data(source, target, status)
            self._give_attributes(source, target, status)
        finally:
            os.close(target)
        if status.st_nlink > 1:
            self._linked[inode] = "/".join([*(above.name for above in self._levels[1:]), name])

    def _copy_data(self, source: int, target: int, status: os.stat_result) -> None:
        if status.st_size == 0:
            return
        if self._try_clone:
            self._try_clone = clone_file(source, target)
            if self._try_clone:
                return
        if status.st_blocks * 512 < status.st_size:
            _copy_sparse(source, target, status.st_size)
        else:
            _copy_range(source, target, 0, status.st_size)

    def _copy_node(self, level: _Level, name: str) -> None:
        """A symbolic link, device, FIFO or socket. Devices matter: overlayfs notes a deleted file as device 0:0."""
        status = os.stat(name, dir_fd=level.source, follow_symlinks=False)
        if stat.S_ISLNK(status.st_mode):
            try:
                destination = os.readlink(name, dir_fd=level.source)
            except OSError as error:
                if error.errno != errno.EINVAL:  # EINVAL: not a link any more
                    raise
                return
            os.symlink(destination, name, dir_fd=level.target)
        elif stat.S_ISREG(status.st_mode) or stat.S_ISDIR(status.st_mode):
            return  # it was something else when it was listed
        else:
            os.mknod(name, status.st_mode, status.st_rdev, dir_fd=level.target)
        os.chown(
            name,
            self._shift.id(status.st_uid),
            self._shift.id(status.st_gid),
            dir_fd=level.target,
            follow_symlinks=False,
        )
        if not stat.S_ISLNK(status.st_mode):
            os.chmod(name, stat.S_IMODE(status.st_mode), dir_fd=level.target)
        os.utime(name, ns=(status.st_atime_ns, status.st_mtime_ns), dir_fd=level.target, follow_symlinks=False)

    def _give_attributes(self, source: int, target: int, status: os.stat_result) -> None:
        os.fchown(target, self._shift.id(status.st_uid), self._shift.id(status.st_gid))
        os.fchmod(target, stat.S_IMODE(status.st_mode))
        # After the owner: chown drops file capabilities.
        for name in os.listxattr(source):
            try:
                os.setxattr(target, name, self._shift.attribute(name, os.getxattr(source, name)))
            except OSError as error:
                # Gone meanwhile, or a kind that the target's file system doesn't keep.
                if error.errno not in (errno.ENODATA, errno.EOPNOTSUPP):
                    raise
        os.utime(target, ns=(status.st_atime_ns, status.st_mtime_ns))


def _open_as_listed(name: str, flags: int, folder: int) -> int:
    """Open an entry of ``folder``; one that is no longer what it was listed as counts as gone."""
    try:
        return os.open(name, flags, dir_fd=folder)
    except OSError as error:
        if error.errno in _CHANGED:
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), name) from error
        raise


def _copy_range(source: int, target: int, start: int, end: int) -> None:
    while start < end:
        sent = os.sendfile(target, source, start, min(end - start, _CHUNK))
        if sent == 0:
            return  # it shrank meanwhile
        start += sent


def _copy_sparse(source: int, target: int, size: int) -> None:
    position = 0
    while position < size:
        try:
            start = os.lseek(source, position, os.SEEK_DATA)
            position = min(os.lseek(source, start, os.SEEK_HOLE), size)
        except OSError as error:
            if error.errno != errno.ENXIO:  # ENXIO: nothing but a hole from here on
                raise
            break
        os.lseek(target, start, os.SEEK_SET)
        _copy_range(source, target, start, position)
    os.ftruncate(target, size)
