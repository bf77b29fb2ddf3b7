"""What every driver whose pool is a folder has in common: names, atomic steps, references, recovery.

::

    <pool>/                              0711
      driver                             the driver's name
      images/<fingerprint>/              0700: images hold strangers' set-uid programs
        rootfs                           the tree, or where its squashfs is mounted
        unsynced                         boot id, until the tree has surely reached the disk
      containers/                        0711
        <name>/                          0100 of the container's root, or 0700: likewise
          image                          the fingerprint it was made from, or empty
          map                            the id map it was last mounted with
          rootfs                         where it is mounted
          …                              what the driver keeps: layer/u and layer/w, or tree
      containers-snapshots/<name>/<snapshot>/   0700; as a volume
      views/<token>                      mounts for reading
      rename-<token>                     a rename under way: old and new name

Temporary names begin with ``.new-`` (being made) or ``.old-`` (being removed).
"""

from __future__ import annotations

import errno
import os
from abc import ABC, abstractmethod
from contextlib import suppress
from pathlib import Path
from typing import ClassVar

from azekura.errors import AlreadyExists, AzekuraError, InUse, NotFound, StorageFailed, Unsupported
from azekura.storage.faults import explained
from azekura.storage.image_fill import ImageFill
from azekura.storage.kernel.mountinfo import mount_points_below
from azekura.storage.kernel.mounts import unmount
from azekura.storage.kernel.paths import rename
from azekura.storage.locks import NameLocks
from azekura.storage.names import check_container, check_fingerprint
from azekura.storage.pool_folders import NEW, OLD, image_of, temporary_name, visible_names, write_synced
from azekura.storage.port import TreeFill
from azekura.storage.settling import Settling
from azekura.storage.tree_removal import remove_tree


