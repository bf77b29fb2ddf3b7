"""Removing a tree that may be hostile."""

from __future__ import annotations

import os
from pathlib import Path

from azekura.storage.programs import run_program

_MOST_LEVELS = 16
_MOST_ENTRIES = 512
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


def remove_tree(path: Path) -> None:
    """Remove a folder and all below it; other file systems mounted inside stay, and then it fails.

    Raises:
        StorageFailed: something could not be removed.
    """
    # A container's layer is mostly a few files: a process more would take longer than they do.
    if not _remove_small(path):
        run_program(["rm", "-rf", "--one-file-system", "--", str(path)], f"remove {path}")


def _remove_small(path: Path) -> bool:
    """False when there was too much of it, or anything unexpected: some of it may be gone then."""
    try:
        folder = os.open(path, _FOLDER)
        try:
            complete = _empty(folder, os.fstat(folder).st_dev, _MOST_LEVELS, [_MOST_ENTRIES])
        finally:
            os.close(folder)
        if complete:
            path.rmdir()
    except OSError:
        return False
    return complete


def _empty(folder: int, device: int, levels: int, left: list[int]) -> bool:
    with os.scandir(folder) as entries:
        for entry in entries:
            left[0] -= 1
            if left[0] < 0 or levels == 0:
                return False
            if not entry.is_dir(follow_symlinks=False):
                os.unlink(entry.name, dir_fd=folder)
                continue
            inner = os.open(entry.name, _FOLDER, dir_fd=folder)
            try:
                if os.fstat(inner).st_dev != device or not _empty(inner, device, levels - 1, left):
                    return False
            finally:
                os.close(inner)
            os.rmdir(entry.name, dir_fd=folder)
    return True
