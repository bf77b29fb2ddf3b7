"""The default driver: a container is an overlay of its own small layer over the image's shared, read-only tree.

Launching costs the same few milliseconds whatever the image's size. Both layers are idmapped when mounted, so on
disk both hold image-native ids: snapshots, copies and publishing never shift owners.
"""

from __future__ import annotations

import errno
import os
import shutil
import stat
from contextlib import nullcontext
from pathlib import Path
from typing import ClassVar

from azekura.errors import Unsupported
from azekura.storage.faults import explained
from azekura.storage.kernel.loop import loop_device
from azekura.storage.kernel.mounts import NODEV, NOSUID, RDONLY, new_mount, show_mount, unmount
from azekura.storage.kernel.paths import clone_file, is_mount_root
from azekura.storage.layer_map import LayerMaps
from azekura.storage.names import check_fingerprint
from azekura.storage.overlay_mount import Layers, LayerWay, OverlayMounter
from azekura.storage.pool import image_lock
from azekura.storage.pool_folders import NEW, temporary_name
from azekura.storage.pool_storage import PoolStorage
from azekura.storage.port import IdMap
from azekura.storage.squashfs_trial import why_not_mounted
from azekura.storage.tree_copy import copy_tree

_SQUASHFS = "rootfs.squashfs"


class OverlayStorage(PoolStorage):
    """A pool on any file system that can carry overlays: ext4, xfs, btrfs, tmpfs.

    ``way`` fixes how layers are handed to the kernel; None finds out.
    """

    name: ClassVar[str] = "overlay"
    shares_images: ClassVar[bool] = True

    def __init__(self, path: Path, *, way: LayerWay | None = None) -> None:
        super().__init__(path)
        self._maps = LayerMaps()
        self._mounter = OverlayMounter(self._views, way)

    def close(self) -> None:
        super().close()
        self._maps.close()

    @property
    def mounts_squashfs(self) -> bool:
        return not why_not_mounted()

    def adopt_squashfs(self, fingerprint: str, file: Path) -> None:
        if reason := why_not_mounted():
            raise Unsupported(f"The kernel can't mount a squashfs image for containers ({reason}): unpack it")
        target = self._images / check_fingerprint(fingerprint)
        with explained(f"keep the image {fingerprint[:12]}", self._path):
            if target.is_dir():
                return
            folder = self._images / temporary_name(NEW)
            folder.mkdir(mode=0o700)
            descriptor = -1
            try:
                (folder / "rootfs").mkdir()
                linked = _link_or_copy(file, folder / _SQUASHFS)
                descriptor = _open_squashfs(folder / _SQUASHFS)
                if not linked:
                    self._settling.mark(folder)
                if self._publish_image(folder, target):
                    self._settling.begin(target)
                    self._show_squashfs(descriptor, fingerprint)
            except BaseException:
                self._discard(folder)
                raise
            finally:
                if descriptor >= 0:
                    os.close(descriptor)

    def _show_squashfs(self, descriptor: int, fingerprint: str) -> None:
        with self._locks.hold(image_lock(fingerprint)):
            tree = self._images / fingerprint / "rootfs"
            if tree.is_dir() and not is_mount_root(tree):
                show_mount(descriptor, tree)

    def _new_tree(self, tree: Path) -> None:
        tree.mkdir()

    def _image_tree(self, fingerprint: str) -> Path:
        folder = self._images / fingerprint
        tree = folder / "rootfs"
        if (folder / _SQUASHFS).exists() and not is_mount_root(tree):
            descriptor = _open_squashfs(folder / _SQUASHFS)
            try:
                show_mount(descriptor, tree)
            finally:
                os.close(descriptor)
        return tree

    def _lay_out(self, folder: Path, image_tree: Path | None) -> None:
        _make_layer(folder)
        upper = folder / "layer" / "u"
        upper.mkdir()
        if image_tree is not None:
            # The merged root folder is the upper one, as far as owner and mode go.
            root = image_tree.stat()
            os.chown(upper, root.st_uid, root.st_gid)
            upper.chmod(stat.S_IMODE(root.st_mode))

    def _duplicate(self, source: Path, folder: Path) -> None:
        _make_layer(folder)
        copy_tree(source / "layer" / "u", folder / "layer" / "u")

    def _own_tree(self, folder: Path) -> Path:
        return folder / "layer" / "u"

    def _open_mount(self, folder: Path, image_tree: Path | None, idmap: IdMap | None, /) -> int:
        layers = Layers((image_tree or self._nothing(folder),), folder / "layer")
        label = f"azekura/{folder.name}"
        with nullcontext() if idmap is None else self._maps.namespace(idmap) as namespace:
            try:
                return self._mounter.mount(layers, label, namespace)
            except OSError as error:
                if idmap is None or error.errno != errno.EINVAL:
                    raise
                raise Unsupported(
                    f"The kernel can't map ids of an overlay on {self._path}",
                    hint="use a storage pool with the dir driver, or Linux 5.19 or newer (6.2 for mounted images)",
                ) from error

    def _open_view(self, folder: Path, image_tree: Path | None, /) -> int:
        layers = Layers((folder / "layer" / "u", image_tree or self._nothing(folder)))
        return self._mounter.mount(layers, f"azekura/{folder.name}", None)

    def _nothing(self, folder: Path) -> Path:
        """An empty folder to stand on, for volumes without an image."""
        nothing = folder / "layer" / "nothing"
        nothing.mkdir(exist_ok=True)
        return nothing

    def _retire(self, folder: Path) -> None:
        if folder.parent == self._images and is_mount_root(folder / "rootfs"):
            unmount(folder / "rootfs", detach=True)
        super()._retire(folder)


def _make_layer(folder: Path) -> None:
    (folder / "rootfs").mkdir()
    (folder / "layer").mkdir(mode=0o700)
    (folder / "layer" / "w").mkdir(mode=0o700)


def _open_squashfs(file: Path) -> int:
    """Return a descriptor of the mounted image, not shown anywhere yet."""
    try:
        with loop_device(file, read_only=True) as device:
            return new_mount("squashfs", (("source", device), ("ro", None)), RDONLY | NODEV | NOSUID)
    except OSError as error:
        raise Unsupported(f"The kernel can't mount this squashfs image ({error.strerror}): unpack it") from error


def _link_or_copy(file: Path, target: Path) -> bool:
    """Keep ``file`` under a second name; False if its bytes had to be copied (and are perhaps not on disk yet)."""
    try:
        os.link(file, target, follow_symlinks=False)
    except OSError as error:
        if error.errno not in (errno.EXDEV, errno.EPERM, errno.EMLINK):
            raise
    else:
        return True
    with file.open("rb") as source, target.open("xb") as copy:
        if not clone_file(source.fileno(), copy.fileno()):
            shutil.copyfileobj(source, copy, 1 << 20)
    return False
