"""Reserving disk space before the bytes come, so that a full disk is told at the start and not near the end."""

from __future__ import annotations

import ctypes
import errno
import functools
import os
from collections.abc import Callable

_KEEP_SIZE = 0x01  # FALLOC_FL_KEEP_SIZE, <linux/falloc.h>
_CANNOT = (errno.EOPNOTSUPP, errno.ENOSYS, errno.EINVAL)


@functools.cache
def _fallocate() -> Callable[[int, int, int, int], int] | None:
    # not os.posix_fallocate: where the file system can't reserve, glibc's writes into every block instead
    try:
        function = ctypes.CDLL(None, use_errno=True).fallocate64
    except (OSError, AttributeError):
        return None
    function.argtypes = (ctypes.c_int, ctypes.c_int, ctypes.c_int64, ctypes.c_int64)
    function.restype = ctypes.c_int
    return function


def reserve(descriptor: int, size: int) -> None:
    """Reserve the first ``size`` bytes of an open file, whose length stays as it is; nothing where that can't be had.

    Raises:
        OSError: ENOSPC, EDQUOT: it doesn't fit. Others: the file system fails.
    """
    function = _fallocate()
    if function is None or size <= 0:
        return
    while function(descriptor, _KEEP_SIZE, 0, size) != 0:
        number = ctypes.get_errno()
        if number in _CANNOT:
            return
        if number != errno.EINTR:
            raise OSError(number, os.strerror(number))
