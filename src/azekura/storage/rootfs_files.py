"""Files inside a container's root file system, whose every name and link may be hostile.

Paths are looked up as a process inside would: absolute links and ``..`` stay below the root (``openat2`` with
``RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS``). Whatever is checked is used through the same descriptor. Content is
only ever read from and written to regular files: a device or FIFO is never opened.
"""

from __future__ import annotations

import errno
import os
import secrets
import stat
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Self

from azekura.errors import AlreadyExists, InUse, InvalidRequest, NotFound, StorageFailed
from azekura.storage.faults import explained
from azekura.storage.kernel.paths import open_in_root
from azekura.storage.port import DirectIds, Kind

_FOLDER = os.O_PATH | os.O_DIRECTORY
_ENTRY = os.O_PATH | os.O_NOFOLLOW
_TEMPORARY = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_MOST_LINKS = 40  # as many as the kernel follows
_NOBODY = 65534
_KINDS = {
    stat.S_IFREG: "file",
    stat.S_IFDIR: "directory",
    stat.S_IFLNK: "symlink",
    stat.S_IFCHR: "character device",
    stat.S_IFBLK: "block device",
    stat.S_IFIFO: "FIFO",
    stat.S_IFSOCK: "socket",
}


@dataclass(frozen=True, slots=True)
class FileStatus:
    """``kind``: file, directory, symlink, FIFO, socket, character device or block device. Ids are the container's
    (65534 for what it has no id for), ``mode`` has the permission bits, ``modified`` is seconds since 1970."""

    kind: str
    mode: int
    uid: int
    gid: int
    size: int
    modified: float


