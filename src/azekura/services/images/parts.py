"""One file of an image on its way in: sniffed, hashed, stored under a hidden name, and read by a confined child."""

from __future__ import annotations

from typing import Protocol

from azekura.blobs.port import BlobStore, Ingest
from azekura.errors import AzekuraError, InvalidRequest
from azekura.formats.confined import ConfinedScan
from azekura.formats.magic import FileKind, sniff

HEAD = 512  # bytes of a file that tell what it is


class PartOwner(Protocol):
    """What a part asks of the image it belongs to."""

    @property
    def blobs(self) -> BlobStore: ...

    @property
    def size_limit(self) -> int:
        """Bytes a file may have; 0: no limit."""

    def hash_part(self, part: Part, data: bytes | bytearray | memoryview) -> None:
        """Feed the image's own hash."""

    def open_scan(self, part: Part) -> ConfinedScan | None:
        """What validates the part while it flows; None where that has to wait for the whole file."""

    def part_restarted(self, part: Part) -> None:
        """The bytes of the part begin again."""


class Part:
    """One file on its way in. A fault in it is kept until :meth:`Staging.finish`; what follows is then ignored."""

    def __init__(self, owner: PartOwner, role: str, size: int | None) -> None:
        self.role = role
        self.size = size
        self.written = 0
        self.fault: AzekuraError | None = None
        self.kind: FileKind | None = None
        self.scan: ConfinedScan | None = None
        self.ingest: Ingest | None = None
        self._owner = owner
        self._head = b""
        self.restart()

    def restart(self) -> None:
        """Forget what came so far; the bytes begin again (a resumed download whose source changed)."""
        self.discard()
        self.written = 0
        self.fault = None
        self.kind = None
        self._head = b""
        self._owner.part_restarted(self)
        try:
            self.ingest = self._owner.blobs.ingest(expected_size=self.size)
        except AzekuraError as exc:
            self.fault = exc

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Take the next bytes."""
        self.written += len(data)
        if self.fault is not None or self.ingest is None:
            return
        try:
            limit = self._owner.size_limit
            if limit and self.written > limit:
                raise InvalidRequest(f"The image is larger than the {limit} bytes that images.size_limit allows")
            self.ingest.write(bytes(data) if isinstance(data, bytearray) else data)
            self._owner.hash_part(self, data)
            if self.kind is None:
                self._head += bytes(data)
                if len(self._head) < HEAD:
                    return
                data = self._identify()
            if self.scan is not None:
                self.scan.write(data)
        except AzekuraError as exc:
            self._fail(exc)

    def _identify(self) -> bytes:
        """Look at the first bytes and open what they need; returns the bytes held back until now."""
        self.kind = sniff(self._head)
        self.scan = self._owner.open_scan(self)
        held, self._head = self._head, b""
        return held

    def end(self) -> None:
        """All bytes are there."""
        if self.fault is None and self.ingest is not None:
            try:
                if self.kind is None:
                    held = self._identify()
                    if self.scan is not None:
                        self.scan.write(held)
                self.ingest.seal()
            except AzekuraError as exc:
                self._fail(exc)

    def _fail(self, exc: AzekuraError) -> None:
        """Keep the fault and give the room back."""
        self.discard()
        self.fault = exc

    def discard(self) -> None:
        if self.scan is not None:
            self.scan.abort()
            self.scan = None
        if self.ingest is not None:
            self.ingest.abort()
            self.ingest = None
