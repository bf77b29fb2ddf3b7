"""One lock per volume and per image, so that a slow copy of one keeps nobody from starting another."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager


class NameLocks:
    """Locks by name, made when first held and forgotten when nobody holds or awaits them. Not re-entrant."""

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._locks: dict[str, tuple[threading.Lock, int]] = {}

    @contextmanager
    def hold(self, *names: str) -> Iterator[None]:
        """Hold the locks of ``names``; several are always taken in one order, so holders can't wait in a circle."""
        taken: list[tuple[str, threading.Lock]] = []
        try:
            for name in sorted(set(names)):
                lock = self._enlist(name)
                try:
                    lock.acquire()
                except BaseException:  # an interrupt while waiting
                    self._resign(name)
                    raise
                taken.append((name, lock))
            yield
        finally:
            for name, lock in reversed(taken):
                lock.release()
                self._resign(name)

    def _enlist(self, name: str) -> threading.Lock:
        with self._guard:
            lock, users = self._locks.get(name, (threading.Lock(), 0))
            self._locks[name] = (lock, users + 1)
            return lock

    def _resign(self, name: str) -> None:
        with self._guard:
            lock, users = self._locks[name]
            if users == 1:
                del self._locks[name]
            else:
                self._locks[name] = (lock, users - 1)