class RootfsFiles:
    """The files below one root folder. ``owner_base`` is the host id of the container's id 0 on that path, ``direct``
    what is mapped otherwise.

    Holds one descriptor: close it, or the volume stays in use.

    Raises (all methods): NotFound for what isn't there, InvalidRequest for a path that can't be used so (a folder
    where a file is wanted, more than 40 links), NoSpace, StorageFailed.
    """

    def __init__(self, root: Path, owner_base: int, direct: tuple[DirectIds, ...] = ()) -> None:
        with explained("open the root file system", root):
            self._root = os.open(root, _FOLDER | os.O_NOFOLLOW | os.O_CLOEXEC)
        self._path = root
        self._base = owner_base
        self._direct = direct

    def close(self) -> None:
        """Let the root folder go."""
        if self._root >= 0:
            os.close(self._root)
            self._root = -1

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    # Looking

    def exists(self, path: str) -> bool:
        """Whether something has that name, a dangling link included."""
        try:
            self.stat(path, follow=False)
        except NotFound:
            return False
        return True

    def stat(self, path: str, *, follow: bool = True) -> FileStatus:
        """What is there. ``follow``: of the last component too."""
        with self._explained("look at", path), self._opened(path, os.O_PATH if follow else _ENTRY) as entry:
            status = os.fstat(entry)
        return FileStatus(
            kind=_kind(status),
            mode=stat.S_IMODE(status.st_mode),
            uid=self._inner(status.st_uid, "u"),
            gid=self._inner(status.st_gid, "g"),
            size=status.st_size,
            modified=status.st_mtime,
        )

    def listdir(self, path: str) -> list[str]:
        """Names in a folder, sorted."""
        with self._explained("list", path), self._opened(path, os.O_RDONLY | os.O_DIRECTORY) as folder:
            return sorted(os.listdir(folder))  # noqa: PTH208 - of a descriptor

    def readlink(self, path: str) -> str:
        """Where a symbolic link points."""
        with self._explained("read", path), self._opened(path, _ENTRY) as entry:
            if not stat.S_ISLNK(os.fstat(entry).st_mode):
                raise InvalidRequest(f"{path} is not a symlink")
            return os.readlink("", dir_fd=entry)

    def open_read(self, path: str) -> BinaryIO:
        """Open a regular file for reading. The caller closes it."""
        with self._explained("read", path), self._opened(path, os.O_PATH) as entry:
            return os.fdopen(_reopen(entry, os.O_RDONLY, path), "rb")

    # Writing

    def write_file(
        self,
        path: str,
        data: bytes | Iterable[bytes],
        *,
        mode: int = 0o644,
        uid: int = 0,
        gid: int = 0,
        keep_existing_mode: bool = True,
    ) -> None:
        """Write a regular file in one step: who reads it meanwhile sees the old content or the new.

        Missing folders above are made, 0755 and the container's root's. A link is followed. A file that is there
        keeps its mode (less setuid and setgid) and owner, unless ``keep_existing_mode`` is false.
        """
        chunks = (data,) if isinstance(data, bytes) else data
        with self._explained("write", path), self._target(path, make_folders=True) as (folder, name):
            existing = _entry_status(folder, name)
            if existing is not None:
                _require_regular(existing, path)
            owner, group, permissions = self._outer(uid, "u"), self._outer(gid, "g"), mode
            if existing is not None and keep_existing_mode:
                owner, group = existing.st_uid, existing.st_gid
                permissions = stat.S_IMODE(existing.st_mode) & ~(stat.S_ISUID | stat.S_ISGID)
            temporary = f".azekura-{secrets.token_hex(8)}"
            descriptor = os.open(temporary, _TEMPORARY, 0o600, dir_fd=folder)
            try:
                with os.fdopen(descriptor, "wb") as file:
                    file.writelines(chunks)
                    file.flush()
                    os.fchown(file.fileno(), owner, group)
                    os.fchmod(file.fileno(), stat.S_IMODE(permissions))
                os.rename(temporary, name, src_dir_fd=folder, dst_dir_fd=folder)
            except BaseException:
                with suppress(OSError):
                    os.unlink(temporary, dir_fd=folder)
                raise

    def append_file(self, path: str, data: bytes | Iterable[bytes], *, mode: int = 0o644) -> None:
        """Add to the end of a regular file, which is made when it isn't there."""
        chunks = (data,) if isinstance(data, bytes) else data
        try:
            with (
                self._explained("write", path),
                self._opened(path, os.O_PATH) as entry,
                os.fdopen(_reopen(entry, os.O_WRONLY | os.O_APPEND, path), "ab") as file,
            ):
                file.writelines(chunks)
        except NotFound:
            self.write_file(path, chunks, mode=mode)

    def mkdir(self, path: str, *, mode: int = 0o755, uid: int = 0, gid: int = 0, parents: bool = False) -> None:
        """Make a folder. Raises AlreadyExists, unless ``parents`` and it is a folder."""
        with self._explained("make", path), self._parent(path, make_folders=parents) as (folder, name):
            try:
                self._make_folder(folder, name, mode, uid, gid)
            except FileExistsError as error:
                status = _entry_status(folder, name)
                if not (parents and status is not None and stat.S_ISDIR(status.st_mode)):
                    raise AlreadyExists("file", path) from error

    def symlink(self, path: str, target: str, *, uid: int = 0, gid: int = 0) -> None:
        """Make a symbolic link; one that leads to the same place already is left alone. Raises AlreadyExists."""
        with self._explained("make", path), self._parent(path, make_folders=False) as (folder, name):
            try:
                os.symlink(target, name, dir_fd=folder)
            except FileExistsError as error:
                if _link_target(folder, name) == target:
                    return
                raise AlreadyExists("file", path) from error
            os.chown(name, self._outer(uid, "u"), self._outer(gid, "g"), dir_fd=folder, follow_symlinks=False)

    def remove(self, path: str) -> None:
        """Remove a file, link or node, or an empty folder; a link itself, not what it points to."""
        with self._explained("remove", path), self._parent(path, make_folders=False) as (folder, name):
            try:
                os.unlink(name, dir_fd=folder)
            except IsADirectoryError:
                try:
                    os.rmdir(name, dir_fd=folder)
                except OSError as error:
                    if error.errno == errno.ENOTEMPTY:
                        raise InUse(f"The directory {path} is not empty") from error
                    raise

    # Steps

    @contextmanager
    def _opened(self, path: str, flags: int) -> Iterator[int]:
        descriptor = open_in_root(self._root, _relative(path), flags)
        try:
            yield descriptor
        finally:
            os.close(descriptor)

    @contextmanager
    def _parent(self, path: str, *, make_folders: bool) -> Iterator[tuple[int, str]]:
        """The folder that ``path`` lies in, opened, and the last component, which may be a link."""
        above, name = _split(path)
        with self._folder(above, make=make_folders) as folder:
            yield folder, name

    @contextmanager
    def _target(self, path: str, *, make_folders: bool) -> Iterator[tuple[int, str]]:
        """As :meth:`_parent`, with links of the last component followed, also to something that isn't there yet."""
        for _ in range(_MOST_LINKS):
            above, name = _split(path)
            with self._folder(above, make=make_folders) as folder:
                status = _entry_status(folder, name)
                if status is None or not stat.S_ISLNK(status.st_mode):
                    yield folder, name
                    return
                link = os.readlink(name, dir_fd=folder)
            # Not normalised: `..` after a link must be taken from where the link leads, which the kernel does.
            path = link if link.startswith("/") else f"{above}/{link}"
            make_folders = False
        raise OSError(errno.ELOOP, os.strerror(errno.ELOOP))

    @contextmanager
    def _folder(self, path: str, *, make: bool) -> Iterator[int]:
        try:
            descriptor = open_in_root(self._root, _relative(path), _FOLDER)
        except FileNotFoundError:
            if not make:
                raise
            descriptor = self._made_folders(path)
        try:
            yield descriptor
        finally:
            os.close(descriptor)

    def _made_folders(self, path: str) -> int:
        done = ""
        descriptor = os.dup(self._root)
        try:
            for part in path.split("/"):
                if part in ("", "."):
                    continue
                done = f"{done}/{part}"
                try:
                    deeper = open_in_root(self._root, _relative(done), _FOLDER)
                except FileNotFoundError as missing:
                    try:
                        self._make_folder(descriptor, part, 0o755, 0, 0)
                    except FileExistsError:
                        raise missing from None  # a link to nothing
                    deeper = os.open(part, _FOLDER | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=descriptor)
                os.close(descriptor)
                descriptor = deeper
        except BaseException:
            os.close(descriptor)
            raise
        return descriptor

    def _make_folder(self, above: int, name: str, mode: int, uid: int, gid: int) -> None:
        os.mkdir(name, 0o700, dir_fd=above)
        descriptor = os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=above)
        try:
            os.fchown(descriptor, self._outer(uid, "u"), self._outer(gid, "g"))
            os.fchmod(descriptor, stat.S_IMODE(mode))
        finally:
            os.close(descriptor)

    def _outer(self, number: int, kind: Kind) -> int:
        for one in self._direct:
            if one.kind == kind and one.inside <= number < one.inside + one.count:
                return one.outside + number - one.inside
        if not 0 <= number < 2**32 - 1 - self._base:
            raise InvalidRequest(f"Invalid user or group id {number}")
        return self._base + number

    def _inner(self, number: int, kind: Kind) -> int:
        for one in self._direct:
            if one.kind == kind and one.outside <= number < one.outside + one.count:
                return one.inside + number - one.outside
        return number - self._base if number >= self._base else _NOBODY

    @contextmanager
    def _explained(self, doing: str, path: str) -> Iterator[None]:
        if "\0" in path or len(os.fsencode(path)) > 4096:
            raise InvalidRequest("Invalid file path: it holds a NUL or is longer than 4096 bytes")
        try:
            with explained(f"{doing} {path}", self._path):
                yield
        except StorageFailed as failure:
            cause = failure.__cause__
            number = cause.errno if isinstance(cause, OSError) else None
            if number == errno.ENOENT:
                raise NotFound("file", path, message=f"{path}: no such file or directory") from cause
            if number in (errno.EISDIR, errno.ENOTDIR, errno.ELOOP, errno.ENAMETOOLONG, errno.EINVAL):
                reason = os.strerror(number).lower() if number != errno.EINVAL else "the container has no such user id"
                raise InvalidRequest(f"{path}: {reason}") from cause
            raise


