"""Drivers whose volumes are whole trees: the copy of an image that may be changed freely.

The tree lies in ``tree``; mounting shows it at ``rootfs``, idmapped and without live device nodes.
"""

from __future__ import annotations

import errno
from contextlib import nullcontext
from pathlib import Path
from typing import ClassVar

from azekura.errors import Unsupported
from azekura.storage.kernel.mounts import NODEV, NOEXEC, NOSUID, RDONLY, clone_mount
from azekura.storage.layer_map import LayerMaps
from azekura.storage.pool_storage import PoolStorage
from azekura.storage.port import IdMap


class WholeTreeStorage(PoolStorage):
    """What dir and btrfs share: how a tree is shown."""

    shares_images: ClassVar[bool] = False

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self._maps = LayerMaps()

    def close(self) -> None:
        super().close()
        self._maps.close()

    def _own_tree(self, folder: Path) -> Path:
        return folder / "tree"

    def _open_mount(self, folder: Path, _: Path | None, idmap: IdMap | None, /) -> int:
        with nullcontext() if idmap is None else self._maps.namespace(idmap) as namespace:
            try:
                return clone_mount(folder / "tree", NODEV, namespace)
            except OSError as error:
                if idmap is None or error.errno != errno.EINVAL:
                    raise
                raise Unsupported(
                    f"The file system of {self._path} can't map ids",
                    hint="put the storage pool on ext4, xfs or btrfs, with Linux 5.12 or newer",
                ) from error

    def _open_view(self, folder: Path, _: Path | None, /) -> int:
        return clone_mount(folder / "tree", RDONLY | NODEV | NOSUID | NOEXEC)
