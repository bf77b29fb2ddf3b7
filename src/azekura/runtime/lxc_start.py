"""Running ``lxc-start`` and finding out why it failed."""

from __future__ import annotations

import os
import re
import signal
import subprocess
from pathlib import Path

from azekura.errors import RuntimeFailed
from azekura.runtime.host import Host
from azekura.runtime.record import PID_FILE

_START_SECONDS = 120.0
_TAIL = 4096
_MESSAGE = re.compile(r"^lxc(?:-start)?\s+\S+\s+\S+\s+ERROR\s+\S+ - (?:[\w./-]+:\w+:\d+ - )?(?P<text>.*)$")
_OWN_HOOKS = re.compile(r"^\s*lxc\.(hook\.|include|net\.\d+\.script\.)", re.MULTILINE)


def program_folder(run_dir: Path, host: Host) -> Path:
    """The PATH for liblxc: a folder with nothing but what it needs.

    Without ``newuidmap`` there it writes the id map itself, which root may: five milliseconds less, and no
    /etc/subuid entry is needed.
    """
    folder = run_dir / ".programs"
    folder.mkdir(mode=0o711, exist_ok=True)
    if host.apparmor_parser:
        link = folder / "apparmor_parser"
        link.unlink(missing_ok=True)
        link.symlink_to(host.apparmor_parser)
    return folder


def search_path(programs: Path, raw_lxc: str) -> str:
    """PATH for one start: the administrator's own hooks get a usual one."""
    return "/usr/sbin:/usr/bin:/sbin:/bin" if _OWN_HOOKS.search(raw_lxc) else str(programs)


def run(program: Path, folder: Path, *, path: str, log: Path) -> str:
    """Start the container whose configuration lies in ``folder``; returns what lxc-start wrote to stderr.

    Raises:
        RuntimeFailed: it said no, or didn't answer in two minutes.
    """
    command = [str(program), "-P", str(folder.parent), "-n", folder.name, "-d", "-p", str(folder / PID_FILE)]
    try:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            cwd="/",
            env={"PATH": path, "LANG": "C.UTF-8"},
            start_new_session=True,
        )
    except OSError as exc:
        raise RuntimeFailed(f"lxc-start couldn't be run: {exc.strerror}") from exc
    try:
        _, raw = process.communicate(timeout=_START_SECONDS)
    except subprocess.TimeoutExpired as exc:
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        raise RuntimeFailed(f"The container didn't start within {_START_SECONDS:.0f} seconds") from exc
    said = raw.decode(errors="replace")
    if process.returncode != 0:
        raise RuntimeFailed(f"The container couldn't be started: {first_error(log, said)}")
    return said


def first_error(log: Path, said: str) -> str:
    """liblxc's first ERROR line: later ones are consequences. Falls back to stderr (an unknown key logs nothing)."""
    for text in (_read_start(log), said):
        lines = text.splitlines()
        for line in lines:
            match = _MESSAGE.match(line)
            if match:
                return match["text"].strip()
        plain = next((line.strip() for line in lines if " ERROR " in line or "rror:" in line), "")
        if plain:
            return plain.rpartition(" - ")[2]
    return said.strip().splitlines()[0] if said.strip() else "liblxc gave no reason"


def _read_start(path: Path, limit: int = 1 << 18) -> str:
    try:
        with path.open("rb") as file:
            return file.read(limit).decode(errors="replace")
    except OSError:
        return ""


def tail(path: Path, limit: int = _TAIL) -> bytes:
    """The last ``limit`` bytes of a file, empty when it isn't there."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return b""
    with os.fdopen(descriptor, "rb") as file:
        size = os.fstat(descriptor).st_size
        file.seek(max(0, size - limit))
        return file.read(limit)


def truncate(path: Path) -> None:
    """An empty file for liblxc to write to, readable by root alone; never through a link."""
    path.parent.mkdir(mode=0o711, parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
