"""Making a container's init end: by asking, or by force."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable
from pathlib import Path
from signal import SIGKILL

from azekura.errors import RuntimeFailed
from azekura.runtime.processes import Process, has_ended, hold, identify, send_signal
from azekura.runtime.usage import is_frozen, set_frozen

KILL_SECONDS = 30.0
_AGAIN_SECONDS = 1.0

SignalInit = Callable[[int | None], None]
"""Sends a signal to whatever is init at this moment; None is the one by which that init halts."""


def halt(signal_init: SignalInit, number: int | None, monitor: int, timeout: float | None) -> bool:
    """Ask for a clean stop, and ask again every second: a signal that comes while systemd boots is lost.

    ``monitor`` is the pidfd that tells when all is over. Returns whether it was within ``timeout`` seconds.
    """
    end = None if timeout is None else time.monotonic() + timeout
    while True:
        signal_init(number)
        left = _AGAIN_SECONDS if end is None else end - time.monotonic()
        if has_ended(monitor, timeout=min(left, _AGAIN_SECONDS)):
            return True
        if left < _AGAIN_SECONDS:
            return False


def kill(signal_init: SignalInit, groups: dict[str, Path], monitor: int) -> None:
    """End it at once.

    Raises:
        RuntimeFailed: it is still there after half a minute (a process stuck in the kernel).
    """
    with contextlib.suppress(RuntimeFailed):  # it may be too stuck for that, and still be killed
        thaw(groups)
    end = time.monotonic() + KILL_SECONDS
    while time.monotonic() < end:
        signal_init(SIGKILL)
        if has_ended(monitor, timeout=_AGAIN_SECONDS):
            return
    raise RuntimeFailed(f"The container couldn't be killed within {KILL_SECONDS:.0f} seconds")


def thaw(groups: dict[str, Path]) -> None:
    """A frozen container takes no signal, and a frozen cgroup v1 group takes seconds to die."""
    if is_frozen(groups):
        set_frozen(groups, False)


def abandon(monitor: Process, init: Process) -> None:
    """Kill what was just started, and wait until its monitor has cleaned up."""
    end = time.monotonic() + KILL_SECONDS
    while identify(monitor.pid) == monitor and time.monotonic() < end:
        try:
            held = hold(init)
        except ProcessLookupError:
            time.sleep(0.005)
            continue
        send_signal(held, SIGKILL)
        has_ended(held, timeout=1)
        os.close(held)
