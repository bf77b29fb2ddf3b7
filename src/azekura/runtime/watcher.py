"""One thread that notices when containers stop or reboot, by polling pidfds: no hooks, no liblxc.

The monitor's end means that the container is gone. init's end alone means that it is being replaced (a reboot from
inside) or that the monitor is still cleaning up; then the monitor's children are looked at until one or the other
is clear (docs: reference of the reboot sequence, about thirty milliseconds apart).
"""

from __future__ import annotations

import os
import select
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from azekura.runtime.processes import Process, has_ended, hold, init_below

_FIRST_LOOK, _LONGEST_PAUSE = 0.005, 0.5


@dataclass(slots=True)
class Watched:
    """One container. The descriptors belong to the watcher."""

    name: str
    monitor: Process
    init: Process
    monitor_fd: int
    init_fd: int
    pause: float = 0.0  # seconds between looks for a new init; 0 while init lives
    next_look: float = 0.0


class PidfdWatcher:
    """``stopped(name)`` and ``rebooted(name, init)`` are called from the thread, without any lock of ours held."""

    def __init__(self, stopped: Callable[[str], None], rebooted: Callable[[str, Process], None]) -> None:
        self._stopped, self._rebooted = stopped, rebooted
        self._lock = threading.Lock()
        self._epoll = select.epoll()
        self._wake_read, self._wake_write = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        self._epoll.register(self._wake_read, select.EPOLLIN)
        self._by_name: dict[str, Watched] = {}
        self._by_fd: dict[int, Watched] = {}
        self._thread: threading.Thread | None = None
        self._closing = False

    def add(self, name: str, monitor: Process, init: Process) -> None:
        """Watch a container.

        Raises:
            ProcessLookupError: one of the two has ended already.
        """
        monitor_fd = hold(monitor)
        try:
            init_fd = hold(init)
        except ProcessLookupError:
            os.close(monitor_fd)
            raise
        watched = Watched(name, monitor, init, monitor_fd, init_fd)
        with self._lock:
            self._by_name[name] = watched
            for descriptor in (monitor_fd, init_fd):
                self._by_fd[descriptor] = watched
                self._epoll.register(descriptor, select.EPOLLIN)
            if self._thread is None and not self._closing:
                self._thread = threading.Thread(target=self._run, name="azekura-containers", daemon=True)
                self._thread.start()

    def duplicate_monitor(self, name: str) -> int:
        """A pidfd of the monitor for the caller to wait on and close; -1 when it isn't watched (any more)."""
        with self._lock:
            watched = self._by_name.get(name)
            return os.dup(watched.monitor_fd) if watched else -1

    def duplicate_init(self, name: str) -> tuple[int, int]:
        """(pid, pidfd for the caller to close) of its init; (0, -1) when there is none at this moment."""
        with self._lock:
            watched = self._by_name.get(name)
            if watched is None or watched.init_fd < 0 or has_ended(watched.init_fd):
                return 0, -1
            return watched.init.pid, os.dup(watched.init_fd)

    def is_running(self, name: str) -> bool:
        """Whether its monitor lives (between two boots too)."""
        with self._lock:
            watched = self._by_name.get(name)
            return watched is not None and not has_ended(watched.monitor_fd)

    def close(self) -> None:
        """End the thread and close all descriptors."""
        with self._lock:
            if self._closing:
                return
            self._closing = True
            thread = self._thread
        os.write(self._wake_write, b"x")
        if thread and thread is not threading.current_thread():
            thread.join()
        with self._lock:
            for watched in list(self._by_name.values()):
                self._drop(watched)
            self._epoll.close()
            os.close(self._wake_read)
            os.close(self._wake_write)

    def _run(self) -> None:
        while True:
            events = self._epoll.poll(self._timeout())
            if self._closing:
                return
            ended = [watched for descriptor, _mask in events if (watched := self._by_fd.get(descriptor))]
            for watched in {id(one): one for one in ended}.values():
                self._look(watched)
            now = time.monotonic()
            for watched in [one for one in list(self._by_name.values()) if one.pause and one.next_look <= now]:
                self._look(watched)

    def _timeout(self) -> float | None:
        waiting = [watched.next_look for watched in list(self._by_name.values()) if watched.pause]
        return max(0.0, min(waiting) - time.monotonic()) if waiting else None

    def _look(self, watched: Watched) -> None:
        if has_ended(watched.monitor_fd):
            with self._lock:
                self._drop(watched)
            self._stopped(watched.name)
            return
        if watched.init_fd >= 0 and not has_ended(watched.init_fd):
            return
        init = init_below(watched.monitor.pid)
        with self._lock:
            if watched.init_fd >= 0:
                self._forget(watched.init_fd)
                watched.init_fd = -1
            if init:
                try:
                    watched.init_fd = hold(init)
                except ProcessLookupError:
                    init = None
            if init:
                watched.init, watched.pause = init, 0.0
                self._by_fd[watched.init_fd] = watched
                self._epoll.register(watched.init_fd, select.EPOLLIN)
            else:
                watched.pause = min(watched.pause * 2, _LONGEST_PAUSE) or _FIRST_LOOK
                watched.next_look = time.monotonic() + watched.pause
        if init:
            self._rebooted(watched.name, init)

    def _drop(self, watched: Watched) -> None:
        for descriptor in (watched.monitor_fd, watched.init_fd):
            if descriptor >= 0:
                self._forget(descriptor)
        if self._by_name.get(watched.name) is watched:
            del self._by_name[watched.name]

    def _forget(self, descriptor: int) -> None:
        self._epoll.unregister(descriptor)
        del self._by_fd[descriptor]
        os.close(descriptor)
