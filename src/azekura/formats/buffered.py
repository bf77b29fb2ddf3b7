"""Exact reads from a stream that gives what it likes."""

from __future__ import annotations

from typing import Protocol

from azekura.errors import InvalidRequest

CHUNK = 256 * 1024


class Readable(Protocol):
    def read(self, n: int, /) -> bytes: ...


class Buffered:
    """Reads forward only; holds at most one chunk and what a caller asked for at once."""

    __slots__ = ("_at", "_chunk", "_source", "position")

    def __init__(self, source: Readable) -> None:
        self._source = source
        self._chunk = b""
        self._at = 0
        self.position = 0  # bytes read so far

    def some(self, limit: int) -> bytes:
        """1 to ``limit`` bytes, as many as are at hand; ``b""`` at the end."""
        if self._at == len(self._chunk):
            self._chunk = self._source.read(CHUNK)
            self._at = 0
            if not self._chunk:
                return b""
        if not self._at and len(self._chunk) <= limit:
            data, self._chunk = self._chunk, b""
        else:
            data = self._chunk[self._at : self._at + limit]
            self._at += len(data)
        self.position += len(data)
        return data

    def exactly(self, count: int) -> bytes:
        """``count`` bytes; fewer only at the end of the stream."""
        end = self._at + count
        if end <= len(self._chunk):
            data = self._chunk[self._at : end]
            self._at = end
            self.position += count
            return data
        parts = []
        while count:
            data = self.some(count)
            if not data:
                break
            parts.append(data)
            count -= len(data)
        return b"".join(parts)

    def skip(self, count: int) -> None:
        """Pass over ``count`` bytes.

        Raises:
            InvalidRequest: the stream ends before.
        """
        while count:
            data = self.some(count)
            if not data:
                raise truncated()
            count -= len(data)

    def drain(self) -> None:
        """Read to the end."""
        while self.some(CHUNK):
            pass


def truncated() -> InvalidRequest:
    return InvalidRequest(
        "The tarball ends too early: it is truncated",
        hint="upload or download it again, and compare its sha256",
    )
