"""What a request carries: bytes, a file, a multipart form of files, or a stream of unknown length.

A body with a known length is sent with ``Content-Length``, any other one in chunks (RFC 9112 §7.1).
"""

from __future__ import annotations

import os

TYPE_CHECKING = False  # spares the import of typing on the way of every command; mypy takes it for true
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from typing import BinaryIO

BLOCK = 1 << 20  # bytes read or sent at once


class FilePiece:
    """``length`` bytes of an open file from ``start`` on. The file stays the caller's to close."""

    __slots__ = ("file", "length", "start")

    def __init__(self, file: BinaryIO, length: int | None = None, start: int = 0) -> None:
        self.file = file
        self.start = start
        self.length = os.fstat(file.fileno()).st_size - start if length is None else length

    def blocks(self) -> Iterator[bytes]:
        """The bytes, a block at a time. A file that shrank meanwhile ends early; the sender notices."""
        position, left = self.start, self.length
        while left > 0:
            block = os.pread(self.file.fileno(), min(BLOCK, left), position)
            if not block:
                return
            position += len(block)
            left -= len(block)
            yield block


class Body:
    """Pieces to send in order. ``length`` is None when it is not known before the end.

    ``progress`` is called with (bytes sent, bytes in all or None) now and then.
    """

    __slots__ = ("content_type", "length", "pieces", "progress")

    def __init__(
        self,
        pieces: Iterable[bytes | FilePiece],
        *,
        length: int | None,
        content_type: str = "application/octet-stream",
        progress: Callable[[int, int | None], None] | None = None,
    ) -> None:
        self.pieces = pieces
        self.length = length
        self.content_type = content_type
        self.progress = progress

    def blocks(self) -> Iterator[bytes]:
        """All bytes, a block at a time, reporting progress."""
        sent = 0
        for piece in self.pieces:
            for block in (piece,) if isinstance(piece, bytes) else piece.blocks():
                yield block
                sent += len(block)
                if self.progress is not None:
                    self.progress(sent, self.length)


def bytes_body(content: bytes, content_type: str = "application/json") -> Body:
    return Body((content,), length=len(content), content_type=content_type)


def file_body(file: BinaryIO, progress: Callable[[int, int | None], None] | None = None) -> Body:
    """An open file's bytes; a pipe's or a device's as a stream of unknown length."""
    from stat import S_ISREG

    status = os.fstat(file.fileno())
    if S_ISREG(status.st_mode):
        piece = FilePiece(file, status.st_size)
        return Body((piece,), length=piece.length, progress=progress)
    return Body(iter(lambda: file.read(BLOCK), b""), length=None, progress=progress)


class FormFile:
    """One file of a multipart form: the field it fills, the name it is given, and its bytes."""

    __slots__ = ("field", "filename", "piece")

    def __init__(self, field: str, filename: str, piece: FilePiece) -> None:
        self.field = field
        self.filename = filename
        self.piece = piece


def form_body(files: list[FormFile], progress: Callable[[int, int | None], None] | None = None) -> Body:
    """``multipart/form-data`` (RFC 7578) with a length known beforehand."""
    boundary = os.urandom(30).hex()
    pieces: list[bytes | FilePiece] = []
    for part in files:
        filename = part.filename.replace("\\", "\\\\").replace('"', '\\"').replace("\r", " ").replace("\n", " ")
        pieces.append(
            (
                f"--{boundary}\r\n"
                f'Content-Disposition: form-data; name="{part.field}"; filename="{filename}"\r\n'
                "Content-Type: application/octet-stream\r\n\r\n"
            ).encode("utf-8", "surrogateescape")
        )
        pieces.append(part.piece)
        pieces.append(b"\r\n")
    pieces.append(f"--{boundary}--\r\n".encode())
    length = sum(len(piece) if isinstance(piece, bytes) else piece.length for piece in pieces)
    return Body(pieces, length=length, content_type=f"multipart/form-data; boundary={boundary}", progress=progress)
