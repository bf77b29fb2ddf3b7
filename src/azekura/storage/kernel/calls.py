"""System calls by number, through libc.

The numbers are those of ``asm-generic/unistd.h``: from 424 on they are the same on every architecture but alpha.
ctypes releases the interpreter lock during a call, so other threads of the daemon go on.
"""

from __future__ import annotations

import ctypes
import os
from typing import Any

LIBC = ctypes.CDLL(None, use_errno=True)
AT_FDCWD = -100
AT_EMPTY_PATH = 0x1000
AT_SYMLINK_NOFOLLOW = 0x100

_syscall = LIBC.syscall
_syscall.restype = ctypes.c_long


def system_call(number: int, *arguments: int | bytes | ctypes.Array[Any] | ctypes.Structure | None) -> int:
    """Make one system call; ``bytes`` become C strings, structures and buffers are passed by address.

    Raises:
        OSError: with the kernel's errno.
    """
    converted: list[Any] = [ctypes.c_long(number)]
    for argument in arguments:
        if isinstance(argument, int):
            converted.append(ctypes.c_long(argument))
        elif isinstance(argument, bytes):
            converted.append(ctypes.c_char_p(argument))
        elif argument is None:
            converted.append(ctypes.c_void_p(None))
        else:
            converted.append(ctypes.byref(argument))
    return checked(int(_syscall(*converted)))


def checked(result: int) -> int:
    """Return a libc result, or raise what errno says when it is negative."""
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return result
