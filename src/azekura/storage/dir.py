"""The driver for any file system: every volume is a copy of its image, sharing blocks where the file system can.

Where the file system can't map ids (an overlay, NFS), a volume is copied again with shifted owners before it is
mounted with a map for the first time. Snapshots and copies of it have the image's own ids again.
"""

from __future__ import annotations

import errno
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import ClassVar

from azekura.errors import Unsupported
from azekura.storage.faults import explained
from azekura.storage.kernel.mounts import NODEV, clone_mount
from azekura.storage.names import VolumeName
from azekura.storage.owner_shift import OwnerShift
from azekura.storage.pool_folders import image_of, note_image, write_synced
from azekura.storage.port import IdMap
from azekura.storage.tree_copy import copy_tree
from azekura.storage.tree_removal import remove_tree
from azekura.storage.whole_trees import WholeTreeStorage

_SHIFTED = "shifted"  # the id map that the owners on disk have; absent: the image's own ids


class DirStorage(WholeTreeStorage):
    """Slow to launch from big images, but without a demand on the file system."""

    name: ClassVar[str] = "dir"

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self._maps_ids: bool | None = None  # not known yet

    def _new_tree(self, tree: Path) -> None:
        tree.mkdir()

    def _lay_out(self, folder: Path, image_tree: Path | None) -> None:
        (folder / "rootfs").mkdir()
        if image_tree is None:
            (folder / "tree").mkdir()
        else:
            copy_tree(image_tree, folder / "tree")

    def _duplicate(self, source: Path, folder: Path) -> None:
        (folder / "rootfs").mkdir()
        copy_tree(source / "tree", folder / "tree", OwnerShift(_shifted_by(source), None))

    def _prepare(self, folder: Path, idmap: IdMap | None, /) -> None:
        present = _shifted_by(folder)
        wanted = None if idmap is None or self._can_map(folder, idmap) else idmap
        if present == wanted:
            return
        if wanted is not None and wanted.direct:
            raise Unsupported("raw.idmap needs a file system below the storage pool that can map ids")
        with self._replacing(folder) as fresh:
            note_image(fresh, image_of(folder), lasting=False)
            (fresh / "rootfs").mkdir()
            copy_tree(folder / "tree", fresh / "tree", OwnerShift(present, wanted))
            if wanted is not None:
                write_synced(fresh / _SHIFTED, f"{wanted.base} {wanted.count}")

    def _open_mount(self, folder: Path, _: Path | None, idmap: IdMap | None, /) -> int:
        if _shifted_by(folder) is not None:
            return clone_mount(folder / "tree", NODEV)
        return super()._open_mount(folder, _, idmap)

    @contextmanager
    def view(self, name: str) -> Iterator[Path]:
        volume = VolumeName.parse(name)
        folder = self._require(volume)
        shifted = _shifted_by(folder)
        if shifted is None:
            with super().view(name) as tree:
                yield tree
            return
        copy = self._views / secrets.token_hex(6)
        try:
            with explained(f"open {name} for reading", self._path), self._locks.hold(volume.container):
                copy_tree(folder / "tree", copy, OwnerShift(shifted, None))
            yield copy
        finally:
            remove_tree(copy)

    def _can_map(self, folder: Path, idmap: IdMap) -> bool:
        if self._maps_ids is None:
            with self._maps.namespace(idmap) as namespace:
                try:
                    os.close(clone_mount(folder / "tree", 0, namespace))
                except OSError as error:
                    if error.errno != errno.EINVAL:
                        raise
                    self._maps_ids = False
                else:
                    self._maps_ids = True
        return self._maps_ids


def _shifted_by(folder: Path) -> IdMap | None:
    try:
        base, count = (folder / _SHIFTED).read_text().split()
    except FileNotFoundError:
        return None
    return IdMap(int(base), int(count))
