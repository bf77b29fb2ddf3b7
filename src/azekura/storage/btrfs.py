"""The driver for btrfs: images, volumes and snapshots are subvolumes that share their blocks.

The pool is a folder of a btrfs that is there already, or has a file system of its own, in a file or on a device.
"""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import ClassVar

from azekura.errors import AlreadyExists, InvalidRequest, StorageFailed, Unsupported
from azekura.storage.kernel.btrfs import (
    create_subvolume,
    delete_subvolume,
    is_subvolume,
    set_read_only,
    snapshot_subvolume,
)
from azekura.storage.kernel.loop import loop_device
from azekura.storage.kernel.mounts import NODEV, new_mount, show_mount, unmount
from azekura.storage.kernel.paths import BTRFS_MAGIC, file_system_magic, is_mount_root
from azekura.storage.names import VolumeName
from azekura.storage.programs import run_program
from azekura.storage.whole_trees import WholeTreeStorage

_GIB = 1 << 30
_LEAST = 128 << 20  # mkfs.btrfs wants 109 MiB


class BtrfsStorage(WholeTreeStorage):
    """``source``: None for a folder of an existing btrfs; a file, made by :meth:`create` with ``size`` bytes (unless
    given, a fifth of what is free, 5 to 30 GiB as in LXD); or a block device without a file system."""

    name: ClassVar[str] = "btrfs"

    def __init__(self, path: Path, *, source: Path | None = None, size: int | None = None) -> None:
        super().__init__(path)
        self._source = source.absolute() if source else None
        self._size = size

    def _make_pool(self) -> None:
        if self._source is None:
            nearest = next(folder for folder in (self._path, *self._path.parents) if folder.exists())
            if file_system_magic(nearest) != BTRFS_MAGIC:
                raise Unsupported(f"{nearest} is not on a btrfs file system", hint="name a file, or choose overlay")
            super()._make_pool()
            return
        made = self._make_source(self._source)
        found = self._path.exists()
        try:
            run_program(["mkfs.btrfs", "--quiet", "--", str(self._source)], f"make a btrfs on {self._source}")
            self._mount_pool(self._source)
        except BaseException:
            if made:
                self._source.unlink()
            if self._path.exists() and not found:
                self._path.rmdir()
            raise
        self._path.chmod(0o711)

    def _make_source(self, source: Path) -> bool:
        """Make the file for the file system. False if ``source`` is a device."""
        if source.is_block_device():
            return False
        size = self._size
        source.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        if size is None:
            status = os.statvfs(source.parent)
            size = min(max(status.f_bavail * status.f_frsize // 5, 5 * _GIB), 30 * _GIB)
        if size < _LEAST:
            raise InvalidRequest(f"A btrfs pool of {size} bytes is too small: it takes at least {_LEAST}")
        try:
            descriptor = os.open(source, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        except FileExistsError as error:
            raise AlreadyExists("file", str(source)) from error
        try:
            os.ftruncate(descriptor, size)
        finally:
            os.close(descriptor)
        return True

    def _mount_pool(self, source: Path) -> None:
        self._path.mkdir(mode=0o711, parents=True, exist_ok=True)
        if source.is_block_device():
            descriptor = new_mount("btrfs", (("source", str(source)),), NODEV)
        else:
            with loop_device(source, read_only=False) as device:
                descriptor = new_mount("btrfs", (("source", device),), NODEV)
        try:
            show_mount(descriptor, self._path)
        finally:
            os.close(descriptor)

    def _open_pool(self) -> None:
        if self._source is not None and not is_mount_root(self._path):
            if not self._source.exists():
                raise StorageFailed(f"{self._source}, the storage pool's file system, is gone")
            self._mount_pool(self._source)

    def _drop_pool(self) -> None:
        if self._source is not None:
            unmount(self._path)
            if not self._source.is_block_device():
                self._source.unlink()
        super()._drop_pool()

    def _new_tree(self, tree: Path) -> None:
        create_subvolume(tree)

    def _seal_image(self, folder: Path) -> None:
        set_read_only(folder / "rootfs", True)

    def _lay_out(self, folder: Path, image_tree: Path | None) -> None:
        (folder / "rootfs").mkdir()
        if image_tree is None:
            create_subvolume(folder / "tree")
        else:
            snapshot_subvolume(image_tree, folder / "tree")

    def _duplicate(self, source: Path, folder: Path) -> None:
        (folder / "rootfs").mkdir()
        keeps = self._snapshots in folder.parents
        snapshot_subvolume(source / "tree", folder / "tree", read_only=keeps)

    def _remove(self, folder: Path) -> None:
        # An image's or volume's folder, or one that holds a volume's snapshots.
        for tree in (folder / "rootfs", folder / "tree", *folder.glob("*/tree")):
            if is_subvolume(tree):
                _delete_with_nested(tree)
        super()._remove(folder)

    def usage(self, name: str) -> int:
        """Bytes that no image, volume or snapshot shares with it."""
        tree = self._require(VolumeName.parse(name)) / "tree"
        said = run_program(["btrfs", "filesystem", "du", "-s", "--raw", "--", str(tree)], f"measure {name}")
        # Total, exclusive, shared, name; below one line of headings.
        numbers = said.strip().rpartition("\n")[2].split()
        if len(numbers) < 2 or not numbers[1].isdecimal():
            raise StorageFailed(f"Failed to measure {name}: btrfs said {said[-100:]!r}")
        return int(numbers[1])


def _delete_with_nested(tree: Path) -> None:
    """Delete a subvolume; also one in which the container made others, protected ones among them."""
    try:
        delete_subvolume(tree)
    except OSError as error:
        if error.errno != errno.ENOTEMPTY:
            raise
    else:
        return
    search = ["find", str(tree), "-mindepth", "1", "-type", "d", "-inum", "256", "-print0"]
    nested = [Path(name) for name in run_program(search, f"look into {tree}").split("\0") if name]
    for inner in (tree, *nested):
        set_read_only(inner, False)
    for inner in (*reversed(nested), tree):
        delete_subvolume(inner)
