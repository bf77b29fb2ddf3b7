"""Hashing beside writing: sha256 takes as long as everything else that is done with a blob's bytes."""

from __future__ import annotations

import hashlib
from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor

_WORTH = 64 * 1024  # bytes from which another thread is quicker than oneself
_AHEAD = 4 * 1024 * 1024  # bytes that may wait to be hashed


class HashBeside:
    """A sha256 over bytes that come in order, computed in a thread of its own once they come in big pieces.

    Close it when it is no longer needed.
    """

    def __init__(self) -> None:
        self._hash = hashlib.sha256()
        self._thread: ThreadPoolExecutor | None = None
        self._waiting: deque[tuple[Future[None], int]] = deque()
        self._held = 0  # bytes in them

    def update(self, data: bytes | memoryview) -> None:
        """Take the next bytes. Those that could change later (a view) are hashed on return."""
        size = len(data)
        if size < _WORTH and not self._waiting:
            self._hash.update(data)
            return
        if self._thread is None:
            self._thread = ThreadPoolExecutor(1, "hashing")
        self._waiting.append((self._thread.submit(self._hash.update, data), size))
        self._held += size
        self._wait(0 if isinstance(data, memoryview) else _AHEAD)

    def _wait(self, at_most: int) -> None:
        """Until no more than so many bytes wait."""
        while self._waiting and (self._held > at_most or self._waiting[0][0].done()):
            done, size = self._waiting.popleft()
            done.result()
            self._held -= size

    def hexdigest(self) -> str:
        """Of all bytes taken until now."""
        self._wait(0)
        return self._hash.hexdigest()

    def close(self) -> None:
        """End the thread. May be called again; the digest so far can still be asked for."""
        thread, self._thread = self._thread, None
        if thread is not None:
            thread.shutdown(wait=False)
