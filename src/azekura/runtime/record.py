"""What is remembered of a running container across a restart of the daemon: one small file in its folder."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path

from azekura.runtime.processes import Process, command_line, identify, init_below

_FILE = "running.json"
PID_FILE = "monitor.pid"
"""Written by liblxc's monitor itself: enough to find a container whose record was never written."""


@dataclass(frozen=True, slots=True)
class Record:
    """``groups`` are the folders of its control groups and its monitor's, to be swept when it is gone.
    ``halt_signal`` None lets the init decide."""

    monitor: Process
    init: Process
    console_log: str
    log: str
    groups: tuple[str, ...] = ()
    halt_signal: int | None = None


def save(folder: Path, record: Record) -> None:
    """Write it in one atomic step. It may be lost with the machine: so are the processes that it speaks of."""
    document = {
        "monitor": [record.monitor.pid, record.monitor.started],
        "init": [record.init.pid, record.init.started],
        "console_log": record.console_log,
        "log": record.log,
        "groups": list(record.groups),
        "halt_signal": record.halt_signal,
    }
    write_whole(folder / _FILE, json.dumps(document))


def write_whole(path: Path, text: str) -> None:
    """Replace ``path`` (mode 0600) by rename, so that a reader never sees half of it."""
    hidden = path.with_name(f".{path.name}.new")
    descriptor = os.open(hidden, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8", errors="surrogateescape") as file:
        file.write(text)
    hidden.rename(path)


def load(folder: Path) -> Record | None:
    """The record as it was saved; None when there is none or it makes no sense."""
    try:
        document = json.loads((folder / _FILE).read_text(encoding="utf-8"))
        return Record(
            monitor=Process(*map(int, document["monitor"])),
            init=Process(*map(int, document["init"])),
            console_log=str(document["console_log"]),
            log=str(document["log"]),
            groups=tuple(map(str, document["groups"])),
            halt_signal=None if document["halt_signal"] is None else int(document["halt_signal"]),
        )
    except (OSError, ValueError, KeyError, TypeError):
        return None


def erase(folder: Path) -> None:
    """It isn't running any more. The console's path stays known through :func:`remember_console`."""
    for name in (_FILE, PID_FILE):
        (folder / name).unlink(missing_ok=True)


def find_monitor(folder: Path) -> Process | None:
    """The living monitor of the container of ``folder``, by the file it wrote itself; None when there is none.

    Its command line tells it from another process with the same number: liblxc names it ``[lxc monitor] PATH NAME``.
    """
    try:
        pid = int((folder / PID_FILE).read_text())
    except (OSError, ValueError):
        return None
    process = identify(pid)
    if process and command_line(pid) == f"[lxc monitor] {folder.parent} {folder.name}":
        return process
    return None


def find_running(folder: Path) -> tuple[Process, Process] | None:
    """(monitor, init) of the container of ``folder`` if it is running now, whatever the record says."""
    record = load(folder)
    monitor = record.monitor if record and identify(record.monitor.pid) == record.monitor else find_monitor(folder)
    if monitor is None:
        return None
    init = init_below(monitor.pid)
    return (monitor, init) if init else None
