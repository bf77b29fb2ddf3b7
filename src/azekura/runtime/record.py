"""What is remembered of a running container across a restart of the daemon: one small file in its folder."""

from __future__ import annotations

import json
import os
import threading
import time
from dataclasses import dataclass
from pathlib import Path

from azekura.runtime.processes import Process, command_line, identify, init_below

_FILE = "running.json"
PID_FILE = "monitor.pid"
"""Written by liblxc's monitor itself: enough to find a container whose record was never written."""
_INIT_SECONDS = 2.0


@dataclass(frozen=True, slots=True)
class Record:
    """``groups`` are the folders of its control groups and its monitor's, to be swept when it is gone.
    ``halt_signal`` None lets the init decide."""

    monitor: Process
    init: Process
    groups: tuple[str, ...] = ()
    halt_signal: int | None = None


def save(folder: Path, record: Record) -> None:
    """Write it in one atomic step. It may be lost with the machine: so are the processes that it speaks of."""
    document = {
        "monitor": [record.monitor.pid, record.monitor.started],
        "init": [record.init.pid, record.init.started],
        "groups": list(record.groups),
        "halt_signal": record.halt_signal,
    }
    write_whole(folder / _FILE, json.dumps(document))


def write_whole(path: Path, text: str) -> None:
    """Replace ``path`` (mode 0600) by rename, so that a reader never sees half of it."""
    hidden = path.with_name(f".{path.name}.{threading.get_ident()}")
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
            groups=tuple(map(str, document["groups"])),
            halt_signal=None if document["halt_signal"] is None else int(document["halt_signal"]),
        )
    except (OSError, ValueError, KeyError, TypeError):
        return None


def erase(folder: Path) -> None:
    """It isn't running any more."""
    for name in (_FILE, PID_FILE):
        (folder / name).unlink(missing_ok=True)


def find_monitor(folder: Path) -> Process | None:
    """The living monitor of the container of ``folder``; None when there is none.

    Known from our record, or else from the file that the monitor wrote itself, should we have died in between. Then
    its command line tells it from another process with the same pid: liblxc names it ``[lxc monitor] PATH NAME``.
    """
    known = load(folder)
    if known and identify(known.monitor.pid) == known.monitor:
        return known.monitor
    try:
        pid = int((folder / PID_FILE).read_text())
    except (OSError, ValueError):
        return None
    process = identify(pid)
    if process and command_line(pid) == f"[lxc monitor] {folder.parent} {folder.name}":
        return process
    return None


def await_init(folder: Path) -> tuple[Process, Process] | None:
    """(monitor, init) of the container of ``folder``; None when it isn't running.

    Waits a moment where there is a monitor without init: liblxc is between two boots, or cleaning up.
    """
    end = time.monotonic() + _INIT_SECONDS
    while monitor := find_monitor(folder):
        init = init_below(monitor.pid)
        if init:
            return monitor, init
        if time.monotonic() > end:
            return None
        time.sleep(0.001)
    return None
