"""Daemons side by side, each with its own client: the same shell lines run on all, and what differs is told.

A scenario is a text file, one shell line a step, ``#`` for remarks. ``lxc`` and ``lxd`` in it are the side's own,
``$W`` is a scratch folder of the side that holds the images of :mod:`tests.busybox_images`. Compared are exit code,
standard output and standard error, after dates, random ids, scratch paths and progress lines are levelled.

By hand, to see every difference of some scenarios: ``python -m tests.interop.side_by_side SCENARIO...``
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.busybox_images import images

SCENARIOS = Path(__file__).parent / "scenarios"
OURS = Path(sys.executable).parent
REAL = Path("/usr/bin")
PRESEED = """storage_pools:
- {name: default, driver: dir}
profiles:
- name: default
  devices:
    root: {path: /, pool: default, type: disk}
"""
_LEVELS = (
    (r"^ *[A-Z][a-z]+ (the |instance|image|container)[^\n]*: [^\n]*B/s\)\s*", ""),
    (r"[A-Z][a-z]{2} \d{1,2}, \d{4} at \d{1,2}:\d\d[ap]m \(UTC\)", "DATE"),
    (r"\d{4}[-/]\d\d[-/]\d\d[T ]\d\d:\d\d(:\d\d(\.\d+)?)?(Z| UTC|[+-]\d\d:\d\d)?", "DATE"),
    (r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", "UUID"),
    (r"(published with fingerprint: )[0-9a-f]{64}", r"\1FINGERPRINT"),  # the time is in the archive
)


@dataclass(frozen=True, slots=True)
class Outcome:
    code: int
    stdout: str
    stderr: str


class Side:
    """One pair of client and daemon in a folder of its own. Use :meth:`started`."""

    def __init__(self, folder: Path, *, lxc: Path, lxd: Path) -> None:
        self.folder = folder
        for name in ("bin", "lxd", "conf", "work"):
            (folder / name).mkdir(parents=True)
        (folder / "lxd").chmod(0o711)
        (folder / "bin/lxc").symlink_to(lxc / "lxc")
        (folder / "bin/lxd").symlink_to(lxd / "lxd")
        for image in images().glob("*.*"):
            shutil.copy(image, folder / "work")
        self.environment = {
            **os.environ,
            "PATH": f"{folder}/bin:{os.environ['PATH']}",
            "LXD_DIR": f"{folder}/lxd",
            "LXD_CONF": f"{folder}/conf",
            "W": f"{folder}/work",
            "LC_ALL": "C",
            "TZ": "UTC",
            "TERM": "dumb",
        }

    @classmethod
    @contextmanager
    def started(cls, folder: Path, *, lxc: Path, lxd: Path) -> Iterator[Side]:
        side = cls(folder, lxc=lxc, lxd=lxd)
        with (folder / "log").open("wb") as log:
            daemon = subprocess.Popen(
                [f"{folder}/bin/lxd", "--group", "root"],
                env=side.environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        try:
            side._sh("lxd waitready --timeout 60", check=True)
            side._sh("lxd init --preseed", check=True, stdin=PRESEED)
            side._sh("lxc image list")  # the client greets its first user once
            yield side
        finally:
            side._sh("lxc list -f csv -c n | xargs -r -n 1 lxc delete -f")
            side._sh("lxd shutdown --timeout 20")
            try:
                daemon.wait(30)
            except subprocess.TimeoutExpired:
                daemon.kill()
                daemon.wait()

    def _sh(self, line: str, *, check: bool = False, stdin: str = "") -> None:
        words = ["bash", "-c", line]
        subprocess.run(
            words, env=self.environment, input=stdin, text=True, check=check, capture_output=True, timeout=120
        )

    def run(self, line: str) -> Outcome:
        done = subprocess.run(
            ["bash", "-c", line],
            env=self.environment,
            cwd=self.folder / "work",
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=180,
        )
        return Outcome(done.returncode, self._level(done.stdout), self._level(done.stderr))

    def _level(self, raw: bytes) -> str:
        text = raw.decode(errors="backslashreplace").replace(str(self.folder), "$SIDE")
        text = "\n".join(part.rsplit("\r", 1)[-1].rstrip() for part in text.split("\n"))  # a progress line's last state
        for pattern, replacement in _LEVELS:
            text = re.sub(pattern, replacement, text, flags=re.MULTILINE)
        # our help has sentences of its own; how a command is used must be the same
        text = re.sub(r"^Description:\n.*?^Usage:\n([^\n]*)\n.*", r"Usage: \1", text, flags=re.DOTALL | re.MULTILINE)
        # the order of Go's maps is random
        text = re.sub(r"(?<=Properties:\n)(    .*\n)+", lambda found: "".join(sorted(found[0].splitlines(True))), text)
        return re.sub(r" +\|", " |", re.sub(r"-{3,}", "---", text)).strip()


@dataclass(frozen=True, slots=True)
class Step:
    """One line, what came of it on Debian's side, and where another side had something else to say."""

    line: str
    real: Outcome
    different: dict[str, Outcome]

    def __str__(self) -> str:
        return "\n".join(self.about(side) for side in self.different)

    def about(self, side: str) -> str:
        rows = [f"$ {self.line}"]
        for what in ("code", "stdout", "stderr"):
            real, other = str(getattr(self.real, what)), str(getattr(self.different[side], what))
            if real != other:
                rows += [f"  {what}, Debian's:", *(f"    {row}" for row in real.splitlines())]
                rows += [f"  {what}, {side}:", *(f"    {row}" for row in other.splitlines())]
        return "\n".join(rows)


