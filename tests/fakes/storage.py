"""A storage driver of plain folders and copies: same port, no root, no mounts.

``mount`` only notes that it was called. Owners are those of whoever runs the test.
"""

from __future__ import annotations

import os
import shutil
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import ClassVar, Self

from azekura.errors import AlreadyExists, InUse, NotFound, StorageFailed, Unsupported
from azekura.storage.names import VolumeName, check_container, check_fingerprint, check_snapshot
from azekura.storage.port import IdMap, MountedRootfs


class FolderStorage:
    """Keeps ``images/<fingerprint>``, ``containers/<name>`` and ``containers-snapshots/<name>/<snapshot>``."""

    name: ClassVar[str] = "fake"
    mounts_squashfs: ClassVar[bool] = False
    shares_images: ClassVar[bool] = True

    def __init__(self, path: Path) -> None:
        self._path = path
        self._images = path / "images"
        self._containers = path / "containers"
        self._snapshots = path / "containers-snapshots"
        self._lock = threading.RLock()

    @property
    def path(self) -> Path:
        return self._path

    def create(self) -> None:
        if self._path.exists() and any(self._path.iterdir()):
            raise AlreadyExists("storage pool", message=f"The folder {self._path} is not empty: it can't be a pool")
        for folder in (self._images, self._containers, self._snapshots):
            folder.mkdir(parents=True)

    def destroy(self) -> None:
        if not self._containers.is_dir():
            return
        if self.volumes():
            raise InUse(f"The storage pool {self._path} holds volumes")
        shutil.rmtree(self._path)

    def recover(self) -> None:
        if not self._containers.is_dir():
            raise StorageFailed(f"The folder {self._path} is no fake pool")
        for parent in (self._images, self._containers, self._snapshots, *self._snapshots.iterdir()):
            for left in parent.glob(".new-*"):
                shutil.rmtree(left)

    def close(self) -> None:
        pass

    def fill_image(self) -> FolderFill:
        return FolderFill(Path(tempfile.mkdtemp(prefix=".new-", dir=self._images)), self._images)

    def adopt_squashfs(self, fingerprint: str, file: Path) -> None:
        raise Unsupported("The fake storage driver doesn't mount squashfs images")

    def has_image(self, fingerprint: str) -> bool:
        return (self._images / check_fingerprint(fingerprint)).is_dir()

    def images(self) -> list[str]:
        return _visible(self._images)

    def remove_image(self, fingerprint: str) -> None:
        folder = self._images / check_fingerprint(fingerprint)
        with self._lock:
            users = [
                *self._containers.iterdir(),
                *(s for parent in self._snapshots.iterdir() for s in parent.iterdir()),
            ]
            if any((user / "image").read_text() == fingerprint for user in users):
                raise InUse(f"The image {fingerprint[:12]} is needed by a volume")
            if folder.exists():
                shutil.rmtree(folder)

    def create_volume(self, name: str, image: str | None) -> None:
        volume = VolumeName(check_container(name))
        with self._lock, self._building(self._absent(volume), name) as folder:
            if image is not None and not self.has_image(image):
                raise NotFound("image", image)
            (folder / "image").write_text(image or "")
            if image is None:
                (folder / "rootfs").mkdir()
            else:
                _copy_tree(self._images / image / "rootfs", folder / "rootfs")

    def settle(self, name: str) -> None:
        self._require(VolumeName(check_container(name)))

    def volumes(self) -> list[str]:
        return _visible(self._containers)

    def volume_image(self, name: str) -> str | None:
        return (self._require(VolumeName.parse(name)) / "image").read_text() or None

    def mount(self, name: str, idmap: IdMap | None) -> MountedRootfs:
        folder = self._require(VolumeName(check_container(name)))
        (folder / "mounted").write_text("privileged" if idmap is None else f"{idmap.base} {idmap.count}")
        return MountedRootfs(folder / "rootfs", os.geteuid())

    def unmount(self, name: str) -> None:
        (self._require(VolumeName(check_container(name))) / "mounted").unlink(missing_ok=True)

    def is_mounted(self, name: str) -> bool:
        return (self._containers / check_container(name) / "mounted").exists()

    def delete_volume(self, name: str) -> None:
        check_container(name)
        with self._lock:
            folder = self._require(VolumeName(name))
            shutil.rmtree(folder)
            shutil.rmtree(self._snapshots / name, ignore_errors=True)

    def rename_volume(self, old: str, new: str) -> None:
        check_container(old)
        with self._lock:
            folder = self._require(VolumeName(old))
            target = self._absent(VolumeName(check_container(new)))
            self.unmount(old)
            folder.rename(target)
            with suppress(FileNotFoundError):
                (self._snapshots / old).rename(self._snapshots / new)

    def copy_volume(self, source: str, target: str) -> None:
        copy = VolumeName.parse(target)
        with self._lock:
            origin = self._require(VolumeName.parse(source))
            if copy.snapshot is not None:
                self._require(VolumeName(copy.container))
            self._copy(origin, copy)

    def _copy(self, origin: Path, copy: VolumeName) -> None:
        with self._building(self._absent(copy), str(copy)) as folder:
            (folder / "image").write_text((origin / "image").read_text())
            _copy_tree(origin / "rootfs", folder / "rootfs")

    @contextmanager
    def view(self, name: str) -> Iterator[Path]:
        yield self._require(VolumeName.parse(name)) / "rootfs"

    def snapshot(self, name: str, snapshot: str) -> None:
        self.copy_volume(name, f"{name}/{check_snapshot(snapshot)}")

    def restore(self, name: str, snapshot: str) -> None:
        folder = self._require(VolumeName(check_container(name)))
        kept = self._require(VolumeName(name, check_snapshot(snapshot)))
        with self._lock:
            self.unmount(name)
            shutil.rmtree(folder / "rootfs")
            _copy_tree(kept / "rootfs", folder / "rootfs")
            (folder / "image").write_text((kept / "image").read_text())

    def delete_snapshot(self, name: str, snapshot: str) -> None:
        shutil.rmtree(self._require(VolumeName(check_container(name), check_snapshot(snapshot))))

    def rename_snapshot(self, name: str, old: str, new: str) -> None:
        folder = self._require(VolumeName(check_container(name), check_snapshot(old)))
        folder.rename(self._absent(VolumeName(name, check_snapshot(new))))

    def snapshots(self, name: str) -> list[str]:
        self._require(VolumeName(check_container(name)))
        parent = self._snapshots / name
        found = _visible(parent) if parent.is_dir() else []
        return sorted(found, key=lambda snapshot: ((parent / snapshot / "image").stat().st_mtime_ns, snapshot))

    def usage(self, name: str) -> int:
        folder = self._require(VolumeName.parse(name)) / "rootfs"
        return sum(path.lstat().st_blocks * 512 for path in folder.rglob("*"))

    def space(self) -> tuple[int, int]:
        usage = shutil.disk_usage(self._path)
        return usage.total, usage.total - usage.free

    def _folder(self, volume: VolumeName) -> Path:
        if volume.snapshot is None:
            return self._containers / volume.container
        return self._snapshots / volume.container / volume.snapshot

    def _require(self, volume: VolumeName) -> Path:
        folder = self._folder(volume)
        if not folder.is_dir():
            raise NotFound("storage volume" if volume.snapshot is None else "snapshot", str(volume))
        return folder

    def _absent(self, volume: VolumeName) -> Path:
        folder = self._folder(volume)
        if folder.exists():
            raise AlreadyExists("storage volume" if volume.snapshot is None else "snapshot", str(volume))
        return folder

    @contextmanager
    def _building(self, target: Path, name: str) -> Iterator[Path]:
        target.parent.mkdir(exist_ok=True)
        folder = Path(tempfile.mkdtemp(prefix=".new-", dir=target.parent))
        try:
            yield folder
            if target.exists():
                raise AlreadyExists("storage volume", name)
            folder.rename(target)
        except BaseException:
            shutil.rmtree(folder)
            raise


class FolderFill:
    """The fake's :class:`~azekura.storage.port.TreeFill`."""

    def __init__(self, folder: Path, images: Path) -> None:
        self._folder = folder
        self._images = images
        (folder / "rootfs").mkdir()

    @property
    def path(self) -> Path:
        return self._folder / "rootfs"

    def commit(self, fingerprint: str) -> None:
        target = self._images / check_fingerprint(fingerprint)
        if not self._folder.exists():
            raise StorageFailed("This image was committed or given up before")
        try:
            self._folder.rename(target)
        except OSError:  # it is there already
            self.abort()

    def abort(self) -> None:
        if self._folder.exists():
            shutil.rmtree(self._folder)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.abort()


def _visible(folder: Path) -> list[str]:
    return sorted(entry.name for entry in folder.iterdir() if not entry.name.startswith("."))


def _copy_tree(source: Path, target: Path) -> None:
    shutil.copytree(source, target, symlinks=True)
