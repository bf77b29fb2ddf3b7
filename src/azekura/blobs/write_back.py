"""Starting to write a file to the disk while the rest is still coming, so that the final sync finds little left."""

from __future__ import annotations

import ctypes

STEP = 32 << 20  # bytes

_SYNC_FILE_RANGE_WRITE = 2
_libc = ctypes.CDLL(None)


def begin_write_back(descriptor: int, before: int, now: int) -> None:
    """The file grew from ``before`` to ``now`` bytes: let the kernel begin with the steps that are full.

    sync_file_range(2) promises nothing, and its failure means nothing: the sync at the end counts.
    """
    first, end = before // STEP, now // STEP
    if first < end and hasattr(_libc, "sync_file_range"):
        _libc.sync_file_range(
            descriptor,
            ctypes.c_int64(first * STEP),
            ctypes.c_int64((end - first) * STEP),
            ctypes.c_uint(_SYNC_FILE_RANGE_WRITE),
        )
