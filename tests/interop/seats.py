"""A client at a daemon: which program, which folders, and how to run it."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from tests.daemon_process import PRESEED, Daemon
from tests.fakes.real_lxd import LXC, LXD, RealLxd

from azekura.client.server import Server
from azekura.errors import NotFound

OUR_LXC = (sys.executable, "-I", "-m", "azekura.cli.main")
GO_LXC = (LXC,)


@dataclass(frozen=True, slots=True)
class Done:
    code: int
    stdout: str
    stderr: str
    raw: bytes


@dataclass(frozen=True, slots=True)
class Seat:
    """``program`` run against the daemon of ``state`` (its LXD_DIR), with settings in ``config`` (LXD_CONF)."""

    program: tuple[str, ...]
    state: Path
    config: Path
    at_real: bool = False  # whether the daemon is Debian's

    @property
    def environment(self) -> dict[str, str]:
        return {
            **os.environ,
            "LXD_DIR": str(self.state),
            "LXD_CONF": str(self.config),
            "LC_ALL": "C.UTF-8",
            "TZ": "UTC",
        }

    @property
    def go(self) -> bool:
        """Whether it is Debian's client."""
        return self.program == GO_LXC

    def run(self, *words: str, stdin: bytes = b"", cwd: Path | None = None) -> Done:
        done = subprocess.run(
            [*self.program, *words], env=self.environment, input=stdin, capture_output=True, timeout=120, cwd=cwd
        )
        return Done(
            done.returncode, done.stdout.decode(errors="replace"), done.stderr.decode(errors="replace"), done.stdout
        )

    def lxc(self, *words: str, stdin: bytes = b"", cwd: Path | None = None) -> str:
        """What a command that must succeed printed, without progress lines."""
        done = self.run(*words, stdin=stdin, cwd=cwd)
        assert done.code == 0, f"lxc {' '.join(words)}: {done.stdout}{done.stderr}"
        return re.sub(r"[^\n]*\r", "", done.stdout)

    def fails(self, *words: str, stdin: bytes = b"") -> str:
        """The sentence after ``Error:`` of a command that must fail."""
        done = self.run(*words, stdin=stdin)
        assert done.code == 1, f"lxc {' '.join(words)}: {done.code} {done.stdout}{done.stderr}"
        return done.stderr[done.stderr.index("Error: ") + 7 :].strip()

    def server(self) -> Server:
        """The daemon's API over its unix socket."""
        return Server(f"unix://{self.state}/unix.socket")

    def empty(self) -> None:
        """Delete all instances, images and added profiles."""
        server = self.server()
        try:
            for instance in server.get("/1.0/instances", {"recursion": "1"}):
                path = f"/1.0/instances/{instance['name']}"
                if instance["status"] != "Stopped":
                    server.run("PUT", f"{path}/state", {"action": "stop", "force": True, "timeout": -1})
                with suppress(NotFound):  # an ephemeral one went by itself
                    server.run("DELETE", path)
            for path in server.get("/1.0/images"):
                server.run("DELETE", path)
            for path in server.get("/1.0/profiles"):
                if not path.endswith("/default"):
                    server.delete(path)
        finally:
            server.close()


def fingerprint(output: str) -> str:
    """The fingerprint that an import or a publish printed."""
    found = re.search(r"with fingerprint: ([0-9a-f]{64})", output)
    assert found is not None, output
    return found[1]


@contextmanager
def real_lxd() -> Iterator[RealLxd]:
    """Debian's LXD with a dir pool and a default profile on it."""
    with RealLxd.started() as lxd:
        environment = {**os.environ, "LXD_DIR": str(lxd.folder / "lxd"), "LXD_CONF": str(lxd.folder / "lxc")}
        lxd.folder.chmod(0o711)
        subprocess.run(
            [LXD, "init", "--preseed"],
            env=environment,
            input=PRESEED.format(driver="dir").encode(),
            check=True,
            capture_output=True,
            timeout=60,
        )
        yield lxd
        Seat(GO_LXC, lxd.folder / "lxd", lxd.folder / "lxc").empty()


def seat_at(daemon: Daemon | RealLxd, program: tuple[str, ...], name: str) -> Seat:
    """A client with settings of its own."""
    folder = daemon.root if isinstance(daemon, Daemon) else daemon.folder
    config = folder / f"conf-{name}"
    config.mkdir(exist_ok=True)
    seat = Seat(program, folder / "lxd", config, at_real=isinstance(daemon, RealLxd))
    seat.run("image", "list")  # the client greets its first user once
    return seat


def join_token(admin: Seat, name: str, *words: str) -> str:
    """What ``lxc config trust add`` gives out for a client called ``name``."""
    out = admin.lxc("config", "trust", "add", "--name", name, *words)
    return out.split("token:")[1].strip()


def url_of(admin: Seat) -> str:
    """The daemon's address on the network."""
    server = admin.server()
    try:
        return f"https://{server.get('/1.0')['environment']['addresses'][0]}"
    finally:
        server.close()
