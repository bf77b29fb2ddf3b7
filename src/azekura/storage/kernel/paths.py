"""Calls about names and files: openat2, statx, renameat2, statfs, syncfs, FICLONE."""

from __future__ import annotations

import ctypes
import errno
import fcntl
import os
import sys
from pathlib import Path

from azekura.storage.kernel.calls import AT_FDCWD, AT_SYMLINK_NOFOLLOW, LIBC, checked, system_call

RESOLVE_NO_MAGICLINKS = 0x02
RESOLVE_IN_ROOT = 0x10

RENAME_NOREPLACE = 1
RENAME_EXCHANGE = 2

BTRFS_MAGIC = 0x9123683E

_OPENAT2 = 437
_STATX_ATTR_MOUNT_ROOT = 0x2000
_FICLONE = 0x40049409


class _OpenHow(ctypes.Structure):
    _fields_ = (("flags", ctypes.c_uint64), ("mode", ctypes.c_uint64), ("resolve", ctypes.c_uint64))


def open_in_root(root: int, path: str, flags: int, mode: int = 0) -> int:
    """Open ``path`` as a process would whose root folder is ``root``: links and ``..`` never leave it."""
    how = _OpenHow(flags | os.O_CLOEXEC, mode, RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS)
    while True:
        try:
            return system_call(_OPENAT2, root, os.fsencode(path), how, ctypes.sizeof(how))
        except OSError as error:
            # Somebody renamed a folder while `..` was looked up; the kernel asks to try again (openat2(2)).
            if error.errno != errno.EAGAIN:
                raise


def is_mount_root(path: Path) -> bool:
    """Whether something is mounted right at ``path`` (also a bind mount of the same file system). False if absent."""
    buffer = ctypes.create_string_buffer(256)
    try:
        checked(LIBC.statx(AT_FDCWD, os.fsencode(path), AT_SYMLINK_NOFOLLOW, 0, buffer))
    except FileNotFoundError:
        return False
    return bool(int.from_bytes(buffer.raw[8:16], sys.byteorder) & _STATX_ATTR_MOUNT_ROOT)


def rename(old: Path, new: Path, flags: int = RENAME_NOREPLACE) -> None:
    """Rename, refusing to replace (``FileExistsError``), or exchange two names in one step."""
    checked(LIBC.renameat2(AT_FDCWD, os.fsencode(old), AT_FDCWD, os.fsencode(new), ctypes.c_uint(flags)))


def file_system_magic(path: Path) -> int:
    """``f_type`` of statfs(2), by which Linux names the file system that ``path`` lies on."""
    buffer = ctypes.create_string_buffer(256)
    checked(LIBC.statfs(os.fsencode(path), buffer))
    return ctypes.c_long.from_buffer(buffer).value & 0xFFFFFFFF


def sync_file_system(path: Path) -> None:
    """Write everything of the file system that ``path`` lies on to its disk."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        checked(LIBC.syncfs(descriptor))
    finally:
        os.close(descriptor)


def clone_file(source: int, target: int) -> bool:
    """Let ``target`` share the blocks of ``source``. False where the file system can't."""
    try:
        fcntl.ioctl(target, _FICLONE, source)
    except OSError as error:
        if error.errno in (errno.EOPNOTSUPP, errno.EXDEV, errno.EINVAL, errno.ENOTTY, errno.ENOSYS):
            return False
        raise
    return True
