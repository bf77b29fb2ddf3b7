"""Copies of volumes, also from one storage pool to another, and bringing an earlier copy up to date.

Within a pool the driver copies. Between pools the content is read in the image's own ids, which all drivers keep, and
written into a volume that stands on no image.
"""

from __future__ import annotations

import secrets
from pathlib import Path

from azekura.storage.faults import explained
from azekura.storage.port import StorageDriver
from azekura.storage.tree_copy import copy_tree


def copy_across(source: StorageDriver, name: str, target: StorageDriver, copy: str) -> None:
    """Copy a volume or snapshot to a new volume (``c2``), or to a new snapshot of one (``c2/snap0``).

    Raises:
        NotFound, AlreadyExists, StorageFailed, NoSpace; nothing is left behind then.
    """
    if source is target:
        target.copy_volume(name, copy)
        return
    if "/" not in copy:
        _fill_new(source, name, target, copy)
        return
    passing = f"passing-{secrets.token_hex(6)}"
    _fill_new(source, name, target, passing)
    try:
        target.copy_volume(passing, copy)
    finally:
        target.delete_volume(passing)


def refresh_across(source: StorageDriver, name: str, target: StorageDriver, copy: str) -> None:
    """Give the volume ``copy`` the content that ``name`` has now, in one step.

    Raises: as :func:`copy_across`; the volume is as it was then.
    """
    passing = f"passing-{secrets.token_hex(6)}"
    copy_across(source, name, target, f"{copy}/{passing}")
    try:
        target.restore(copy, passing)
    finally:
        target.delete_snapshot(copy, passing)


def _fill_new(source: StorageDriver, name: str, target: StorageDriver, copy: str) -> None:
    target.create_volume(copy, None)
    try:
        with source.view(name) as tree:
            mounted = target.mount(copy, None)
            try:
                _copy(tree, mounted.path)
            finally:
                target.unmount(copy)
    except BaseException:
        target.delete_volume(copy)
        raise


def _copy(tree: Path, root: Path) -> None:
    with explained("copy the root file system to another pool", root):
        copy_tree(tree, root)
