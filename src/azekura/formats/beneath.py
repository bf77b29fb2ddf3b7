"""Opening folders below a folder without ever following a link or leaving it.

``openat2(2)`` does it in one call (Linux 5.6); elsewhere every component is opened for itself with ``O_NOFOLLOW``.
"""

from __future__ import annotations

import ctypes
import errno
import os

_SYS_OPENAT2 = 437  # the same number on every architecture
_NO_XDEV, _NO_MAGICLINKS, _NO_SYMLINKS, _BENEATH = 0x01, 0x02, 0x04, 0x08
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


class _OpenHow(ctypes.Structure):
    _fields_ = (("flags", ctypes.c_uint64), ("mode", ctypes.c_uint64), ("resolve", ctypes.c_uint64))


_HOW = _OpenHow(_FOLDER, 0, _NO_XDEV | _NO_MAGICLINKS | _NO_SYMLINKS | _BENEATH)
_syscall = ctypes.CDLL(None, use_errno=True).syscall
_syscall.restype = ctypes.c_long


def open_folder(root: int, path: bytes) -> int:
    """A descriptor of the folder at ``path`` (clean, relative; empty for the root itself) below ``root``.

    Raises:
        OSError: missing, no folder, a link on the way, or on another file system.
    """
    fd = _syscall(_SYS_OPENAT2, root, ctypes.c_char_p(path or b"."), ctypes.byref(_HOW), ctypes.sizeof(_HOW))
    if fd >= 0:
        return int(fd)
    code = ctypes.get_errno()
    if code not in (errno.ENOSYS, errno.EPERM, errno.E2BIG):
        raise OSError(code, os.strerror(code), path)
    return open_folder_stepwise(root, path)


def open_folder_stepwise(root: int, path: bytes) -> int:
    """As :func:`open_folder`, for kernels and sandboxes without ``openat2``."""
    fd = os.open(b".", _FOLDER, dir_fd=root)
    for part in path.split(b"/") if path else ():
        above = fd
        try:
            if part in (b"", b".", b".."):
                raise OSError(errno.EXDEV, os.strerror(errno.EXDEV), path)
            fd = os.open(part, _FOLDER, dir_fd=above)
        finally:
            os.close(above)
    return fd
