"""The little of HTTP/1.1 (RFC 9112) that a request to a daemon's unix socket takes.

``http.client`` does this too, and needs twice the time of everything else ``lxc image list`` does.
"""

from __future__ import annotations

import os

from azekura.errors import BadAnswer, ConnectionFailed

TYPE_CHECKING = False
if TYPE_CHECKING:
    from _socket import socket
    from collections.abc import Iterator

    from azekura.client.body import Body, FilePiece

HEAD_LIMIT = 64 * 1024  # bytes of status line and headers
RECEIVE = 256 * 1024  # bytes asked of the kernel at once


class Reader:
    """Buffered reading from a connected socket."""

    __slots__ = ("_buffer", "_socket")

    def __init__(self, connection: socket) -> None:
        self._socket = connection
        self._buffer = b""

    def _receive(self) -> bytes:
        try:
            return self._socket.recv(RECEIVE)
        except TimeoutError as exc:
            raise ConnectionFailed("The server didn't answer in time") from exc
        except OSError as exc:
            raise ConnectionFailed(f"The connection to the server broke: {exc.strerror or exc}") from exc

    def until(self, mark: bytes, limit: int) -> bytes:
        """Everything up to and with ``mark``.

        Raises:
            BadAnswer: more than ``limit`` bytes without it.
            ConnectionFailed: the connection ended before it.
        """
        start = 0
        while True:
            at = self._buffer.find(mark, start)
            if at >= 0:
                end = at + len(mark)
                found, self._buffer = self._buffer[:end], self._buffer[end:]
                return found
            if len(self._buffer) > limit:
                raise BadAnswer("The server's answer has an oversized header")
            start = max(0, len(self._buffer) - len(mark) + 1)
            more = self._receive()
            if not more:
                raise ConnectionFailed("The server closed the connection without an answer")
            self._buffer += more

    def some(self, limit: int) -> bytes:
        """At most ``limit`` bytes, at least one; nothing at the end of the stream."""
        buffer = self._buffer
        if not buffer:
            buffer = self._receive()
        if len(buffer) <= limit:
            self._buffer = b""
            return buffer
        self._buffer = buffer[limit:]
        return buffer[:limit]

    def rest(self) -> bytes:
        """What was read already and not asked for: the first bytes after a protocol switch."""
        buffer, self._buffer = self._buffer, b""
        return buffer


class Answer:
    """An HTTP answer whose body is read as it comes. Header names are in lower case; the last of several wins."""

    status: int
    headers: dict[str, str]

    def read_some(self, limit: int = RECEIVE) -> bytes:
        """The next bytes of the body, nothing at its end.

        Raises:
            ConnectionFailed: it broke off.
            BadAnswer: its framing makes no sense.
        """
        raise NotImplementedError

    def read(self, limit: int) -> bytes:
        """The whole body.

        Raises:
            BadAnswer: longer than ``limit`` bytes.
        """
        blocks, total = [], 0
        while block := self.read_some():
            blocks.append(block)
            total += len(block)
            if total > limit:
                raise BadAnswer(f"The server's answer is longer than {limit} bytes")
        return b"".join(blocks)

    def close(self) -> None:
        """Give the connection back. A body not read to its end is thrown away."""
        raise NotImplementedError