class Pool(ABC):
    """The pool itself and its images: the half of a :class:`~azekura.storage.port.StorageDriver` without volumes."""

    name: ClassVar[str]
    shares_images: ClassVar[bool]

    def __init__(self, path: Path) -> None:
        self._path = path.absolute()
        self._images = self._path / "images"
        self._containers = self._path / "containers"
        self._snapshots = self._path / "containers-snapshots"
        self._views = self._path / "views"
        self._locks = NameLocks()
        self._settling = Settling()

    @property
    def path(self) -> Path:
        return self._path

    # What a driver says about its trees. ``folder`` is always that of an image, a volume or a snapshot.

    @abstractmethod
    def _new_tree(self, tree: Path) -> None:
        """Make the empty folder that an image is unpacked into."""

    def _seal_image(self, folder: Path) -> None:  # noqa: B027 - most drivers have nothing to do
        """The image's tree is complete and will not change again."""

    def _image_tree(self, fingerprint: str) -> Path:
        """The image's tree, mounted if need be. Called with the image's lock held."""
        return self._images / fingerprint / "rootfs"

    def _remove(self, folder: Path) -> None:
        """Remove a folder of ours with all that is in it."""
        remove_tree(folder)

    def _make_pool(self) -> None:
        """Make the pool's folder; it may exist, empty."""
        self._path.mkdir(mode=0o711, parents=True, exist_ok=True)
        self._path.chmod(0o711)

    def _open_pool(self) -> None:  # noqa: B027 - most drivers have nothing to do
        """After a restart: make the pool's folder reachable."""

    def _drop_pool(self) -> None:
        """Remove what :meth:`_make_pool` made. Everything in it is gone."""
        try:
            self._path.rmdir()
        except OSError as error:
            # Where somebody's disk is mounted, perhaps with its lost+found, the folder stays.
            if error.errno not in (errno.EBUSY, errno.ENOTEMPTY):
                raise

    # The pool

    def create(self) -> None:
        with explained(f"create the storage pool {self._path}", self._path.parent):
            if self._path.exists() and {entry.name for entry in self._path.iterdir()} - {"lost+found"}:
                raise AlreadyExists("storage pool", message=f"The folder {self._path} is not empty: it can't be a pool")
            self._make_pool()
            try:
                self._make_folders()
                write_synced(self._path / "driver", f"{self.name}\n")
            except BaseException:
                self._clear()
                raise

    def _make_folders(self) -> None:
        for folder, mode in ((self._images, 0o700), (self._containers, 0o711), (self._snapshots, 0o700)):
            folder.mkdir(exist_ok=True)
            folder.chmod(mode)
        self._views.mkdir(mode=0o700, exist_ok=True)

    def _clear(self) -> None:
        (self._path / "driver").unlink(missing_ok=True)
        for folder in (self._images, self._containers, self._snapshots, self._views):
            with suppress(FileNotFoundError):
                folder.rmdir()
        self._drop_pool()

    def destroy(self) -> None:
        if not (self._path / "driver").exists():
            return
        if volumes := self.volumes():
            raise InUse(f"The storage pool {self._path} holds volumes ({', '.join(volumes[:5])}): delete them first")
        self._settling.wait()
        for fingerprint in self.images():
            self.remove_image(fingerprint)
        with explained(f"remove the storage pool {self._path}", self._path):
            self._sweep()
            self.close()
            self._clear()

    def recover(self) -> None:
        with explained(f"open the storage pool {self._path}", self._path):
            self._open_pool()
            marker = self._path / "driver"
            found = marker.read_text().strip() if marker.exists() else "none"
            if found != self.name:
                raise StorageFailed(f"The folder {self._path} is no {self.name} pool (it says: {found})")
            self._make_folders()
            self._sweep()
            self._recover_images()

    def _sweep(self) -> None:
        for journal in self._path.glob("rename-*"):
            self._roll_back(journal)
        for point in mount_points_below(self._views):
            unmount(point, detach=True)
        for view in self._views.iterdir():
            self._remove(view)
        for parent in (self._images, self._containers, self._snapshots, *self._snapshots.iterdir()):
            for folder in parent.iterdir():
                if folder.name.startswith((NEW, OLD)):
                    self._remove(folder)
        for folder in self._snapshots.iterdir():
            if not (self._containers / folder.name).exists():  # its volume was being deleted
                self._remove(folder)

    def _recover_images(self) -> None:
        for fingerprint in self.images():
            folder = self._images / fingerprint
            if self._settling.survived(folder):
                self._settling.begin(folder)
            else:
                self._retire(folder)

    def space(self) -> tuple[int, int]:
        with explained("measure the storage pool", self._path):
            status = os.statvfs(self._path)
        return status.f_blocks * status.f_frsize, (status.f_blocks - status.f_bfree) * status.f_frsize

    def close(self) -> None:
        self._settling.wait()

    def _roll_back(self, journal: Path) -> None:
        names = journal.read_text().split()
        if len(names) == 2:  # else it was killed before it had begun
            old, new = (check_container(name) for name in names)
            for parent in (self._snapshots, self._containers):
                with suppress(FileNotFoundError, FileExistsError):
                    rename(parent / new, parent / old)
        journal.unlink()

    # Images

    def fill_image(self) -> TreeFill:
        folder = self._images / temporary_name(NEW)
        with explained("make room for an image", self._path):
            folder.mkdir(mode=0o700)
            self._new_tree(folder / "rootfs")
        return ImageFill(folder, self._commit_image, self._discard)

    def _commit_image(self, folder: Path, fingerprint: str) -> None:
        target = self._images / check_fingerprint(fingerprint)
        with explained(f"keep the image {fingerprint[:12]}", self._path):
            if (folder / "rootfs").is_symlink() or not (folder / "rootfs").is_dir():
                raise StorageFailed("The unpacked image is not a folder")
            self._seal_image(folder)
            self._settling.mark(folder)
            if self._publish_image(folder, target):
                self._settling.begin(target)

    def _publish_image(self, folder: Path, target: Path) -> bool:
        """Rename to the final name; False, and removed, when another was faster."""
        with self._locks.hold(image_lock(target.name)):
            try:
                rename(folder, target)
            except FileExistsError:
                self._remove(folder)
                return False
        return True

    @property
    def mounts_squashfs(self) -> bool:
        return False

    def adopt_squashfs(self, fingerprint: str, file: Path) -> None:
        check_fingerprint(fingerprint)
        raise Unsupported(f"The {self.name} storage driver doesn't mount squashfs images: unpack {file.name}")

    def has_image(self, fingerprint: str) -> bool:
        return (self._images / check_fingerprint(fingerprint)).is_dir()

    def images(self) -> list[str]:
        with explained("list the pool's images", self._path):
            return visible_names(self._images)

    def remove_image(self, fingerprint: str) -> None:
        folder = self._images / check_fingerprint(fingerprint)
        with explained(f"remove the image {fingerprint[:12]}", self._path), self._locks.hold(image_lock(fingerprint)):
            if not folder.is_dir():
                return
            if user := self._standing_on(fingerprint):
                raise InUse(f"The image {fingerprint[:12]} is needed by {user}")
            self._retire(folder)

    def _standing_on(self, fingerprint: str) -> str | None:
        """Some volume or snapshot of that image, also one that is just being made."""
        while True:
            try:
                for parent in (self._containers, *self._snapshots.iterdir()):
                    for folder in parent.iterdir():
                        if not (self.shares_images or folder.name.startswith(NEW)):
                            continue  # whole by itself, now that it is made
                        if (folder / "image").exists() and image_of(folder) == fingerprint:
                            return folder.name if parent == self._containers else f"{parent.name}/{folder.name}"
            except FileNotFoundError:
                continue  # something was renamed while we looked: it may be just the one
            return None

    def volumes(self) -> list[str]:
        with explained("list the pool's volumes", self._path):
            return visible_names(self._containers)

    # Steps

    def _require_image(self, fingerprint: str) -> None:
        if not self.has_image(fingerprint):
            raise NotFound("image", fingerprint, message=f"The image {fingerprint[:12]} is not in the storage pool")

    def _retire(self, folder: Path) -> None:
        """Take a folder's name away, then remove it: it is never seen half removed."""
        if inside := mount_points_below(folder):
            # Its files would be removed with ours, were it a bind mount of the same file system.
            raise InUse(f"Something is mounted on {inside[0]}: unmount it first")
        old = folder.parent / temporary_name(OLD)
        rename(folder, old)
        self._remove(old)

    def _discard(self, folder: Path) -> None:
        """Remove what nobody knows of yet. What can't be removed now is removed by the next :meth:`recover`."""
        with suppress(AzekuraError, OSError):
            self._remove(folder)


def image_lock(fingerprint: str) -> str:
    """The name of an image's lock."""
    return f"~{fingerprint}"  # sorts after every volume, so it may be taken while a volume's lock is held
