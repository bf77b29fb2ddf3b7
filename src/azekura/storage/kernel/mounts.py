"""The mount calls that work on descriptors (open_tree(2), mount_setattr(2), fsopen(2) and their kin), and umount2(2).

A mount is made and given its attributes while nobody can see it, and shown by one ``move_mount``: there is no moment
at which it is visible without ``nodev`` or without its id map.
"""

from __future__ import annotations

import ctypes
import os
from collections.abc import Iterable
from pathlib import Path

from azekura.storage.kernel.calls import AT_EMPTY_PATH, AT_FDCWD, LIBC, checked, system_call

RDONLY = 0x1
NOSUID = 0x2
NODEV = 0x4
NOEXEC = 0x8
_IDMAP = 0x00100000

_OPEN_TREE, _MOVE_MOUNT, _FSOPEN, _FSCONFIG, _FSMOUNT, _MOUNT_SETATTR = 428, 429, 430, 431, 432, 442
_CLOEXEC = 1  # FSOPEN_CLOEXEC and FSMOUNT_CLOEXEC
_SET_FLAG, _SET_STRING, _SET_FD, _CREATE = 0, 1, 5, 6
_MOVE_FROM_DESCRIPTOR = 0x4  # MOVE_MOUNT_F_EMPTY_PATH
_MNT_DETACH, _UMOUNT_NOFOLLOW = 0x2, 0x8


class _MountAttr(ctypes.Structure):
    _fields_ = (
        ("attr_set", ctypes.c_uint64),
        ("attr_clr", ctypes.c_uint64),
        ("propagation", ctypes.c_uint64),
        ("userns_fd", ctypes.c_uint64),
    )


def clone_mount(path: Path, attributes: int = 0, map_namespace: int | None = None) -> int:
    """Return a descriptor of a private, nowhere visible mount of the folder ``path``.

    ``attributes`` are RDONLY, NODEV and so on; ``map_namespace`` is a user namespace whose id map the mount gets.

    Raises:
        OSError: EINVAL where the file system can't be idmapped.
    """
    descriptor = system_call(_OPEN_TREE, AT_FDCWD, os.fsencode(path), 1 | os.O_CLOEXEC)
    try:
        if map_namespace is not None or attributes:
            set_attributes(descriptor, attributes, map_namespace)
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def set_attributes(descriptor: int, attributes: int, map_namespace: int | None = None) -> None:
    """Give a mount that nobody can see yet more attributes, and an id map if it has none.

    Raises:
        OSError: EINVAL where the file system can't be idmapped.
    """
    wanted = _MountAttr(attributes, 0, 0, 0)
    if map_namespace is not None:
        wanted.attr_set |= _IDMAP
        wanted.userns_fd = map_namespace
    system_call(_MOUNT_SETATTR, descriptor, b"", AT_EMPTY_PATH, wanted, ctypes.sizeof(wanted))


def new_mount(file_system: str, options: Iterable[tuple[str, str | int | None]], attributes: int) -> int:
    """Return a descriptor of a new, nowhere visible mount.

    ``options`` go to the file system one by one: text as text, a number as a descriptor, None as a bare flag.

    Raises:
        OSError: with the file system's own words, when it left any, as the message.
    """
    context = system_call(_FSOPEN, file_system.encode(), _CLOEXEC)
    try:
        try:
            for key, value in options:
                if value is None:
                    system_call(_FSCONFIG, context, _SET_FLAG, key.encode(), None, 0)
                elif isinstance(value, int):
                    system_call(_FSCONFIG, context, _SET_FD, key.encode(), None, value)
                else:
                    system_call(_FSCONFIG, context, _SET_STRING, key.encode(), os.fsencode(value), 0)
            system_call(_FSCONFIG, context, _CREATE, None, None, 0)
            return system_call(_FSMOUNT, context, _CLOEXEC, attributes)
        except OSError as error:
            raise OSError(error.errno, _last_message(context) or error.strerror) from error
    finally:
        os.close(context)


def _last_message(context: int) -> str:
    """What the file system said about its failure: lines such as ``e overlay: bad mount option``."""
    said = ""
    try:
        while line := os.read(context, 1024):
            said = line.decode(errors="replace").strip()
    except OSError:
        pass  # ENODATA: no more
    return said.partition(" ")[2]


def show_mount(descriptor: int, path: Path) -> None:
    """Attach the mount that ``descriptor`` holds at ``path``, whose last component is not followed."""
    system_call(_MOVE_MOUNT, descriptor, b"", AT_FDCWD, os.fsencode(path), _MOVE_FROM_DESCRIPTOR)


def unmount(path: Path, *, detach: bool = False) -> None:
    """Unmount what is mounted at ``path``; ``detach`` hides it now and lets it go when its last user is gone.

    Raises:
        OSError: EBUSY in use, EINVAL nothing mounted there.
    """
    checked(LIBC.umount2(os.fsencode(path), _UMOUNT_NOFOLLOW | (_MNT_DETACH if detach else 0)))
