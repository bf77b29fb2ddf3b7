"""A real daemon for a test: started in a folder of its own, ended with everything it made."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from azekura.client.server import Server
from azekura.errors import AzekuraError

LXD = (sys.executable, "-I", "-m", "azekura.daemon.main")
PRESEED = """
storage_pools:
- name: default
  driver: {driver}
profiles:
- name: default
  devices:
    root: {{path: /, pool: default, type: disk}}
"""


class Daemon:
    """One daemon process and its state folder. ``run`` runs our commands against it."""

    def __init__(self, root: Path, environment: Mapping[str, str] | None = None) -> None:
        self.root = root
        self.folder = root / "lxd"
        self.config = root / "config"
        self.log = root / "daemon.log"
        self.environment = {
            **os.environ,
            "LXD_DIR": str(self.folder),
            "LXD_CONF": str(self.config),
            "LC_ALL": "C.UTF-8",
            "TZ": "UTC",
            **(environment or {}),
        }
        self.process: subprocess.Popen[bytes] | None = None

    def start(self, *arguments: str) -> None:
        """Start it and wait until it answers."""
        self.folder.mkdir(mode=0o711, exist_ok=True)
        self.config.mkdir(exist_ok=True)
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [*LXD, "--debug", "--group", "root", *arguments],
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        deadline = time.monotonic() + 30
        while True:
            try:
                self.server().get("/internal/ready")
                return
            except AzekuraError:
                if self.process.poll() is not None or time.monotonic() > deadline:
                    raise AssertionError(f"the daemon did not start:\n{self.log.read_text()[-3000:]}") from None
                time.sleep(0.02)

    def server(self) -> Server:
        """A client of it, over the unix socket."""
        return Server(f"unix://{self.folder}/unix.socket")

    def init(self, driver: str = "overlay") -> None:
        """One pool of that driver, and a default profile that uses it."""
        self.run_lxd("init", "--preseed", stdin=PRESEED.format(driver=driver).encode())

    def run_lxd(self, *arguments: str, stdin: bytes = b"", check: bool = True) -> subprocess.CompletedProcess[bytes]:
        done = subprocess.run([*LXD, *arguments], env=self.environment, input=stdin, capture_output=True, timeout=120)
        assert not check or done.returncode == 0, done.stderr.decode()
        return done

    def run_lxc(
        self, *arguments: str, stdin: bytes = b"", check: bool = True, program: str = ""
    ) -> subprocess.CompletedProcess[bytes]:
        """Our ``lxc``, or ``program`` (Debian's), against this daemon."""
        command = [program] if program else [sys.executable, "-I", "-m", "azekura.cli.main"]
        done = subprocess.run(
            [*command, *arguments], env=self.environment, input=stdin, capture_output=True, timeout=180
        )
        assert not check or done.returncode == 0, f"lxc {' '.join(arguments)}: {done.stderr.decode()}"
        return done

    def lxc(self, *arguments: str, stdin: bytes = b"", program: str = "") -> str:
        """Standard output of a command that must succeed."""
        return self.run_lxc(*arguments, stdin=stdin, program=program).stdout.decode()

    def stop(self) -> None:
        """SIGTERM: a clean end; containers go on."""
        if self.process is not None:
            self.process.terminate()
            assert self.process.wait(20) == 0, self.log.read_text()[-3000:]
            self.process = None

    def kill(self) -> None:
        """SIGKILL: as a crash."""
        if self.process is not None:
            self.process.send_signal(signal.SIGKILL)
            self.process.wait(10)
            self.process = None

    def clean_up(self) -> None:
        """End containers, daemon and mounts; remove the folder."""
        if self.process is not None and self.process.poll() is None:
            with contextlib.suppress(AzekuraError, subprocess.TimeoutExpired):
                self.server().put("/internal/shutdown", {}, query={"timeout": "5"})
                self.process.wait(60)
        if self.process is not None and self.process.poll() is None:
            self.process.kill()
            self.process.wait(10)
        mounts = [line.split()[1] for line in Path("/proc/mounts").read_text().splitlines()]
        for mount in sorted((one for one in mounts if one.startswith(f"{self.root}/")), reverse=True):
            subprocess.run(["umount", "-l", mount], check=False)
        shutil.rmtree(self.root, ignore_errors=True)


@contextmanager
def running_daemon(
    *arguments: str, driver: str | None = None, environment: Mapping[str, str] | None = None
) -> Iterator[Daemon]:
    """A daemon in a folder of its own (short, for the unix socket's path; 0711, for containers)."""
    root = Path(tempfile.mkdtemp(prefix="azk.", dir="/var/tmp"))
    root.chmod(0o711)
    daemon = Daemon(root, environment)
    try:
        daemon.start(*arguments)
        if driver is not None:
            daemon.init(driver)
        yield daemon
    finally:
        daemon.clean_up()
