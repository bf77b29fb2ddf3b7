"""Containers boot on what the storage drivers mount."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.fakes import busybox_rootfs

from azekura.storage.drivers import open_driver
from azekura.storage.port import IdMap, StorageDriver
from azekura.storage.rootfs_files import RootfsFiles

pytestmark = [
    pytest.mark.root,
    pytest.mark.skipif(os.geteuid() != 0 or not shutil.which("lxc-start"), reason="needs root and liblxc"),
]

ALPHA = "a" * 64
MAP = IdMap(1_000_000, 65536)
SCRIPT = """#!/bin/sh
exec >/result 2>&1
id -u
cat /etc/web
stat -c %u /etc/web
mkdir /made && chown 33 /made && stat -c %u /made
mv /etc /conf && cat /conf/web
cat </bad || echo no device
exec sleep 1000
"""


@pytest.fixture(params=["overlay", "dir", "btrfs"])
def driver(request: pytest.FixtureRequest) -> Iterator[StorageDriver]:
    place = Path(tempfile.mkdtemp(prefix="azekura-lxc-", dir="/tmp"))
    place.chmod(0o711)
    if request.param == "btrfs":
        pool = open_driver("btrfs", place / "pool", source=place / "pool.img", size=256 << 20)
    else:
        pool = open_driver(request.param, place / "pool")
    pool.create()
    with pool.fill_image() as image:
        busybox_rootfs.build(image.path)
        (image.path / "etc/web").write_text("mine\n")
        os.chown(image.path / "etc/web", 33, 33)
        os.mknod(image.path / "bad", 0o666 | 0o020000, os.makedev(1, 5))
        (image.path / "init.sh").write_text(SCRIPT)
        (image.path / "init.sh").chmod(0o755)
        image.commit(ALPHA)
    yield pool
    for name in pool.volumes():
        pool.delete_volume(name)
    pool.destroy()
    shutil.rmtree(place)


@pytest.mark.parametrize("idmap", [MAP, None])
def test_container_boots_and_owns_its_files(driver: StorageDriver, idmap: IdMap | None) -> None:
    name = f"azst-{driver.name}-{os.getpid()}"
    driver.create_volume(name, ALPHA)
    mounted = driver.mount(name, idmap)
    with RootfsFiles(mounted.path, mounted.owner_base) as files:
        files.write_file("/etc/web", b"templated\n")
    run = driver.path.parent / "run"
    run.mkdir(exist_ok=True)
    lines = [
        f"lxc.uts.name = {name}",
        f"lxc.rootfs.path = dir:{mounted.path}",
        "lxc.init.cmd = /init.sh",
        "lxc.mount.auto = proc:rw",
        "lxc.autodev = 1",
        "lxc.apparmor.profile = unconfined",
        "lxc.net.0.type = empty",
        f"lxc.log.file = {run}/lxc.log",
    ]
    if idmap is not None:
        lines += [f"lxc.idmap = {kind} 0 {idmap.base} {idmap.count}" for kind in "ug"]
    (run / name).mkdir()
    (run / name / "config").write_text("\n".join(lines) + "\n")
    started = subprocess.run(["lxc-start", "-P", run, "-n", name, "-d"], capture_output=True, text=True)
    try:
        assert started.returncode == 0, (run / "lxc.log").read_text()
        result = ""
        deadline = time.monotonic() + 10
        while "device" not in result and time.monotonic() < deadline:
            time.sleep(0.05)
            result = (mounted.path / "result").read_text() if (mounted.path / "result").exists() else ""
        said = [line for line in result.splitlines() if "bad" not in line]
        assert said == ["0", "templated", "33", "33", "templated", "no device"]
    finally:
        subprocess.run(["lxc-stop", "-P", run, "-n", name, "-k"], capture_output=True)
    driver.unmount(name)
    with driver.view(name) as root:
        assert (root / "made").stat().st_uid == 33
        assert (root / "conf/web").read_text() == "templated\n"
