"""Facts about host processes, from ``/proc`` and pidfds (proc(5), pidfd_open(2)).

A pid alone is no identity: the kernel gives it out again. A process is known here by its pid *and* its start time,
and held by a pidfd.
"""

from __future__ import annotations

import os
import select
import signal
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Process:
    """``started`` is field 22 of ``/proc/PID/stat``, in clock ticks since boot."""

    pid: int
    started: int


def identify(pid: int) -> Process | None:
    """The living process with that pid; None when there is none, or only its corpse."""
    fields = _stat(pid)
    return Process(pid, int(fields[19])) if fields and fields[0] not in ("Z", "X") else None


def parent_of(pid: int) -> int:
    """Its parent's pid, 0 when it isn't there."""
    fields = _stat(pid)
    return int(fields[1]) if fields else 0


def _stat(pid: int) -> list[str]:
    """The fields of ``/proc/PID/stat`` from the third on: the second may hold blanks and brackets."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text(errors="replace")
    except OSError:
        return []
    return text.rpartition(")")[2].split()


def status_field(pid: int, key: str) -> str:
    """The value of one line of ``/proc/PID/status``, empty when it isn't there."""
    try:
        text = Path(f"/proc/{pid}/status").read_text(errors="replace")
    except OSError:
        return ""
    for line in text.splitlines():
        name, _, value = line.partition(":")
        if name == key:
            return value.strip()
    return ""


def command_line(pid: int) -> str:
    """Its arguments joined by blanks, empty when it isn't there."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().rstrip(b"\0").replace(b"\0", b" ").decode(errors="replace")
    except OSError:
        return ""


def hold(process: Process) -> int:
    """A pidfd of ``process``, close-on-exec.

    Raises:
        ProcessLookupError: it has ended, or its pid belongs to another process now.
    """
    descriptor = os.pidfd_open(process.pid)
    if identify(process.pid) != process:
        os.close(descriptor)
        raise ProcessLookupError(process.pid)
    return descriptor


def has_ended(pidfd: int, *, timeout: float | None = 0) -> bool:
    """Whether the process behind ``pidfd`` has ended, waiting up to ``timeout`` seconds (None: for ever) for it."""
    poll = select.poll()
    poll.register(pidfd, select.POLLIN)
    return bool(poll.poll(None if timeout is None else max(0, int(timeout * 1000))))


def send_signal(pidfd: int, number: int) -> bool:
    """Whether the signal was delivered; False when the process has ended already."""
    try:
        signal.pidfd_send_signal(pidfd, number)
    except ProcessLookupError:
        return False
    return True


def init_below(monitor: int) -> Process | None:
    """The container's init: the child of its monitor that is number 1 in a pid namespace of its own.

    None while there is none (not started yet, between two boots, or gone). A child that still runs the monitor's own
    program hasn't executed init: it is building the container and may see the host's file system.
    """
    try:
        children = Path(f"/proc/{monitor}/task/{monitor}/children").read_text().split()
        builder = _program(monitor)
    except OSError:
        return None
    for child in children:
        numbers = status_field(int(child), "NSpid").split()
        process = identify(int(child)) if len(numbers) > 1 and numbers[-1] == "1" else None
        try:
            if process and _program(process.pid) != builder and parent_of(process.pid) == monitor:
                return process
        except OSError:
            continue  # it has just ended
    return None


def _program(pid: int) -> tuple[int, int]:
    found = Path(f"/proc/{pid}/exe").stat()
    return found.st_dev, found.st_ino


def shutdown_signal(init: int) -> int:
    """The signal that asks this init to halt, chosen as liblxc does: an init that blocks SIGRTMIN+3 is systemd and
    takes that one, any other takes SIGPWR."""
    systemd = signal.SIGRTMIN + 3
    blocked = status_field(init, "SigBlk")
    try:
        mask = int(blocked, 16) if blocked else 0
    except ValueError:
        mask = 0
    return systemd if mask & (1 << (systemd - 1)) else int(signal.SIGPWR)


def parse_signal(word: str) -> int | None:
    """``15``, ``SIGTERM``, ``TERM``, ``SIGRTMIN+3``, ``SIGRTMAX-1``; None when it is none of them."""
    word = word.strip().upper()
    if word.isdigit():
        return int(word) if 0 < int(word) <= signal.SIGRTMAX else None
    name = word if word.startswith("SIG") else f"SIG{word}"
    for base, edge in (("SIGRTMIN", signal.SIGRTMIN), ("SIGRTMAX", signal.SIGRTMAX)):
        if name.startswith(base) and name != base:
            offset = name[len(base) :]
            if offset[:1] not in "+-" or not offset[1:].isdigit():
                return None
            number = edge + int(offset)
            return number if signal.SIGRTMIN <= number <= signal.SIGRTMAX else None
    member = signal.Signals.__members__.get(name)
    return int(member) if member else None