def _relative(path: str) -> str:
    return path.lstrip("/") or "."


def _split(path: str) -> tuple[str, str]:
    """(folder, last component). A path that ends in ``/``, ``.`` or ``..`` names a folder, never a file."""
    above, _, name = path.rpartition("/")
    if name in ("", ".", ".."):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
    return above, name


def _entry_status(folder: int, name: str) -> os.stat_result | None:
    try:
        return os.stat(name, dir_fd=folder, follow_symlinks=False)
    except FileNotFoundError:
        return None


def _require_regular(status: os.stat_result, path: str) -> None:
    if stat.S_ISDIR(status.st_mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
    if not stat.S_ISREG(status.st_mode):
        raise InvalidRequest(f"{path} is a {_kind(status)}, not a regular file")


def _reopen(entry: int, flags: int, path: str) -> int:
    """Open for real what the O_PATH descriptor ``entry`` holds, once it is known to be a regular file."""
    _require_regular(os.fstat(entry), path)
    return os.open(f"/proc/self/fd/{entry}", flags | os.O_CLOEXEC)


def _kind(status: os.stat_result) -> str:
    return _KINDS.get(stat.S_IFMT(status.st_mode), "file")


def _link_target(folder: int, name: str) -> str | None:
    try:
        return os.readlink(name, dir_fd=folder)
    except OSError:  # no link
        return None
