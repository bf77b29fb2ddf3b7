"""Volumes and snapshots of a pool that is a folder: what every such driver has in common."""

from __future__ import annotations

import errno
import os
import secrets
import time
from abc import abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from azekura.errors import AlreadyExists, InUse, NotFound
from azekura.storage.faults import explained
from azekura.storage.kernel.mounts import show_mount, unmount
from azekura.storage.kernel.paths import RENAME_EXCHANGE, is_mount_root, rename
from azekura.storage.names import VolumeName, check_container, check_fingerprint, check_snapshot
from azekura.storage.pool import Pool, image_lock
from azekura.storage.pool_folders import NEW, image_of, note_image, sync_path, temporary_name, write_synced
from azekura.storage.port import IdMap, MountedRootfs
from azekura.storage.programs import disk_usage

_UNMOUNT_ATTEMPTS = 50  # at most one second: a container's last processes may still be ending


class PoolStorage(Pool):
    """A :class:`~azekura.storage.port.StorageDriver` less what the trees are made of."""

    # What a driver says about its trees. ``folder`` is always that of a volume or a snapshot.

    @abstractmethod
    def _lay_out(self, folder: Path, image_tree: Path | None) -> None:
        """Fill a new volume's folder from an image, or with an empty root file system."""

    @abstractmethod
    def _duplicate(self, source: Path, folder: Path) -> None:
        """Fill a new folder with what a volume or snapshot holds."""

    @abstractmethod
    def _own_tree(self, folder: Path) -> Path:
        """The folder that holds what a volume or snapshot has of its own."""

    def _prepare(self, folder: Path, idmap: IdMap | None, /) -> None:
        """Make a volume ready to be mounted with ``idmap``; it may become another folder of the same name."""

    @abstractmethod
    def _open_mount(self, folder: Path, image_tree: Path | None, idmap: IdMap | None, /) -> int:
        """Return a descriptor of the volume's root file system, to be shown at its ``rootfs``."""

    @abstractmethod
    def _open_view(self, folder: Path, image_tree: Path | None, /) -> int:
        """Return a descriptor of a mount for reading."""

    # Volumes

    def create_volume(self, name: str, image: str | None) -> None:
        check_container(name)
        if image is not None:
            check_fingerprint(image)
        with self._locks.hold(name), self._building(self._containers / name, name) as folder:
            if image is None:
                note_image(folder, None, lasting=False)
                self._lay_out(folder, None)
                return
            with self._locks.hold(image_lock(image)):
                self._require_image(image)
                # From here on the image is referred to: remove_image looks at unfinished volumes too.
                note_image(folder, image, lasting=False)
                tree = self._image_tree(image)
            self._lay_out(folder, tree)

    def settle(self, name: str) -> None:
        folder = self._require(VolumeName(check_container(name)))
        if self.shares_images:
            with explained(f"write {name} to the disk", self._path):
                for path in (folder / "image", folder.parent):
                    sync_path(path)

    def volume_image(self, name: str) -> str | None:
        folder = self._require(VolumeName.parse(name))
        with explained(f"read the volume {name}", self._path):
            return image_of(folder) if self.shares_images else None

    def mount(self, name: str, idmap: IdMap | None) -> MountedRootfs:
        folder = self._containers / check_container(name)
        wanted = "privileged" if idmap is None else f"{idmap.base} {idmap.count}"
        if idmap is not None and idmap.direct:
            wanted += "".join(f"\n{one.kind} {one.inside} {one.outside} {one.count}" for one in idmap.direct)
        with explained(f"mount {name}", self._path), self._locks.hold(name):
            self._require(VolumeName(name))
            if is_mount_root(folder / "rootfs"):
                if (folder / "map").exists() and (folder / "map").read_text() == wanted:
                    return _mounted(folder, idmap)
                self._hide(folder)
            tree = self._tree_below(folder)
            self._prepare(folder, idmap)
            (folder / "map").write_text(wanted)
            # Only the container's own root may pass: below lie set-uid programs that the container made.
            os.chown(folder, idmap.outer("u", 0) if idmap else 0, 0)
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
            write_synced(journal, f"{old}\n{new}\n")
            try:
                with suppress(FileNotFoundError):
                    rename(self._snapshots / old, self._snapshots / new)
                rename(folder, self._containers / new)
            except BaseException:
                self._roll_back(journal)
                raise
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
            with self._replacing(present) as fresh:
                self._copy_content(kept, fresh)
                self._hide(present)

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

    def _tree_below(self, folder: Path) -> Path | None:
        """The tree of the image that a volume or snapshot stands on."""
        image = image_of(folder) if self.shares_images else None
        if image is None:
            return None
        with self._locks.hold(image_lock(image)):
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
        note_image(folder, image_of(source), lasting=self.shares_images)
        self._duplicate(source, folder)

    @contextmanager
    def _building(self, target: Path, name: str) -> Iterator[Path]:
        """A temporary folder that becomes ``target`` at the end of the block, or is removed after an error."""
        kind = "storage volume" if target.parent == self._containers else "snapshot"
        with explained(f"make {name}", self._path):
            if target.exists():
                raise AlreadyExists(kind, name)
            folder = target.parent / temporary_name(NEW)
            folder.mkdir(mode=0o700)
            try:
                yield folder
                rename(folder, target)
            except BaseException as error:
                self._discard(folder)
                if isinstance(error, FileExistsError):
                    raise AlreadyExists(kind, name) from error
                raise

    @contextmanager
    def _replacing(self, present: Path) -> Iterator[Path]:
        """A temporary folder that takes the place of ``present`` in one step at the end of the block."""
        fresh = present.parent / temporary_name(NEW)
        fresh.mkdir(mode=0o700)
        try:
            yield fresh
            rename(fresh, present, RENAME_EXCHANGE)
        finally:
            self._discard(fresh)  # what was made in vain, or what was there before

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


def _mounted(folder: Path, idmap: IdMap | None) -> MountedRootfs:
    if idmap is None:
        return MountedRootfs(folder / "rootfs", 0)
    return MountedRootfs(folder / "rootfs", idmap.base, direct=idmap.direct)
