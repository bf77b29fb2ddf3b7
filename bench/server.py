"""The two sides of a comparison: our daemon and Debian's LXD, each in a folder of its own, and clean-up after both."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

OURS = Path(sys.executable).parent  # the virtual environment's bin: lxd and lxc with lean start scripts
REAL = Path("/usr/bin")
SCRATCH = Path("/var/tmp")
POOL = "size=24GiB"  # of real LXD's btrfs file; sparse


def clean_environment(**more: str) -> dict[str, str]:
    """What every measured process gets: no proxies, no locale of the caller's."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "TERM") if name in os.environ}
    return {**kept, "LC_ALL": "C.UTF-8", "TZ": "UTC", **more}


def free_port() -> int:
    """A TCP port of loopback that is free now."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


@dataclass(slots=True)
class LxdServer:
    """A running daemon. ``bin`` holds its own lxd and lxc; any other lxc can be pointed at it too."""

    name: str
    bin: Path
    folder: Path
    process: subprocess.Popen[bytes]
    url: str = ""
    environment: dict[str, str] = field(default_factory=dict)

    @property
    def state(self) -> Path:
        """Its LXD_DIR."""
        return self.folder / "lxd"

    @property
    def socket(self) -> Path:
        return self.state / "unix.socket"

    def command(self, *words: str | Path, client: Path | None = None) -> list[str]:
        return [str((client or self.bin) / "lxc"), *map(str, words)]

    def lxc(self, *words: str | Path, client: Path | None = None, stdin: bytes = b"", check: bool = True) -> str:
        """Standard output of one command of its client (or of ``client``'s)."""
        done = subprocess.run(
            self.command(*words, client=client),
            check=False,
            env=self.environment,
            input=stdin,
            capture_output=True,
            timeout=900,
        )
        if check and done.returncode != 0:
            raise RuntimeError(f"{self.name}: lxc {' '.join(map(str, words))}: {done.stderr.decode().strip()}")
        return done.stdout.decode()

    def time(self, *words: str | Path, client: Path | None = None) -> float:
        """Seconds of one command as a whole process."""
        return run_timed(self.command(*words, client=client), self.environment)

    def get(self, path: str) -> object:
        """``lxc query``: the metadata of an answer."""
        return json.loads(self.lxc("query", path))

    def rss(self, key: str = "VmRSS") -> int:
        """Bytes of memory of the daemon's process, by a line of /proc/PID/status."""
        for line in Path(f"/proc/{self.process.pid}/status").read_text().splitlines():
            if line.startswith(f"{key}:"):
                return int(line.split()[1]) * 1024
        raise RuntimeError(f"no {key} of {self.name}")

    def reset_peak(self) -> None:
        """Start VmHWM anew (proc(5), clear_refs)."""
        Path(f"/proc/{self.process.pid}/clear_refs").write_text("5")

    def listen(self) -> str:
        """Listen on loopback with TLS; returns the URL."""
        port = free_port()
        self.lxc("config", "set", "core.https_address", f"127.0.0.1:{port}")
        self.url = f"https://127.0.0.1:{port}"
        return self.url


def run_timed(command: Sequence[str], environment: dict[str, str]) -> float:
    """Seconds of a process from before its start until its end; it must succeed."""
    started = time.perf_counter()
    done = subprocess.run(
        command, check=False, env=environment, stdin=subprocess.DEVNULL, capture_output=True, timeout=900
    )
    taken = time.perf_counter() - started
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(command)}: {done.stderr.decode().strip()}")
    return taken


@contextmanager
def ours(name: str = "ours", *, pool: str = "overlay") -> Iterator[LxdServer]:
    """Our daemon with one pool, ``default``."""
    with _running(name, OURS) as server:
        server.lxc("storage", "create", "default", pool)
        server.lxc("profile", "device", "add", "default", "root", "disk", "path=/", "pool=default")
        yield server


@contextmanager
def real(name: str = "real LXD", *, btrfs: bool = False) -> Iterator[LxdServer]:
    """Debian's LXD with the pool ``dir`` as default, and ``btrfs`` in a loop file where asked for."""
    with _running(name, REAL) as server:
        server.lxc("storage", "create", "dir", "dir")
        if btrfs:
            server.lxc("storage", "create", "btrfs", "btrfs", POOL)
        server.lxc("profile", "device", "add", "default", "root", "disk", "path=/", "pool=dir")
        yield server


@contextmanager
def _running(name: str, bin_folder: Path) -> Iterator[LxdServer]:
    folder = Path(tempfile.mkdtemp(prefix="azk-bench.", dir=SCRATCH))
    folder.chmod(0o711)
    environment = clean_environment(LXD_DIR=str(folder / "lxd"), LXD_CONF=str(folder / "client"))
    (folder / "lxd").mkdir(mode=0o711)
    (folder / "client").mkdir()
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [str(bin_folder / "lxd"), "--group", "root"],
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    server = LxdServer(name, bin_folder, folder, process, environment=environment)
    try:
        run_timed([str(bin_folder / "lxd"), "waitready", "--timeout=60"], environment)
        yield server
    finally:
        _end(server)


def _end(server: LxdServer) -> None:
    """Containers, daemon, mounts, loop devices and folder, in this order; each step whatever became of the last."""
    with contextlib.suppress(RuntimeError, subprocess.TimeoutExpired, ValueError):
        for line in server.lxc("list", "--format=csv", "-c", "n").splitlines():
            server.lxc("delete", "-f", line.strip(), check=False)
    subprocess.run(
        [str(server.bin / "lxd"), "shutdown", "--timeout=20"],
        env=server.environment,
        check=False,
        timeout=120,
        capture_output=True,
    )
    deadline = time.monotonic() + 20
    while server.process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.05)
    server.process.kill()
    server.process.wait()
    mounts = [line.split()[4] for line in Path("/proc/self/mountinfo").read_text().splitlines()]
    for mount in sorted((one for one in mounts if one.startswith(f"{server.folder}/")), reverse=True):
        subprocess.run(["umount", "-l", mount], check=False, capture_output=True)
    listed = subprocess.run(["losetup", "-nO", "NAME,BACK-FILE"], check=False, capture_output=True, text=True).stdout
    for line in listed.splitlines():
        device, _, backing = line.partition(" ")
        if backing.strip().startswith(f"{server.folder}/"):
            subprocess.run(["losetup", "-d", device], check=False, capture_output=True)
    shutil.rmtree(server.folder, ignore_errors=True)
