"""A split image as LXD sends it: ``multipart/form-data`` with the parts ``metadata`` and ``rootfs`` or ``rootfs.img``.

Read as a stream (RFC 2046, 5.1; RFC 7578), with a parser that knows this one shape and refuses every other: a stranger
wrote it.
"""

from __future__ import annotations

import re
from typing import Protocol

from azekura.errors import BadAnswer

_BOUNDARY = re.compile(
    r"""multipart/form-data\s*;(?:.*;)?\s*boundary=(?:"([^"\x00-\x1f]{1,70})"|([^\s;",]{1,70}))\s*(?:;|$)""",
    re.IGNORECASE,
)
_NAME = re.compile(
    rb"""content-disposition:\s*form-data\s*;(?:[^\r\n]*;)?\s*name="?(metadata|rootfs\.img|rootfs)"?\s*(?:;|$)""",
    re.IGNORECASE,
)
_FILENAME = re.compile(rb"""[;\s]filename="?([^"\r\n;]{1,256})"?""", re.IGNORECASE)
_HEADERS = 8 * 1024  # bytes of one part's headers, or of what precedes the first part


class PartReader(Protocol):
    """Told of each part in turn."""

    def part_begins(self, name: str, filename: str) -> None: ...
    def part_data(self, data: bytes) -> None: ...
    def part_ends(self) -> None: ...


def boundary_of(content_type: str) -> bytes | None:
    """The boundary, if ``content_type`` is a form's; None for any other type.

    Raises:
        BadAnswer: a form without a usable boundary.
    """
    if not content_type.lower().startswith("multipart/form-data"):
        return None
    match = _BOUNDARY.match(content_type)
    if not match:
        raise BadAnswer("The server sent a split image without saying where its parts end")
    return (match[1] or match[2]).encode()


class MultipartParser:
    """Push parser: ``feed`` it the body in pieces of any size, then ``finish``.

    Raises (from both): BadAnswer: not exactly the parts that a split image has.
    """

    def __init__(self, boundary: bytes, reader: PartReader) -> None:
        self._delimiter = b"\r\n--" + boundary
        self._reader = reader
        # so that a delimiter at the very start looks like all others
        self._pending = b"\r\n"
        self._state = "preamble"
        self._names: list[str] = []

    def feed(self, data: bytes) -> None:
        data = self._pending + data if self._pending else data
        self._pending = b""
        while data:
            match self._state:
                case "preamble":
                    data = self._preamble(data)
                case "delimiter":
                    data = self._after_delimiter(data)
                case "headers":
                    data = self._headers(data)
                case "body":
                    data = self._body(data)
                case _:  # epilogue: to be ignored
                    return
            if self._pending:
                return

    def finish(self) -> None:
        if self._state != "end":
            raise BadAnswer("The server's split image ends in the middle")

    def _preamble(self, data: bytes) -> bytes:
        at = data.find(self._delimiter)
        if at >= 0:
            self._state = "delimiter"
            return data[at + len(self._delimiter) :]
        if len(data) > _HEADERS:
            raise BadAnswer("The server's split image does not begin with its first part")
        self._pending = data
        return b""

    def _after_delimiter(self, data: bytes) -> bytes:
        if len(data) < 2:
            self._pending = data
            return b""
        if data[:2] == b"--":
            if len(self._names) != 2:
                raise BadAnswer("The server's split image lacks its rootfs")
            self._state = "end"
            return b""
        if data[:2] != b"\r\n":
            raise BadAnswer("The server's split image is malformed")
        self._state = "headers"
        # keep the line end: headers that are empty end at once
        return data

    def _headers(self, data: bytes) -> bytes:
        end = data.find(b"\r\n\r\n")
        if end < 0:
            if len(data) > _HEADERS:
                raise BadAnswer("The server's split image has a part with too long headers")
            self._pending = data
            return b""
        headers = data[:end]
        lines = [line for line in headers.split(b"\r\n") if line[:20].lower() == b"content-disposition:"]
        match = _NAME.match(lines[0]) if len(lines) == 1 else None
        name = match[1].decode().lower() if match else ""
        if name not in (("metadata",) if not self._names else ("rootfs", "rootfs.img")) or len(self._names) > 1:
            raise BadAnswer("The server's split image has other parts than metadata and rootfs, in this order")
        filename = _FILENAME.search(lines[0])
        self._names.append(name)
        self._state = "body"
        self._reader.part_begins(name, filename[1].decode("utf-8", "replace") if filename else "")
        return data[end + 4 :]

    def _body(self, data: bytes) -> bytes:
        at = data.find(self._delimiter)
        if at >= 0:
            if at:
                self._reader.part_data(data[:at])
            self._reader.part_ends()
            self._state = "delimiter"
            return data[at + len(self._delimiter) :]
        # a delimiter may begin at the end: keep back from the last line end that is near enough
        keep = data.find(b"\r", max(len(data) - len(self._delimiter) + 1, 0))
        if keep < 0:
            self._reader.part_data(data)
        else:
            if keep:
                self._reader.part_data(data[:keep])
            self._pending = data[keep:]
        return b""