@dataclass(frozen=True, slots=True)
class Sides:
    """Debian's client at Debian's daemon, and the other three: our client there, its client at ours, ours at ours."""

    real: Side
    others: dict[str, Side]

    @classmethod
    @contextmanager
    def started(cls) -> Iterator[Sides]:
        """All four daemons; their folders have short paths (unix sockets) that containers can pass."""
        folder = Path(tempfile.mkdtemp(prefix="beside.", dir="/var/tmp"))
        folder.chmod(0o711)
        try:
            with ExitStack() as stack:
                real = stack.enter_context(Side.started(folder / "real", lxc=REAL, lxd=REAL))
                others = {
                    "our lxc at its lxd": stack.enter_context(Side.started(folder / "lxc", lxc=OURS, lxd=REAL)),
                    "its lxc at our lxd": stack.enter_context(Side.started(folder / "lxd", lxc=REAL, lxd=OURS)),
                    "our lxc at our lxd": stack.enter_context(Side.started(folder / "ours", lxc=OURS, lxd=OURS)),
                }
                yield cls(real, others)
        finally:
            mounts = [line.split()[1] for line in Path("/proc/mounts").read_text().splitlines()]
            for mount in sorted((one for one in mounts if one.startswith(f"{folder}/")), reverse=True):
                subprocess.run(["umount", "-l", mount], check=False)
            shutil.rmtree(folder, ignore_errors=True)

    def run(self, line: str) -> Step:
        with ThreadPoolExecutor(1 + len(self.others)) as pool:
            real, *others = pool.map(lambda side: side.run(line), (self.real, *self.others.values()))
        return Step(line, real, {name: one for name, one in zip(self.others, others, strict=True) if one != real})

    def empty(self) -> None:
        """Delete all instances and images."""
        self.run("lxc list -f csv -c n | xargs -r lxc delete -f")
        self.run("lxc image list -f csv -c F | xargs -r lxc image delete")


def steps(scenario: Path) -> list[str]:
    lines = scenario.read_text().splitlines()
    return [line for line in lines if line.strip() and not line.startswith("#")]


def main(names: list[str]) -> int:
    """Print every difference, accepted or not."""
    differ = total = 0
    with Sides.started() as sides:
        for scenario in [Path(name) for name in names] or sorted(SCENARIOS.glob("*.beside")):
            print(f"\n== {scenario.name}")
            sides.empty()
            for line in steps(scenario):
                step = sides.run(line)
                total += 1
                if step.different:
                    differ += 1
                    print(f"\n{step}", flush=True)
    print(f"\n{total - differ} of {total} steps equal")
    return 1 if differ else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
