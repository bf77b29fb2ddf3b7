"""The parts a use case works with, joined once when the daemon starts."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from azekura.blobs.port import BlobStore
from azekura.catalog import Catalog
from azekura.errors import RuntimeFailed
from azekura.runtime.port import Runtime
from azekura.services.events import Events
from azekura.services.operations import Operations
from azekura.services.state_folder import StateFolder

if TYPE_CHECKING:
    from collections.abc import Iterator

    from azekura.services.pools import Pools

Clock = Callable[[], datetime]
_LOOK = 0.1  # seconds between two looks at whether a wait is still wanted


def utc_now() -> datetime:
    return datetime.now(UTC)


class KeyedLocks:
    """One lock per name, for as long as somebody holds or wants it."""

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._locks: dict[str, tuple[threading.Lock, int]] = {}

    @contextmanager
    def hold(self, key: str, check: Callable[[], None] | None = None) -> Iterator[None]:
        """Wait for the lock of ``key`` and hold it inside the ``with`` block.

        ``check`` is called now and then while waiting; what it raises ends the wait.
        """
        with self._guard:
            lock, wanted = self._locks.get(key, (threading.Lock(), 0))
            self._locks[key] = (lock, wanted + 1)
        try:
            if check is None:
                lock.acquire()
            else:
                while not lock.acquire(timeout=_LOOK):
                    check()
            try:
                yield
            finally:
                lock.release()
        finally:
            with self._guard:
                lock, wanted = self._locks[key]
                if wanted == 1:
                    del self._locks[key]
                else:
                    self._locks[key] = (lock, wanted - 1)


@dataclass
class Depot:
    """``host`` is None where no containers can run; ``host_problem`` then says why, and what helps."""

    folder: StateFolder
    catalog: Catalog
    blobs: BlobStore
    pools: Pools
    events: Events
    operations: Operations
    host: Runtime | None
    host_problem: RuntimeFailed | None = None
    clock: Clock = utc_now
    instance_locks: KeyedLocks = field(default_factory=KeyedLocks)
    image_locks: KeyedLocks = field(default_factory=KeyedLocks)

    def runtime(self) -> Runtime:
        """The runtime.

        Raises:
            RuntimeFailed: this is an image server only, with the reason.
        """
        if self.host is None:
            reason = self.host_problem or RuntimeFailed("it was opened without a runtime")
            raise RuntimeFailed(f"This server keeps images but runs no containers. {reason}", hint=reason.hint)
        return self.host
