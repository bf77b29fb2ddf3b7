"""The driver for any file system: every volume is a copy of its image, sharing blocks where the file system can."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

from azekura.storage.tree_copy import copy_tree
from azekura.storage.whole_trees import WholeTreeStorage


class DirStorage(WholeTreeStorage):
    """Slow to launch from big images, but without a demand on the file system."""

    name: ClassVar[str] = "dir"

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
        copy_tree(source / "tree", folder / "tree")
