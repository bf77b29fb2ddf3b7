"""Debian's client and ours, each with a real LXD 5.0.2 of its own, run the same commands: exit codes, standard output
and standard error must be equal. The commands stand in ``scenarios/*.beside``; $W is a folder with images."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.busybox_images import images

PRESEED = """
storage_pools:
- {name: default, driver: dir}
profiles:
- name: default
  devices:
    root: {path: /, pool: default, type: disk}
"""
SCENARIOS = sorted((Path(__file__).parent / "scenarios").glob("*.beside"))
pytestmark = [pytest.mark.interop, pytest.mark.root, pytest.mark.slow]


class Side:
    """One daemon, one client, one folder."""

    def __init__(self, folder: Path, client: str) -> None:
        self.folder = folder
        for name in ("bin", "lxd", "conf", "work"):
            (folder / name).mkdir(parents=True)
        (folder / "lxd").chmod(0o711)
        (folder / "bin/lxc").write_text(f'#!/bin/sh\nexec {client} "$@"\n')
        (folder / "bin/lxc").chmod(0o755)
        for image in ("meta.tar.gz", "rootfs.tar.gz", "rootfs.squashfs", "unified.tar.gz"):
            shutil.copy(images() / image, folder / "work")
        self.environment = {
            **os.environ,
            "PATH": f"{folder}/bin:{os.environ['PATH']}",
            "LXD_DIR": str(folder / "lxd"),
            "LXD_CONF": str(folder / "conf"),
            "W": str(folder / "work"),
            "LC_ALL": "C",
            "TZ": "UTC",
            "TERM": "dumb",
        }
        with (folder / "log").open("wb") as log:
            self.daemon = subprocess.Popen(
                ["/usr/bin/lxd", "--group", "root"],
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        self._lxd("waitready", "--timeout", "60")
        self._lxd("init", "--preseed", text=PRESEED)
        self.run("lxc image list")  # the hints of the first run

    def _lxd(self, *words: str, text: str | None = None) -> None:
        subprocess.run(
            ["/usr/bin/lxd", *words], env=self.environment, input=text, text=True, check=False, capture_output=True
        )

    def run(self, line: str) -> tuple[int, str, str]:
        """A line of shell; what it says is levelled where it can't be equal."""
        done = subprocess.run(
            ["bash", "-c", line],
            env=self.environment,
            cwd=self.folder / "work",
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=120,
        )
        return done.returncode, self._level(done.stdout), self._level(done.stderr)

    def _level(self, raw: bytes) -> str:
        text = raw.decode(errors="backslashreplace").replace(str(self.folder), "$DIR")
        # LXD's client shows progress in files too: only the last state of a line counts
        text = "\n".join(part.rsplit("\r", 1)[-1].rstrip() for part in text.split("\n"))
        text = re.sub(r"[A-Z][a-z]{2} \d{1,2}, \d{4} at \d{1,2}:\d\d[ap]m \(UTC\)", "DATE", text)
        text = re.sub(r"\d{4}[-/]\d\d[-/]\d\d[T ]\d\d:\d\d(:\d\d(\.\d+)?)?(Z| UTC|[+-]\d\d:\d\d)?", "DATE", text)
        text = re.sub(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", "UUID", text)
        text = re.sub(r"(published with fingerprint: )[0-9a-f]{64}", r"\1FINGERPRINT", text)
        # our help has sentences of its own; how a command is used must be the same
        text = re.sub(r"^Description:\n.*?^Usage:\n([^\n]*)\n.*", r"Usage: \1", text, flags=re.DOTALL | re.MULTILINE)
        # LXD prints properties in random order
        text = re.sub(r"(?<=Properties:\n)(    .*\n)+", lambda m: "".join(sorted(m[0].splitlines(True))), text)
        return re.sub(r" +\|", " |", re.sub(r"-{3,}", "---", text)).strip()

    def clear(self) -> None:
        """No instances, no images."""
        self.run("for name in $(/usr/bin/lxc list -f csv -c n); do /usr/bin/lxc delete -f $name; done")
        self.run("for image in $(/usr/bin/lxc image list -f csv -c F); do /usr/bin/lxc image delete $image; done")

    def close(self) -> None:
        self.clear()
        self._lxd("shutdown", "--timeout", "20")
        try:
            self.daemon.wait(30)
        except subprocess.TimeoutExpired:
            self.daemon.kill()
            self.daemon.wait()
        for line in reversed(Path("/proc/mounts").read_text().splitlines()):
            if line.split()[1].startswith(f"{self.folder}/"):
                subprocess.run(["umount", "-l", line.split()[1]], check=False, capture_output=True)


@pytest.fixture(scope="module")
def sides() -> Iterator[tuple[Side, Side]]:
    if not Path("/usr/bin/lxd").exists() or not Path("/usr/bin/lxc").exists():
        pytest.skip("Debian's lxd and lxd-client are needed")
    # not pytest's folder: a socket's path is short, and containers must be able to walk through
    base = Path(tempfile.mkdtemp(prefix="client.", dir="/var/tmp"))
    base.chmod(0o711)
    started: list[Side] = []
    try:
        started.append(Side(base / "real", "/usr/bin/lxc"))
        started.append(Side(base / "ours", f"{sys.executable} -c 'from azekura.cli.main import main; main()'"))
        yield started[0], started[1]
    finally:
        for side in started:
            side.close()
        shutil.rmtree(base, ignore_errors=True)


@pytest.mark.parametrize("scenario", SCENARIOS, ids=[path.stem for path in SCENARIOS])
def test_our_client_says_what_lxds_says(sides: tuple[Side, Side], scenario: Path) -> None:
    for side in sides:
        side.clear()
    differences = []
    for line in scenario.read_text().splitlines():
        if not line.strip() or line.startswith("#"):
            continue
        real, ours = (side.run(line) for side in sides)
        if real != ours:
            differences.append(f"$ {line}\n  real {real}\n  ours {ours}")
    assert not differences, "\n".join(differences)
