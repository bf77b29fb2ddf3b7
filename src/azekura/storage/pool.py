"""What every driver whose pool is a folder has in common: names, atomic steps, references, recovery.

::

    <pool>/                              0711
      driver                             the driver's name
      images/<fingerprint>/              0700: images hold strangers' set-uid programs
        rootfs                           the tree, or where its squashfs is mounted
        unsynced                         boot id, until the tree has surely reached the disk
      containers/                        0711
        <name>/                          0100 of the container's root, or 0700: likewise
          image                          the fingerprint it stands on, or empty
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
import secrets
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import ClassVar

from azekura.errors import AlreadyExists, AzekuraError, InUse, NotFound, StorageFailed, Unsupported
from azekura.storage.faults import explained
from azekura.storage.image_fill import ImageFill
from azekura.storage.kernel.mountinfo import mount_points_below
from azekura.storage.kernel.mounts import show_mount, unmount
from azekura.storage.kernel.paths import RENAME_EXCHANGE, is_mount_root, rename
from azekura.storage.locks import NameLocks
from azekura.storage.names import VolumeName, check_container, check_fingerprint, check_snapshot
from azekura.storage.port import IdMap, MountedRootfs, TreeFill
from azekura.storage.programs import disk_usage, remove_tree
from azekura.storage.settling import Settling

_NEW, _OLD = ".new-", ".old-"
_UNMOUNT_ATTEMPTS = 50  # at most one second: a container's last processes may still be ending


class PoolStorage(ABC):
    """A :class:`~azekura.storage.port.StorageDriver` less what the trees are made of."""

    name: ClassVar[str]
    mounts_squashfs: ClassVar[bool] = False
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

    @abstractmethod
    def _lay_out(self, folder: Path, image_tree: Path | None) -> None:
        """Fill a new volume's folder from an image, or with an empty root file system."""

    @abstractmethod
    def _duplicate(self, source: Path, folder: Path) -> None:
        """Fill a new folder with what a volume or snapshot holds."""

    @abstractmethod
    def _own_tree(self, folder: Path) -> Path:
        """The folder that holds what a volume or snapshot has of its own."""

    @abstractmethod
    def _open_mount(self, folder: Path, image_tree: Path | None, idmap: IdMap | None, /) -> int:
        """Return a descriptor of the volume's root file system, to be shown at its ``rootfs``."""

    @abstractmethod
    def _open_view(self, folder: Path, image_tree: Path | None, /) -> int:
        """Return a descriptor of a mount for reading."""

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
        self._path.rmdir()

    # The pool

    def create(self) -> None:
        with explained(f"create the storage pool {self._path}", self._path.parent):
            if self._path.exists() and {entry.name for entry in self._path.iterdir()} - {"lost+found"}:
                raise AlreadyExists("storage pool", message=f"The folder {self._path} is not empty: it can't be a pool")
            self._make_pool()
            self._make_folders()
            _write_synced(self._path / "driver", f"{self.name}\n")

    def _make_folders(self) -> None:
        for folder, mode in ((self._images, 0o700), (self._containers, 0o711), (self._snapshots, 0o700)):
            folder.mkdir(exist_ok=True)
            folder.chmod(mode)
        self._views.mkdir(mode=0o700, exist_ok=True)

    def destroy(self) -> None:
        if volumes := self.volumes():
            raise InUse(f"The storage pool {self._path} holds volumes ({', '.join(volumes[:5])}): delete them first")
        self._settling.wait()
        for fingerprint in self.images():
            self.remove_image(fingerprint)
        with explained(f"remove the storage pool {self._path}", self._path):
            self._sweep()
            for folder in (self._images, self._containers, self._snapshots, self._views):
                folder.rmdir()
            (self._path / "driver").unlink()
            self.close()
            self._drop_pool()

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
            view.rmdir()
        for parent in (self._images, self._containers, self._snapshots, *self._snapshots.iterdir()):
            for folder in parent.iterdir():
                if folder.name.startswith((_NEW, _OLD)):
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

    # Images

    def fill_image(self) -> TreeFill:
        folder = self._images / _temporary(_NEW)
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
        with self._locks.hold(_image_lock(target.name)):
            try:
                rename(folder, target)
            except FileExistsError:
                self._remove(folder)
                return False
        return True

    def adopt_squashfs(self, fingerprint: str, file: Path) -> None:
        check_fingerprint(fingerprint)
        raise Unsupported(f"The {self.name} storage driver doesn't mount squashfs images: unpack {file.name}")

    def has_image(self, fingerprint: str) -> bool:
        return (self._images / check_fingerprint(fingerprint)).is_dir()

    def images(self) -> list[str]:
        with explained("list the pool's images", self._path):
            return _visible(self._images)

    def remove_image(self, fingerprint: str) -> None:
        folder = self._images / check_fingerprint(fingerprint)
        with explained(f"remove the image {fingerprint[:12]}", self._path), self._locks.hold(_image_lock(fingerprint)):
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
                        if (folder / "image").exists() and _image_of(folder) == fingerprint:
                            return folder.name if parent == self._containers else f"{parent.name}/{folder.name}"
            except FileNotFoundError:
                continue  # something was renamed while we looked: it may be just the one
            return None

    # Volumes

    def create_volume(self, name: str, image: str | None) -> None:
        check_container(name)
        if image is not None:
            check_fingerprint(image)
        with self._locks.hold(name), self._building(self._containers / name, name) as folder:
            if image is None:
                _note_image(folder, None)
                self._lay_out(folder, None)
                return
            with self._locks.hold(_image_lock(image)):
                self._require_image(image)
                # From here on the image is referred to: remove_image looks at unfinished volumes too.
                _note_image(folder, image)
                tree = self._image_tree(image)
            self._lay_out(folder, tree)
            if not self.shares_images:
                _note_image(folder, None)

    def volumes(self) -> list[str]:
        with explained("list the pool's volumes", self._path):
            return _visible(self._containers)

    def volume_image(self, name: str) -> str | None:
        folder = self._require(VolumeName.parse(name))
        with explained(f"read the volume {name}", self._path):
            return _image_of(folder)

    def mount(self, name: str, idmap: IdMap | None) -> MountedRootfs:
        folder = self._containers / check_container(name)
        wanted = "privileged" if idmap is None else f"{idmap.base} {idmap.count}"
        with explained(f"mount {name}", self._path), self._locks.hold(name):
            self._require(VolumeName(name))
            if is_mount_root(folder / "rootfs"):
                if (folder / "map").read_text() == wanted:
                    return _mounted(folder, idmap)
                self._hide(folder)
            tree = self._tree_below(folder)
            (folder / "map").write_text(wanted)
            # Only the container's own root may pass: below lie set-uid programs that the container made.
            os.chown(folder, idmap.base if idmap else 0, 0)
            folder.chmod(0o100 if idmap else 0o700)
            descriptor = self._open_mount(folder, tree, idmap)
            try:
                show_mount(descriptor, folder / "rootfs")
            finally:
                os.close(descriptor)
            return _mounted(folder, idmap)

    def unmount(self, name: str) -> None:
        check_container(name)
        with explained(f"unmount {name}", self._path), self._locks.hold(name):
            self._hide(self._require(VolumeName(name)))

    def is_mounted(self, name: str) -> bool:
        check_container(name)
        with explained(f"look at {name}", self._path):
            return is_mount_root(self._containers / name / "rootfs")

    def delete_volume(self, name: str) -> None:
        check_container(name)
        with explained(f"delete {name}", self._path), self._locks.hold(name):
            folder = self._require(VolumeName(name))
            self._hide(folder)
            self._retire(folder)
            with suppress(FileNotFoundError):
                self._retire(self._snapshots / name)

    def rename_volume(self, old: str, new: str) -> None:
        check_container(old)
        check_container(new)
        with explained(f"rename {old} to {new}", self._path), self._locks.hold(old, new):
            folder = self._require(VolumeName(old))
            if (self._containers / new).exists():
                raise AlreadyExists("storage volume", new)
            self._hide(folder)
            journal = self._path / f"rename-{secrets.token_hex(6)}"
            _write_synced(journal, f"{old}\n{new}\n")
            try:
                with suppress(FileNotFoundError):
                    rename(self._snapshots / old, self._snapshots / new)
                rename(folder, self._containers / new)
            except BaseException:
                self._roll_back(journal)
                raise
            journal.unlink()

    def _roll_back(self, journal: Path) -> None:
        names = journal.read_text().split()
        if len(names) == 2:  # else it was killed before it had begun
            old, new = (check_container(name) for name in names)
            for parent in (self._snapshots, self._containers):
                with suppress(FileNotFoundError, FileExistsError):
                    rename(parent / new, parent / old)
        journal.unlink()

    def copy_volume(self, source: str, target: str) -> None:
        origin, copy = VolumeName.parse(source), VolumeName.parse(target)
        with self._locks.hold(origin.container, copy.container):
            self._copy(origin, copy)

    @contextmanager
    def view(self, name: str) -> Iterator[Path]:
        volume = VolumeName.parse(name)
        point = self._views / secrets.token_hex(6)
        with explained(f"open {name} for reading", self._path), self._locks.hold(volume.container):
            folder = self._require(volume)
            descriptor = self._open_view(folder, self._tree_below(folder))
            try:
                point.mkdir(mode=0o700)
                show_mount(descriptor, point)
            finally:
                os.close(descriptor)
        try:
            yield point
        finally:
            with explained(f"close {name}", self._path):
                unmount(point, detach=True)
                point.rmdir()

    def usage(self, name: str) -> int:
        return disk_usage(self._own_tree(self._require(VolumeName.parse(name))))

    # Snapshots

    def snapshot(self, name: str, snapshot: str) -> None:
        volume = VolumeName(check_container(name), check_snapshot(snapshot))
        with self._locks.hold(name):
            self._copy(VolumeName(name), volume)

    def restore(self, name: str, snapshot: str) -> None:
        origin = VolumeName(check_container(name), check_snapshot(snapshot))
        with explained(f"restore {name}", self._path), self._locks.hold(name):
            present, kept = self._require(VolumeName(name)), self._require(origin)
            fresh = self._containers / _temporary(_NEW)
            fresh.mkdir(mode=0o700)
            try:
                self._copy_content(kept, fresh)
                self._hide(present)
                rename(fresh, present, RENAME_EXCHANGE)
            finally:
                self._discard(fresh)

    def delete_snapshot(self, name: str, snapshot: str) -> None:
        volume = VolumeName(check_container(name), check_snapshot(snapshot))
        with explained(f"delete {volume}", self._path), self._locks.hold(name):
            self._retire(self._require(volume))
            with suppress(OSError):
                (self._snapshots / name).rmdir()  # if it was the last

    def rename_snapshot(self, name: str, old: str, new: str) -> None:
        volume = VolumeName(check_container(name), check_snapshot(old))
        check_snapshot(new)
        with explained(f"rename {volume} to {new}", self._path), self._locks.hold(name):
            folder = self._require(volume)
            try:
                rename(folder, folder.with_name(new))
            except FileExistsError as error:
                raise AlreadyExists("snapshot", new) from error

    def snapshots(self, name: str) -> list[str]:
        self._require(VolumeName(check_container(name)))
        with explained(f"list the snapshots of {name}", self._path):
            parent = self._snapshots / name
            if not parent.is_dir():
                return []
            found = [folder for folder in parent.iterdir() if not folder.name.startswith(".")]
            return [folder.name for folder in sorted(found, key=lambda f: ((f / "image").stat().st_mtime_ns, f.name))]

    # Steps

    def _folder(self, volume: VolumeName) -> Path:
        if volume.snapshot is None:
            return self._containers / volume.container
        return self._snapshots / volume.container / volume.snapshot

    def _require(self, volume: VolumeName) -> Path:
        folder = self._folder(volume)
        if not folder.is_dir():
            raise NotFound("storage volume" if volume.snapshot is None else "snapshot", str(volume))
        return folder

    def _require_image(self, fingerprint: str) -> None:
        if not self.has_image(fingerprint):
            raise NotFound("image", fingerprint, message=f"The image {fingerprint[:12]} is not in the storage pool")

    def _tree_below(self, folder: Path) -> Path | None:
        """The tree of the image that a volume or snapshot stands on."""
        image = _image_of(folder)
        if image is None:
            return None
        with self._locks.hold(_image_lock(image)):
            self._require_image(image)
            return self._image_tree(image)

    def _copy(self, origin: VolumeName, copy: VolumeName) -> None:
        source = self._require(origin)
        target = self._folder(copy)
        if copy.snapshot is not None:
            self._require(VolumeName(copy.container))
            with explained(f"make {copy}", self._path):
                target.parent.mkdir(mode=0o700, exist_ok=True)
        with self._building(target, str(copy)) as folder:
            self._copy_content(source, folder)

    def _copy_content(self, source: Path, folder: Path) -> None:
        _note_image(folder, _image_of(source))
        self._duplicate(source, folder)

    @contextmanager
    def _building(self, target: Path, name: str) -> Iterator[Path]:
        """A temporary folder that becomes ``target`` at the end of the block, or is removed after an error."""
        kind = "storage volume" if target.parent == self._containers else "snapshot"
        with explained(f"make {name}", self._path):
            if target.exists():
                raise AlreadyExists(kind, name)
            folder = target.parent / _temporary(_NEW)
            folder.mkdir(mode=0o700)
            try:
                yield folder
                rename(folder, target)
            except BaseException as error:
                self._discard(folder)
                if isinstance(error, FileExistsError):
                    raise AlreadyExists(kind, name) from error
                raise

    def _retire(self, folder: Path) -> None:
        """Take a folder's name away, then remove it: it is never seen half removed."""
        old = folder.parent / _temporary(_OLD)
        rename(folder, old)
        self._remove(old)

    def _discard(self, folder: Path) -> None:
        """Remove what nobody knows of yet. What can't be removed now is removed by the next :meth:`recover`."""
        with suppress(AzekuraError, OSError):
            self._remove(folder)

    def _hide(self, folder: Path) -> None:
        point = folder / "rootfs"
        attempts = 0
        while is_mount_root(point):
            try:
                unmount(point)
            except OSError as error:
                if error.errno != errno.EBUSY:
                    raise
                attempts += 1
                if attempts == _UNMOUNT_ATTEMPTS:
                    raise InUse(f"The root file system of {folder.name} is in use: stop what uses it") from error
                time.sleep(0.02)


def _visible(folder: Path) -> list[str]:
    return sorted(entry.name for entry in folder.iterdir() if not entry.name.startswith("."))


def _temporary(prefix: str) -> str:
    return prefix + secrets.token_hex(8)


def _image_lock(fingerprint: str) -> str:
    return f"~{fingerprint}"  # sorts after every volume, so it may be taken while a volume's lock is held


def _mounted(folder: Path, idmap: IdMap | None) -> MountedRootfs:
    return MountedRootfs(folder / "rootfs", 0 if idmap is None else idmap.base)


def _note_image(folder: Path, image: str | None) -> None:
    _write_synced(folder / "image", f"{image}\n" if image else "")


def _image_of(folder: Path) -> str | None:
    return (folder / "image").read_text().strip() or None


def _write_synced(file: Path, text: str) -> None:
    """Write a record that must not be found empty after a power loss."""
    with file.open("w", encoding="ascii") as stream:
        stream.write(text)
        stream.flush()
        os.fsync(stream.fileno())
