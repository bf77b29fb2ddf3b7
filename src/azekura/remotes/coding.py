"""gzip as a content coding, and as a file: unpacked with limits."""

from __future__ import annotations

import zlib
from collections.abc import Iterator

from azekura.errors import BadAnswer

_PIECE = 256 * 1024  # bytes unpacked at a time


class Damaged(BadAnswer):
    """It is not the gzip that it should be."""


class Inflater:
    """Unpacks a body in the order of its bytes; several members in a row are one body (RFC 1952).

    ``shown`` names it in messages.
    """

    def __init__(self, shown: str) -> None:
        self._shown = shown
        self._stream = zlib.decompressobj(wbits=31)
        self._begun = False

    def pieces(self, data: bytes) -> Iterator[bytes]:
        """What ``data`` unpacks to, a bounded piece at a time.

        Raises:
            Damaged: not gzip.
        """
        more = False
        while data or more:
            self._begun = True
            try:
                piece = self._stream.decompress(data, _PIECE)
            except zlib.error as exc:
                raise Damaged(f"{self._shown} is damaged: not the gzip that its header says") from exc
            if piece:
                yield piece
            data = self._stream.unconsumed_tail
            more = len(piece) == _PIECE and not self._stream.eof
            if self._stream.eof:
                data = self._stream.unused_data
                self._stream = zlib.decompressobj(wbits=31)
                self._begun = False

    def finish(self) -> None:
        """
        Raises:
            Damaged: it ends in the middle.
        """
        if self._begun:
            raise Damaged(f"{self._shown} is damaged: its gzip ends in the middle")


def gunzipped(body: bytes, limit: int, shown: str) -> bytes:
    """``body``, unpacked if it is a gzip file (a ``.json.gz`` that was named as such).

    Raises:
        BadAnswer: damaged, or longer than ``limit`` bytes.
    """
    if not body.startswith(b"\x1f\x8b"):
        return body
    stream = zlib.decompressobj(wbits=31)
    try:
        text = stream.decompress(body, limit + 1)
    except zlib.error as exc:
        raise BadAnswer(f"{shown} is damaged gzip") from exc
    if len(text) > limit or not stream.eof:
        raise BadAnswer(f"{shown} is " + ("longer than allowed" if len(text) > limit else "cut off in its middle"))
    return text
