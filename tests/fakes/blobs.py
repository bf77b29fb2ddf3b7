"""A content store in memory, for tests that aren't about files. It passes the same suite as the real ones."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Self

from azekura.blobs.port import BlobInfo
from azekura.errors import FingerprintMismatch, NoSpace, NotFound, StorageFailed


class MemoryBlobs:
    """``capacity`` is bytes, over all blobs and running ingests."""

    def __init__(self, capacity: int | None = None) -> None:
        self.capacity = capacity
        self.blobs: dict[str, bytes] = {}
        self.quarantined: dict[str, bytes] = {}
        self.running: list[MemoryIngest] = []

    def require(self, size: int) -> None:
        if self.capacity is not None:
            used = sum(map(len, self.blobs.values())) + sum(len(ingest.data) for ingest in self.running)
            if used + size > self.capacity:
                raise NoSpace(path="memory", needed=size, available=self.capacity - used)

    def ingest(self, *, expected_size: int | None = None) -> MemoryIngest:
        self.require(expected_size or 0)
        return MemoryIngest(self)

    def open(self, sha256: str) -> BinaryIO:
        return io.BytesIO(self._get(sha256))

    def path(self, sha256: str) -> Path | None:
        self._get(sha256)
        return None

    def size(self, sha256: str) -> int:
        return len(self._get(sha256))

    def delete(self, sha256: str) -> None:
        self._get(sha256)
        del self.blobs[sha256]

    def list(self) -> Iterator[BlobInfo]:
        for sha256, data in list(self.blobs.items()):
            yield BlobInfo(sha256, len(data))

    def sweep(self) -> int:
        return 0  # memory dies with its process

    def quarantine(self, sha256: str) -> Path | None:
        self.quarantined[sha256] = self._get(sha256)
        del self.blobs[sha256]
        return None

    def verify(self, sha256: str) -> bool:
        return hashlib.sha256(self._get(sha256)).hexdigest() == sha256

    def _get(self, sha256: str) -> bytes:
        try:
            return self.blobs[sha256]
        except KeyError:
            raise NotFound("image file", sha256) from None


class MemoryIngest:
    def __init__(self, store: MemoryBlobs) -> None:
        self.size = 0
        self.data = bytearray()
        self._store = store
        self._sealed: BlobInfo | None = None
        self._state = "open"
        store.running.append(self)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.abort()

    def write(self, data: bytes | memoryview) -> None:
        if self._state != "open" or self._sealed is not None:
            raise StorageFailed("This image file takes no more bytes: it was sealed or discarded")
        try:
            self._store.require(len(memoryview(data).cast("B")))
        except NoSpace:
            self.abort()
            raise
        self.data += data
        self.size = len(self.data)

    def seal(self) -> BlobInfo:
        if self._sealed is None:
            if self._state != "open":
                raise StorageFailed("This image file was discarded")
            self._sealed = BlobInfo(hashlib.sha256(self.data).hexdigest(), self.size)
        return self._sealed

    def path(self) -> Path | None:
        return None

    def commit(self, expected: str | None = None) -> BlobInfo:
        info = self.seal()
        if self._state == "committed":
            return info
        if self._state != "open":
            raise StorageFailed("This image file was discarded")
        if expected is not None and expected != info.sha256:
            self.abort()
            raise FingerprintMismatch(expected=expected, actual=info.sha256)
        self._store.blobs[info.sha256] = bytes(self.data)
        self._end("committed")
        return info

    def abort(self) -> None:
        if self._state == "open":
            self._end("discarded")

    def _end(self, state: str) -> None:
        self._state = state
        self._store.running.remove(self)
        self.data = bytearray()
