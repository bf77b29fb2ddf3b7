"""Loop devices: a file as a block device (loop(4))."""

from __future__ import annotations

import errno
import fcntl
import os
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_GET_FREE = 0x4C82
_CONFIGURE = 0x4C0A
_READ_ONLY = 1
_AUTOCLEAR = 4
_ATTEMPTS = 64


@contextmanager
def loop_device(file: Path, *, read_only: bool) -> Iterator[str]:
    """The path of a loop device over ``file``, to be mounted within the block.

    The device goes away with its last user (also after a crash): if nothing was mounted, at the end of the block.

    Raises:
        OSError: no loop devices here, or ``file`` can't be opened.
    """
    mode = (os.O_RDONLY if read_only else os.O_RDWR) | os.O_CLOEXEC
    backing = os.open(file, mode | os.O_NOFOLLOW)
    try:
        device, path = _attach(backing, mode, os.fsencode(file)[:63], read_only)
    finally:
        os.close(backing)
    try:
        yield path
    finally:
        os.close(device)


def _attach(backing: int, mode: int, label: bytes, read_only: bool) -> tuple[int, str]:
    flags = _AUTOCLEAR | (_READ_ONLY if read_only else 0)
    # struct loop_config: fd, block size, loop_info64 (five u64, three u32, flags, two names, key, two u64), reserved
    information = struct.pack("=5Q4I64s64s32s2Q", 0, 0, 0, 0, 0, 0, 0, 0, flags, label, b"", b"", 0, 0)
    config = struct.pack("=II", backing, 0) + information + bytes(64)
    control = os.open("/dev/loop-control", os.O_RDWR | os.O_CLOEXEC)
    try:
        for _ in range(_ATTEMPTS):
            path = f"/dev/loop{fcntl.ioctl(control, _GET_FREE)}"
            device = os.open(path, mode)
            try:
                fcntl.ioctl(device, _CONFIGURE, config)
            except OSError as error:
                os.close(device)
                if error.errno != errno.EBUSY:  # EBUSY: another program was given the same free number
                    raise
            else:
                return device, path
    finally:
        os.close(control)
    raise OSError(errno.EBUSY, "no free loop device")
