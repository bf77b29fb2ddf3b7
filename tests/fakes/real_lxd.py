"""Debian's own LXD 5.0.2, run with folders of its own and an address on loopback."""

from __future__ import annotations

import io
import os
import random
import shutil
import socket
import subprocess
import tarfile
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

LXD, LXC = "/usr/bin/lxd", "/usr/bin/lxc"


@dataclass
class RealLxd:
    """Use :meth:`started`. ``certificate`` is the server's, PEM."""

    folder: Path
    url: str
    certificate: str

    @classmethod
    @contextmanager
    def started(cls) -> Iterator[RealLxd]:
        """A running daemon, public images only to who isn't trusted. Skips where there is none."""
        if not Path(LXD).exists() or not Path(LXC).exists() or os.geteuid() != 0:
            pytest.skip("Debian's lxd and lxc, run by root, are needed")
        # not pytest's folder: the path of a unix socket is short
        folder = Path(tempfile.mkdtemp(prefix="reallxd-", dir="/tmp"))
        (folder / "lxd").mkdir(mode=0o711)
        (folder / "lxc").mkdir()
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        environment = cls._environment(folder)
        with (folder / "log").open("wb") as log:
            daemon = subprocess.Popen([LXD], env=environment, stdout=log, stderr=log, start_new_session=True)
        try:
            subprocess.run(
                [LXD, "waitready", "--timeout=60"], env=environment, check=True, timeout=90, capture_output=True
            )
            lxd = cls(folder, f"https://127.0.0.1:{port}", "")
            lxd.lxc("config", "set", "core.https_address", f"127.0.0.1:{port}")
            lxd.certificate = (folder / "lxd" / "server.crt").read_text()
            yield lxd
        finally:
            subprocess.run(
                [LXD, "shutdown", "--timeout=20"], env=environment, check=False, timeout=60, capture_output=True
            )
            deadline = time.monotonic() + 20
            while daemon.poll() is None and time.monotonic() < deadline:
                time.sleep(0.1)
            daemon.kill()
            daemon.wait()
            for mounted in ("devlxd", "shmounts"):
                subprocess.run(["umount", "-l", folder / "lxd" / mounted], check=False, capture_output=True)
            shutil.rmtree(folder, ignore_errors=True)

    @staticmethod
    def _environment(folder: Path) -> dict[str, str]:
        return {**os.environ, "LXD_DIR": str(folder / "lxd"), "LXD_CONF": str(folder / "lxc"), "LC_ALL": "C.UTF-8"}

    def lxc(self, *words: str) -> str:
        """Run ``lxc`` against it."""
        done = subprocess.run(
            [LXC, *words], env=self._environment(self.folder), check=False, timeout=120, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def import_image(self, folder: Path, parts: dict[str, bytes], alias: str, *, public: bool = True) -> None:
        """Import an image made by :func:`tiny_image` into ``folder``."""
        files = [str(folder / role) for role in parts]
        self.lxc("image", "import", *files, "--alias", alias, *(["--public"] if public else []))


def tiny_image(folder: Path, *, split: bool) -> dict[str, bytes]:
    """A valid image with nothing useful in it, in files named for their roles; returns role → bytes."""
    folder.mkdir(parents=True)
    noise = random.Random(str(folder.name)).randbytes(400_000)
    metadata = b"architecture: x86_64\ncreation_date: 1767225600\nproperties: {os: Tiny, release: '1'}\n"
    parts = (
        {"metadata": _tar({"metadata.yaml": metadata}), "rootfs": _tar({"etc/hostname": b"tiny\n", "noise": noise})}
        if split
        else {"unified": _tar({"metadata.yaml": metadata, "rootfs/etc/hostname": b"tiny\n", "rootfs/noise": noise})}
    )
    for role, data in parts.items():
        (folder / role).write_bytes(data)
    return parts


def _tar(files: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
        for name, data in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(data)
            entry.mtime = 1767225600
            tar.addfile(entry, io.BytesIO(data))
    return buffer.getvalue()
