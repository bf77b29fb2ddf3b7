"""A full disk gives one clear error with what was needed and what there was, and leaves nothing behind."""

from __future__ import annotations

import io
import os
import tarfile
from pathlib import Path

import pytest
from tests.busybox_images import METADATA
from tests.daemon_process import Daemon
from tests.small_disk import small_disk

pytestmark = pytest.mark.root
MIB = 1 << 20


def _image(path: Path, mebibytes: int) -> Path:
    """An uncompressed unified image with that much in it, which no compressor can shrink."""
    with tarfile.open(path, "w", format=tarfile.PAX_FORMAT) as tar:
        for name, data in (("metadata.yaml", METADATA.split("templates:")[0].encode()), ("rootfs", b"")):
            entry = tarfile.TarInfo(name)
            entry.size = len(data)
            if name == "rootfs":
                entry.type, entry.mode = tarfile.DIRTYPE, 0o755
            tar.addfile(entry, io.BytesIO(data))
        entry = tarfile.TarInfo("rootfs/data")
        entry.size = mebibytes * MIB
        tar.addfile(entry, io.BytesIO(os.urandom(entry.size)))
    return path


def _stored(daemon: Daemon) -> list[Path]:
    return [path for path in (daemon.folder / "images").rglob("*") if path.is_file()]


def _trees(daemon: Daemon) -> list[str]:
    pool = daemon.folder / "storage-pools/default"
    return sorted(str(path.relative_to(pool)) for path in pool.rglob("*") if path.is_file() and path.stat().st_size)


@pytest.mark.parametrize("room", [3, 9, 14, 18])
def test_import_onto_a_full_disk_leaves_nothing(tmp_path: Path, room: int) -> None:
    """8 MiB of image take 8 MiB as a blob and 8 MiB as a tree: none, one or the other half doesn't fit."""
    image = _image(tmp_path / "image.tar", 8)
    root = tmp_path / "d"
    root.mkdir()
    tmp_path.chmod(0o711)
    daemon = Daemon(root)
    daemon.folder.mkdir(mode=0o711)
    with small_disk(daemon.folder, room):
        try:
            daemon.start()
            daemon.init("dir")
            daemon.lxc("image", "list")  # the hint of the first use
            before = _trees(daemon)
            done = daemon.run_lxc("image", "import", str(image), check=False)
            said = done.stderr.decode()
            if done.returncode == 0:
                assert room == 18
                return
            assert "No space left" in said, said
            assert "bytes" in said, said
            assert said.count("\n") == 1, said
            assert _stored(daemon) == []
            assert _trees(daemon) == before
            assert daemon.lxc("image", "list", "-f", "csv") == ""
            small = _image(tmp_path / "small.tar", 0)
            daemon.lxc("image", "import", str(small), "--alias", "small")  # and the store goes on
            assert daemon.lxc("image", "list", "-f", "csv", "-c", "l") == "small\n"
        finally:
            daemon.stop()


def test_publish_onto_a_full_disk_leaves_nothing(tmp_path: Path) -> None:
    image = _image(tmp_path / "image.tar", 8)
    root = tmp_path / "d"
    root.mkdir()
    tmp_path.chmod(0o711)
    daemon = Daemon(root)
    daemon.folder.mkdir(mode=0o711)
    with small_disk(daemon.folder, 34):
        try:
            daemon.start()
            daemon.init("dir")
            daemon.lxc("image", "import", str(image), "--alias", "big")
            daemon.lxc("init", "big", "c1")
            filler = daemon.folder / "filler"
            free = os.statvfs(daemon.folder)
            filler.write_bytes(bytes(free.f_bavail * free.f_bsize - 3 * MIB))
            done = daemon.run_lxc("publish", "c1", "--alias", "again", check=False)
            assert done.returncode == 1
            assert "No space left" in done.stderr.decode(), done.stderr.decode()
            assert len(_stored(daemon)) == 1
            assert daemon.lxc("image", "alias", "list", "-f", "csv").count("\n") == 1
            filler.unlink()
            assert "published" in daemon.lxc("publish", "c1", "--alias", "again")
        finally:
            daemon.stop()
