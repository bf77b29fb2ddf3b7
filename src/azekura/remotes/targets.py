"""Where downloaded bytes go: one file of an image, or a document in memory."""

from __future__ import annotations

import hashlib
from typing import Any

from azekura.errors import BadAnswer, FingerprintMismatch
from azekura.remotes.http import Response
from azekura.remotes.port import FileRole, HashingWriter, ImageSink, PartWriter, Progress


class FileTarget:
    """Hands a file to the sink while it keeps to what was announced for it: no byte more, and its sha256.

    ``fingerprint`` is a running sha256 over the image's earlier files, or None; :attr:`fingerprint` continues it. A
    :class:`~azekura.remotes.port.HashingWriter` spares us the hash of the file.
    """

    def __init__(
        self,
        sink: ImageSink,
        role: FileRole,
        progress: Progress,
        *,
        limit: int,
        size: int | None = None,
        sha256: str | None = None,
        fingerprint: Any = None,
    ) -> None:
        self._sink = sink
        self._role = role
        self._progress = progress
        self._limit = limit if size is None else size
        self._size = size
        self._sha256 = sha256
        self._earlier = fingerprint
        self._writer: PartWriter | None = None
        self._shown: str = role
        self._total = size
        self._reset()

    def _reset(self) -> None:
        self.done = 0
        self._hash = hashlib.sha256() if self._sha256 and not isinstance(self._writer, HashingWriter) else None
        self.fingerprint = self._earlier.copy() if self._earlier is not None else None

    def begin(self, response: Response) -> None:
        length = response.header("Content-Length")
        coded = response.header("Content-Encoding")
        self.start(response.url.shown, int(length) if length.isdigit() and not coded else None)

    def start(self, shown: str, total: int | None = None) -> None:
        """As :meth:`begin`, for a file that is part of a larger body.

        ``shown`` says which in messages; ``total`` is its likely length, for the progress alone.
        """
        self._shown = shown
        self._total = self._size if self._size is not None else total
        if self._writer is None:
            self._writer = self._sink.part(self._role, self._size)
            if isinstance(self._writer, HashingWriter):
                self._hash = None
        self._progress(self._role, self.done, self._total)

    def feed(self, data: bytes) -> None:
        if self.done + len(data) > self._limit:
            announced = "that were announced" if self._size is not None else "allowed"
            raise BadAnswer(f"{self._shown} sent more than the {self._limit} bytes {announced}")
        if self._hash is not None:
            self._hash.update(data)
        if self.fingerprint is not None:
            self.fingerprint.update(data)
        assert self._writer is not None
        self._writer.write(data)
        self.done += len(data)
        self._progress(self._role, self.done, self._total)

    def restart(self) -> None:
        if self._writer is not None:
            self._writer.restart()
        self._reset()

    def finish(self) -> None:
        if self._size is not None and self.done != self._size:
            raise BadAnswer(f"{self._shown} is {self.done} bytes long; {self._size} were announced")
        if not self._sha256:
            return
        if isinstance(self._writer, HashingWriter):
            actual = self._writer.received_sha256()
        else:
            actual = self._hash.hexdigest() if self._hash is not None else ""
        if actual != self._sha256:
            raise FingerprintMismatch(
                expected=self._sha256,
                actual=actual,
                message=f'Hash mismatch for "{self._shown}": {actual} != {self._sha256}',
            )


class MemoryTarget:
    """A small document. ``limit`` is bytes after decoding; headers of interest are kept."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._body = bytearray()
        self.etag = ""
        self.last_modified = ""

    @property
    def body(self) -> bytes:
        return bytes(self._body)

    def begin(self, response: Response) -> None:
        self._shown = response.url.shown
        self.etag = response.header("ETag")
        self.last_modified = response.header("Last-Modified")

    def feed(self, data: bytes) -> None:
        if len(self._body) + len(data) > self._limit:
            raise BadAnswer(f"{self._shown} is longer than the {self._limit} bytes allowed")
        self._body += data

    def restart(self) -> None:
        self._body.clear()

    def finish(self) -> None:
        pass