class SocketAnswer(Answer):
    """An answer read straight from a socket."""

    __slots__ = ("_left", "_mode", "_reader", "_socket", "headers", "status")

    def __init__(self, connection: socket, method: str) -> None:
        self._socket = connection
        self._reader = Reader(connection)
        while True:
            self.status, self.headers = read_head(self._reader)
            if self.status >= 200 or self.status == 101:
                break
        self._mode, self._left = body_mode(method, self.status, self.headers)

    def read_some(self, limit: int = RECEIVE) -> bytes:
        if self._mode == "none":
            return b""
        if self._mode == "close":
            return self._reader.some(limit)
        if self._left == 0:
            if self._mode == "length":
                return b""
            self._left = self._next_chunk()
            if self._left == 0:
                self._mode = "none"
                return b""
        block = self._reader.some(min(limit, self._left))
        if not block:
            raise ConnectionFailed("The connection to the server broke before the end of its answer")
        self._left -= len(block)
        if self._left == 0 and self._mode == "chunked" and self._reader.until(b"\n", 16) not in (b"\r\n", b"\n"):
            raise BadAnswer("The server's answer has a malformed chunk")
        return block

    def _next_chunk(self) -> int:
        line = self._reader.until(b"\n", 1024)
        try:
            size = int(line.split(b";", 1)[0].strip(), 16)
        except ValueError as exc:
            raise BadAnswer("The server's answer has a malformed chunk") from exc
        if size == 0:
            while self._reader.until(b"\n", HEAD_LIMIT).strip():
                pass
        return size

    def detach(self) -> tuple[socket, bytes]:
        """The connection itself and what was read beyond the header: after ``101 Switching Protocols``."""
        return self._socket, self._reader.rest()

    def close(self) -> None:
        self._socket.close()


def read_head(reader: Reader) -> tuple[int, dict[str, str]]:
    """Status and headers of an answer.

    Raises:
        BadAnswer: not HTTP/1.
    """
    status_line = reader.until(b"\n", HEAD_LIMIT).decode("latin-1").split(None, 2)
    if len(status_line) < 2 or not status_line[0].startswith("HTTP/1.") or not status_line[1].isdigit():
        raise BadAnswer("The server doesn't speak HTTP")
    headers: dict[str, str] = {}
    total = 0
    while True:
        line = reader.until(b"\n", HEAD_LIMIT)
        total += len(line)
        if total > HEAD_LIMIT:
            raise BadAnswer("The server's answer has an oversized header")
        text = line.decode("utf-8", "replace").rstrip("\r\n")
        if not text:
            return int(status_line[1]), headers
        name, _, value = text.partition(":")
        headers[name.strip().lower()] = value.strip()


def body_mode(method: str, status: int, headers: dict[str, str]) -> tuple[str, int]:
    """How the end of the body is found (RFC 9112 §6.3): ``none``, ``length``, ``chunked`` or ``close``."""
    if method == "HEAD" or status in (101, 204, 304):
        return "none", 0
    if "chunked" in headers.get("transfer-encoding", "").lower():
        return "chunked", 0
    if "content-length" in headers:
        try:
            length = int(headers["content-length"])
        except ValueError as exc:
            raise BadAnswer("The server's answer has a malformed length") from exc
        return "length", length
    return "close", 0


def request_head(method: str, path: str, headers: dict[str, str]) -> bytes:
    """The request line and headers. Line ends inside them are refused: they would be headers of their own."""
    lines = [f"{method} {path} HTTP/1.1", *(f"{name}: {value}" for name, value in headers.items())]
    for line in lines:
        if "\r" in line or "\n" in line:
            raise BadAnswer(f"A request can't hold a line break: {line!r}")
    return ("\r\n".join(lines) + "\r\n\r\n").encode("utf-8", "surrogateescape")


def send_body(connection: socket, body: Body) -> None:
    """Send all of it; files go from the page cache to the socket without a copy here.

    Raises:
        OSError: the connection broke.
        ConnectionFailed: a file turned out shorter than announced.
    """
    if body.length is None:
        for block in body.blocks():
            if block:
                connection.sendall(b"%x\r\n%b\r\n" % (len(block), block))
        connection.sendall(b"0\r\n\r\n")
        return
    sent = 0
    for piece in body.pieces:
        if isinstance(piece, bytes):
            connection.sendall(piece)
            sent += len(piece)
            continue
        for count in _send_file(connection, piece):
            sent += count
            if body.progress is not None:
                body.progress(sent, body.length)
    if sent != body.length:
        raise ConnectionFailed("A file changed while it was being sent")


def _send_file(connection: socket, piece: FilePiece) -> Iterator[int]:
    position, left = piece.start, piece.length
    while left > 0:
        count = os.sendfile(connection.fileno(), piece.file.fileno(), position, min(left, 4 << 20))
        if count == 0:
            return
        position += count
        left -= count
        yield count
