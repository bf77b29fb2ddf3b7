"""Starting a container with ``lxc-start``, and finding out why it failed."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import tempfile
import time
from dataclasses import replace
from pathlib import Path

from azekura.errors import InvalidRequest, RuntimeFailed
from azekura.runtime import hotplug, record, seccomp
from azekura.runtime.cgroups import Hierarchies
from azekura.runtime.config import render
from azekura.runtime.host import Host
from azekura.runtime.limits import missing, settings
from azekura.runtime.port import BindMount, ContainerSpec
from azekura.runtime.processes import Process, has_ended

STAGED = "mounts"
"""Folder, in the container's, where sources are shown that its root couldn't reach."""

_START_SECONDS = 120.0
_TAIL = 4096
_MESSAGE = re.compile(r"^lxc(?:-start)?\s+\S+\s+\S+\s+ERROR\s+\S+ - (?:[\w./-]+:\w+:\d+ - )?(?P<text>.*)$")
_OWN_HOOKS = re.compile(r"^\s*lxc\.(hook\.|include|net\.\d+\.script\.)", re.MULTILINE)


def start(spec: ContainerSpec, folder: Path, host: Host) -> tuple[Process, Process]:
    """Start the container of ``folder`` and find its (monitor, init).

    Raises:
        InvalidRequest: a value that can't stand in a configuration.
        RuntimeFailed: liblxc's first complaint, or an init that is gone already.
        OSError: the folder couldn't be written to.
    """
    if host.lxc_start is None:
        raise RuntimeFailed("Containers can't be run here: lxc-start is missing", hint="install the package lxc")
    policy = folder.parent / ".seccomp"
    if _read_start(policy) != seccomp.POLICY:
        record.write_whole(policy, seccomp.POLICY)
    hotplug.unstage(folder / STAGED)
    if spec.idmap_base is not None:
        mounts = enumerate(spec.extra_mounts)
        reachable = [_within_reach(mount, folder / STAGED / str(number)) for number, mount in mounts]
        spec = replace(spec, extra_mounts=tuple(reachable))
    record.write_whole(folder / "config", render(spec, host, seccomp_policy=policy))
    record.erase(folder)
    for log in (spec.log, spec.console_log):
        _truncate(log)
    _run(host.lxc_start, folder, path=_search_path(folder.parent, host, spec.raw_lxc), log=spec.log)
    found = record.await_init(folder)
    if found is None:
        raise RuntimeFailed(ended_at_once(spec))
    return found


def verify(
    spec: ContainerSpec, hierarchies: Hierarchies, groups: dict[str, Path], init_pid: int, watched_until: float
) -> None:
    """init still lives at ``watched_until`` (:func:`time.monotonic`), and every limit is really in force: liblxc
    ignores what the host can't do.

    Raises:
        ProcessLookupError: it has ended.
        RuntimeFailed: a limit has no effect.
    """
    failed = missing(settings(spec.limits, hierarchies, name=spec.name), groups)
    init = os.pidfd_open(init_pid)
    try:
        if has_ended(init, timeout=watched_until - time.monotonic()):
            raise ProcessLookupError
    finally:
        os.close(init)
    if failed:
        raise RuntimeFailed(
            f"The container couldn't be started: the limit {failed.file} = {failed.value} has no effect here"
        )


def _within_reach(mount: BindMount, point: Path) -> BindMount:
    return hotplug.stage(mount, point) if hotplug.is_closed(mount.source) else mount


def ended_at_once(spec: ContainerSpec) -> str:
    """The sentence for an init that can't live: the reason is on the console, if anywhere."""
    said = tail(spec.console_log, 1024).decode(errors="replace").strip().splitlines()
    reason = first_error(spec.log, "")
    sentence = "The container couldn't be started: its init ended at once"
    if reason:
        sentence += f"; {reason}"
    if said:
        sentence += f"; the console's last line is: {said[-1].strip()}"
    return sentence


def check_lines(lines: str, lxc_info: Path) -> None:
    """Have liblxc read ``lines`` of configuration, by the program that does nothing else with them.

    Raises:
        InvalidRequest: it doesn't take them, with its reason.
    """
    for line in lines.splitlines():
        if line.strip() and not line.lstrip().startswith("#") and "=" not in line:
            raise InvalidRequest(f"Invalid raw.lxc line: {line.strip()[:80]}")
    if "\0" in lines or not lxc_info.exists():
        return
    with tempfile.TemporaryDirectory(prefix="azekura-raw-") as folder:
        place = Path(folder, "check")
        place.mkdir()
        (place / "config").write_text(f"{lines}\n")
        command = [
            str(lxc_info),
            "-P",
            folder,
            "-n",
            "check",
            "-c",
            "lxc.uts.name",
            "-o",
            str(place / "log"),
            "-l",
            "ERROR",
        ]
        done = subprocess.run(
            command, env={"LANG": "C.UTF-8"}, capture_output=True, check=False, stdin=subprocess.DEVNULL, cwd="/"
        )
    if done.returncode != 0:
        said = first_error(place / "log", done.stderr.decode(errors="replace"))
        raise InvalidRequest(f"Invalid raw.lxc: {said or 'liblxc does not take it'}")


def _search_path(run_dir: Path, host: Host, raw_lxc: str) -> str:
    """PATH for liblxc: a folder with nothing but what it needs, but a usual one for the administrator's own hooks.

    Without ``newuidmap`` there it writes the id map itself, which root may: five milliseconds less, and no
    /etc/subuid entry is needed.
    """
    if _OWN_HOOKS.search(raw_lxc):
        return "/usr/sbin:/usr/bin:/sbin:/bin"
    folder = run_dir / ".programs"
    folder.mkdir(mode=0o711, exist_ok=True)
    link = folder / "apparmor_parser"
    if host.apparmor_parser:
        with contextlib.suppress(FileExistsError):
            link.symlink_to(host.apparmor_parser)
    return str(folder)


def _run(program: Path, folder: Path, *, path: str, log: Path) -> None:
    command = [str(program), "-P", str(folder.parent), "-n", folder.name, "-d", "-p", str(folder / record.PID_FILE)]
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
    if process.returncode != 0:
        reason = first_error(log, raw.decode(errors="replace")) or "liblxc gave no reason"
        raise RuntimeFailed(f"The container couldn't be started: {reason}")


def first_error(log: Path, said: str) -> str:
    """liblxc's first ERROR line: later ones are consequences. Falls back to what it ``said`` on stderr, as an unknown
    key leaves the log empty. Empty when there is nothing at all."""
    for text in (_read_start(log), said):
        lines = text.splitlines()
        for line in lines:
            match = _MESSAGE.match(line)
            if match:
                return match["text"].strip()
        plain = next((line.strip() for line in lines if " ERROR " in line or "rror:" in line), "")
        if plain:
            return plain.rpartition(" - ")[2]
    return said.strip().splitlines()[0] if said.strip() else ""


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


def _truncate(path: Path) -> None:
    """An empty file for liblxc to write to, readable by root alone; never through a link."""
    path.parent.mkdir(mode=0o711, parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
