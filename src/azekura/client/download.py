"""Receiving files: one as the body, or several as parts of a ``multipart/form-data`` answer (a split image)."""

from __future__ import annotations

from azekura.client.envelope import ANSWER_LIMIT, open_envelope
from azekura.errors import BadAnswer, ConnectionFailed

TYPE_CHECKING = False
if TYPE_CHECKING:
    from azekura.client.http1 import Answer
    from azekura.client.server import Query, Server

PART_HEAD_LIMIT = 16 * 1024
BLOCK = 1 << 20


class Sink:
    """Takes what a download brings. A base to derive from."""

    def begin(self, part: str, filename: str, size: int | None) -> None:
        """A file begins. ``part`` is the form's field name, empty for a single file; ``filename`` is what the server
        calls it: to be shown, never to be opened. ``size`` is its length in bytes where known."""

    def write(self, data: bytes | memoryview) -> None:
        raise NotImplementedError


class Received:
    """How a download went: the answer's headers, where it started (0 if the server ignored the range), its bytes."""

    __slots__ = ("headers", "offset", "size")

    def __init__(self, headers: dict[str, str], offset: int, size: int) -> None:
        self.headers = headers
        self.offset = offset
        self.size = size


def header_parameter(value: str, name: str) -> str:
    """A parameter of a header such as ``form-data; name="x"; filename="y"``; empty when it isn't there."""
    from email.message import Message

    message = Message()
    message["content-disposition"] = value
    found = message.get_param(name, header="content-disposition")
    if isinstance(found, tuple):
        return found[2]
    return found if isinstance(found, str) else ""


def download(
    server: Server, path: str, sink: Sink, *, query: Query | None = None, offset: int = 0, if_range: str | None = None
) -> Received:
    """Stream ``path`` into ``sink``. With ``offset``, ask for the bytes from there on; a server may ignore that, and
    says so by :attr:`Received.offset`, known before the first byte is written because ``begin`` is not called twice.

    Raises:
        AzekuraError: the server's refusal.
        ConnectionFailed: it broke off; what came until then is written.
        BadAnswer: wrong range, wrong length, malformed parts.
    """
    headers = {"Accept-Encoding": "identity"}
    if offset:
        headers["Range"] = f"bytes={offset}-"
        if if_range:
            headers["If-Range"] = if_range
    answer = server.open("GET", path, query=query, headers=headers)
    try:
        if answer.status not in (200, 206):
            open_envelope(answer.status, answer.read(ANSWER_LIMIT))
            raise BadAnswer(f"The server answered a download with status {answer.status}")
        start = 0
        if answer.status == 206:
            start = _range_start(answer.headers.get("content-range", ""))
            if start != offset:
                raise BadAnswer("The server sent another range than the one asked for")
        content_type = answer.headers.get("content-type", "")
        if content_type.lower().startswith("multipart/form-data"):
            size = _receive_form(answer, content_type, sink)
        else:
            size = _receive_file(answer, sink)
        return Received(answer.headers, start, size)
    finally:
        answer.close()


def _range_start(value: str) -> int:
    unit, _, rest = value.partition(" ")
    first = rest.partition("-")[0]
    if unit != "bytes" or not first.isdigit():
        raise BadAnswer("The server sent a malformed range")
    return int(first)


def _receive_file(answer: Answer, sink: Sink) -> int:
    length = answer.headers.get("content-length", "")
    expected = int(length) if length.isdigit() else None
    sink.begin("", header_parameter(answer.headers.get("content-disposition", ""), "filename"), expected)
    size = 0
    while block := answer.read_some(BLOCK):
        sink.write(block)
        size += len(block)
    if expected is not None and size != expected:
        raise ConnectionFailed("The connection to the server broke before the end of the file")
    return size


class _Parts:
    """Cuts a multipart stream at its boundary."""

    def __init__(self, answer: Answer, boundary: str) -> None:
        self._answer = answer
        self._mark = b"\r\n--" + boundary.encode("latin-1", "replace")
        self._buffer = b"\r\n"  # the first boundary has no line break of its own before it
        self.size = 0

    def _more(self) -> None:
        block = self._answer.read_some(BLOCK)
        if not block:
            raise ConnectionFailed("The connection to the server broke before the end of the image")
        self._buffer += block

    def until_mark(self, sink: Sink | None) -> None:
        """Hand everything before the next boundary to ``sink``; without one, nothing may stand before it."""
        keep = len(self._mark) - 1
        while (at := self._buffer.find(self._mark)) < 0:
            if len(self._buffer) > keep:
                self._hand_on(self._buffer[:-keep], sink)
                self._buffer = self._buffer[-keep:]
            self._more()
        self._hand_on(self._buffer[:at], sink)
        self._buffer = self._buffer[at + len(self._mark) :]

    def _hand_on(self, data: bytes, sink: Sink | None) -> None:
        if sink is not None and data:
            sink.write(data)
            self.size += len(data)

    def head(self) -> dict[str, str] | None:
        """The headers of the part that begins here; None at the end of the form."""
        while len(self._buffer) < 2:
            self._more()
        if self._buffer.startswith(b"--"):
            return None
        while (end := self._buffer.find(b"\r\n\r\n")) < 0:
            if len(self._buffer) > PART_HEAD_LIMIT:
                raise BadAnswer("The server sent an oversized part header")
            self._more()
        lines = self._buffer[:end].decode("utf-8", "replace").split("\r\n")
        # the part's last header line break belongs to the data's boundary if the part is empty
        self._buffer = b"" + self._buffer[end + 4 :]
        headers = {}
        for line in lines:
            name, colon, value = line.partition(":")
            if colon:
                headers[name.strip().lower()] = value.strip()
        return headers


def _receive_form(answer: Answer, content_type: str, sink: Sink) -> int:
    boundary = header_parameter(f"form-data; {content_type.partition(';')[2]}", "boundary")
    if not boundary:
        raise BadAnswer("The server sent parts without a boundary")
    parts = _Parts(answer, boundary)
    parts.until_mark(None)
    while (headers := parts.head()) is not None:
        disposition = headers.get("content-disposition", "")
        sink.begin(header_parameter(disposition, "name"), header_parameter(disposition, "filename"), None)
        parts.until_mark(sink)
    return parts.size
