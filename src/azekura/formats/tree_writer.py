"""Writing a root file system from entries that rules have passed.

Every name is created in a folder that is held by descriptor and was reached without following links, and is created
anew: nothing that exists is ever opened for writing. Owners, modes and times of folders are set at the end, so that
neither a read-only nor a set-group-id folder nor an inherited access list is in the way before.
"""

from __future__ import annotations

import errno
import os
import stat
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager

from azekura.errors import AzekuraError, InvalidRequest, NoSpace, StorageFailed
from azekura.formats.beneath import open_folder
from azekura.formats.entry import Content, Entry, Kind, shown

_OPEN_FOLDERS = 64
_CREATE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_NODES = {Kind.CHARACTER: stat.S_IFCHR, Kind.BLOCK: stat.S_IFBLK, Kind.FIFO: stat.S_IFIFO}
_FULL = (errno.ENOSPC, errno.EDQUOT)


class TreeWriter:
    """An :class:`~azekura.formats.entry.EntrySink` below the folder ``root`` (a descriptor, borrowed).

    ``place`` names the folder in messages. The folder should be empty; its own owner, mode and times become the
    image's. Needs root's rights. Nothing is synced: whoever makes the tree visible syncs its file system first.
    """

    def __init__(self, root: int, place: str) -> None:
        self._root = root
        self._place = place
        self._open: OrderedDict[bytes, int] = OrderedDict()  # recently used folders
        self._folders: list[Entry] = []
        self._implied: set[bytes] = {b""}

    def __enter__(self) -> TreeWriter:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Give the descriptors back; what was written stays."""
        while self._open:
            os.close(self._open.popitem()[1])

    def add(self, entry: Entry, content: Content) -> None:
        """Create the entry.

        Raises:
            NoSpace: the file system or quota is full.
            StorageFailed: the file system refuses for another reason.
        """
        with self._translated(entry):
            if entry.kind is Kind.DIRECTORY:
                self._add_folder(entry)
                return
            cut = entry.path.rfind(b"/")
            folder = self._folder(entry.path[:cut] if cut > 0 else b"")
            name = entry.path[cut + 1 :]
            if entry.kind is Kind.FILE:
                self._add_file(entry, folder, name, content)
            elif entry.kind is Kind.SYMLINK:
                os.symlink(entry.target, name, dir_fd=folder)
                self._own(entry, folder, name)
            elif entry.kind is Kind.HARDLINK:
                self._add_link(entry, folder, name)
            elif entry.kind in _NODES:
                os.mknod(name, _NODES[entry.kind] | 0o600, os.makedev(entry.major, entry.minor), dir_fd=folder)
                os.chown(name, entry.uid, entry.gid, dir_fd=folder, follow_symlinks=False)
                os.chmod(name, entry.mode, dir_fd=folder)  # made here a moment ago: no link
                os.utime(name, ns=(entry.mtime_ns, entry.mtime_ns), dir_fd=folder, follow_symlinks=False)
            # sockets are left out: a new one is made by whoever listens on it

    def finish(self) -> None:
        """Set what was put off for the folders, innermost first. Raises as :meth:`add`."""
        self.close()
        for entry in reversed(self._folders):
            with self._translated(entry):
                fd = open_folder(self._root, entry.path)
                try:
                    self._finish_node(fd, entry)
                finally:
                    os.close(fd)

    def _add_folder(self, entry: Entry) -> None:
        if entry.path in self._implied:
            self._implied.discard(entry.path)
        else:
            cut = entry.path.rfind(b"/")
            folder = self._folder(entry.path[:cut] if cut > 0 else b"")
            os.mkdir(entry.path[cut + 1 :], 0o700, dir_fd=folder)
        self._folders.append(entry)

    def _add_file(self, entry: Entry, folder: int, name: bytes, content: Content) -> None:
        fd = os.open(name, _CREATE, 0o600, dir_fd=folder)
        try:
            position = 0
            for offset, data in content:
                if offset != position:
                    os.lseek(fd, offset, os.SEEK_SET)
                written = os.write(fd, data)
                while written < len(data):
                    written += os.write(fd, data[written:])
                position = offset + len(data)
            if position < entry.size:
                os.ftruncate(fd, entry.size)
            self._finish_node(fd, entry)
        finally:
            os.close(fd)

    def _finish_node(self, fd: int, entry: Entry) -> None:
        # in this order: chown clears set-id bits and capabilities, an access list changes the mode
        os.fchown(fd, entry.uid, entry.gid)
        for name, value in entry.xattrs.items():
            try:
                os.setxattr(fd, name, value)
            except OSError as exc:
                if exc.errno == errno.EOPNOTSUPP and name != "security.capability":
                    continue  # as on a file system without them, where the container could not set them either
                if exc.errno in (errno.EINVAL, errno.ERANGE):
                    raise InvalidRequest(
                        f'The image has an impossible value of {name} on "{shown(entry.path)}"'
                    ) from exc
                raise
        os.fchmod(fd, entry.mode)
        os.utime(fd, ns=(entry.mtime_ns, entry.mtime_ns))

    def _add_link(self, entry: Entry, folder: int, name: bytes) -> None:
        cut = entry.target.rfind(b"/")
        source = os.dup(folder)  # looking up the other folder may close this one
        try:
            other = self._folder(entry.target[:cut] if cut > 0 else b"")
            os.link(entry.target[cut + 1 :], name, src_dir_fd=other, dst_dir_fd=source, follow_symlinks=False)
        finally:
            os.close(source)

    def _own(self, entry: Entry, folder: int, name: bytes) -> None:
        os.chown(name, entry.uid, entry.gid, dir_fd=folder, follow_symlinks=False)
        os.utime(name, ns=(entry.mtime_ns, entry.mtime_ns), dir_fd=folder, follow_symlinks=False)

    def _folder(self, path: bytes) -> int:
        """A descriptor of the folder; parents that the archive left out are made, root's and 0755."""
        fd = self._open.get(path)
        if fd is not None:
            self._open.move_to_end(path)
            return fd
        try:
            fd = open_folder(self._root, path)
        except FileNotFoundError:
            cut = path.rfind(b"/")
            above = self._folder(path[:cut] if cut > 0 else b"")
            os.mkdir(path[cut + 1 :], 0o755, dir_fd=above)
            self._implied.add(path)
            fd = open_folder(self._root, path)
        if len(self._open) >= _OPEN_FOLDERS:
            os.close(self._open.popitem(last=False)[1])
        self._open[path] = fd
        return fd

    @contextmanager
    def _translated(self, entry: Entry) -> Iterator[None]:
        try:
            yield
        except AzekuraError:
            raise
        except OSError as exc:
            if exc.errno in _FULL:
                raise NoSpace(path=self._place) from exc
            reason = exc.strerror or str(exc)
            raise StorageFailed(f'Writing "{shown(entry.path)}" to {self._place} failed: {reason}') from exc
