"""An image on its way from another server into a staging: the network is read while earlier bytes are being written.

Writing and feeding the confined child take as long as receiving and decrypting, and hashing as well (the blob store
does that in a thread of its own): a thread for each, with some bytes between them, so that none waits for another.
"""

from __future__ import annotations

from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor

from azekura.remotes.port import FileRole
from azekura.services.images.parts import Part
from azekura.services.images.staging import Staging

BATCH = 256 * 1024  # bytes handed over at once
PIECES = 64  # handed over at once, however small
AHEAD = 16  # batches that may wait to be written


class _Arriving:
    """A part that says soon what is wrong with it: what follows need not be sent."""

    def __init__(self, part: Part, thread: ThreadPoolExecutor) -> None:
        self._part = part
        self._thread = thread
        self._pieces: list[bytes] = []
        self._held = 0  # bytes in them
        self._writing: deque[Future[None]] = deque()
        self.written = 0

    def write(self, data: bytes) -> None:
        self._pieces.append(data)
        self._held += len(data)
        self.written += len(data)
        if self._held >= BATCH or len(self._pieces) >= PIECES:
            self._hand_over()

    def restart(self) -> None:
        self._wait(0)
        self._pieces, self._held = [], 0
        self.written = 0
        self._part.restart()

    def flush(self) -> None:
        """All that came is with the part now.

        Raises:
            AzekuraError: what is wrong with it.
        """
        if self._pieces:
            self._hand_over()
        self._wait(0)
        self._check()

    def _hand_over(self) -> None:
        self._wait(AHEAD - 1)
        self._check()
        pieces, self._pieces, self._held = self._pieces, [], 0
        self._writing.append(self._thread.submit(self._write_all, pieces))

    def _write_all(self, pieces: list[bytes]) -> None:
        for piece in pieces:
            self._part.write(piece)

    def _check(self) -> None:
        if self._part.fault is not None:
            raise self._part.fault

    def _wait(self, at_most: int) -> None:
        """Until no more than so many batches wait."""
        while len(self._writing) > at_most or (self._writing and self._writing[0].done()):
            self._writing.popleft().result()


class StagingSink:
    """What a remote writes into: the staging's parts, begun anew when a transfer had to. A context manager; flush it
    before the staging is finished.
    """

    def __init__(self, staging: Staging) -> None:
        self._staging = staging
        self._parts: dict[str, _Arriving] = {}
        self._thread = ThreadPoolExecutor(1, "arriving")

    def __enter__(self) -> StagingSink:
        return self

    def __exit__(self, *_: object) -> None:
        self._thread.shutdown()

    def part(self, role: FileRole, size: int | None) -> _Arriving:
        known = self._parts.get(role)
        if known is not None:
            known.restart()
            return known
        self.flush()
        self._parts[role] = _Arriving(self._staging.part(role, size), self._thread)
        return self._parts[role]

    def flush(self) -> None:
        """Raises: as :meth:`_Arriving.flush`."""
        for part in self._parts.values():
            part.flush()

    def received_fingerprint(self) -> str:
        """See :class:`azekura.remotes.port.HashingSink`. Raises as :meth:`flush`."""
        self.flush()
        return self._staging.received_fingerprint().value
