"""A small websocket client (RFC 6455) over either way to a server: what exec, console and events need."""

from __future__ import annotations

import os
import struct
import threading

from azekura.client.http1 import SocketAnswer, request_head
from azekura.errors import BadAnswer, ConnectionFailed

TYPE_CHECKING = False
if TYPE_CHECKING:
    from _socket import socket

    from azekura.client.http1 import Answer
    from azekura.client.transport import Transport

CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0x0, 0x1, 0x2, 0x8, 0x9, 0xA
MESSAGE_LIMIT = 64 << 20  # bytes; a server has no reason to send more at once
RECEIVE = 256 * 1024
SHUT_BOTH = 2  # socket.SHUT_RDWR


_MAGIC = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"  # the RFC's (§1.3)


def _sha1(data: bytes) -> bytes:
    """It proves nothing here but that the server speaks websocket. ``hashlib`` would load OpenSSL for it (4 ms)."""
    from _sha1 import sha1  # type: ignore[import-not-found]  # part of CPython, without stubs

    digest: bytes = sha1(data, usedforsecurity=False).digest()
    return digest


class Refused(Exception):
    """The server answered the handshake with something else; the answer is the caller's to read and close."""

    def __init__(self, answer: Answer, connection: socket) -> None:
        super().__init__(answer.status)
        self.answer = answer
        self.connection = connection


def _ask(connection: socket, host: str, path: str, headers: dict[str, str]) -> str:
    """Send the request to switch; returns the key that the answer must fit."""
    from binascii import b2a_base64

    key = b2a_base64(os.urandom(16), newline=False).decode()
    fields = {
        "Host": host,
        "Upgrade": "websocket",
        "Connection": "Upgrade",
        "Sec-WebSocket-Key": key,
        "Sec-WebSocket-Version": "13",
        **headers,
    }
    try:
        connection.sendall(request_head("GET", path, fields))
    except OSError as exc:
        raise ConnectionFailed(f"The connection to the server broke: {exc.strerror or exc}") from exc
    return key


def _confirm(connection: socket, key: str) -> tuple[socket, bytes]:
    """Read the answer to :func:`_ask`; returns the connection and what came after the answer."""
    from binascii import b2a_base64

    answer = SocketAnswer(connection, "GET")
    if answer.status != 101:
        raise Refused(answer, connection)
    digest = _sha1(f"{key}{_MAGIC}".encode())
    if answer.headers.get("sec-websocket-accept") != b2a_base64(digest, newline=False).decode():
        raise BadAnswer("The server's websocket handshake is wrong")
    return answer.detach()


class WebSocket:
    """An open websocket. One thread may receive while others send."""

    def __init__(self, connection: socket, first: bytes = b"") -> None:
        self._socket = connection
        self._buffer = bytearray(first)
        self._sending = threading.Lock()
        self._closed = False

    @classmethod
    def connect(cls, transport: Transport, paths: list[str], headers: dict[str, str]) -> list[WebSocket]:
        """Open all ``paths`` and switch protocols. All are asked before the first answer is read.

        Raises:
            ConnectionFailed, Forbidden: no connection.
            Refused: an answer other than the switch.
            BadAnswer: a wrong handshake.
        """
        opened: list[socket] = []
        try:
            keys = []
            for path in paths:
                connection = transport.dial()
                opened.append(connection)
                keys.append(_ask(connection, transport.host, path, headers))
            return [cls(*_confirm(connection, key)) for connection, key in zip(opened, keys, strict=True)]
        except Refused as exc:
            for connection in opened:
                if connection is not exc.connection:
                    connection.close()
            raise
        except BaseException:
            for connection in opened:
                connection.close()
            raise

    def fileno(self) -> int:
        return self._socket.fileno()

    def send_binary(self, data: bytes | memoryview) -> None:
        self._send(BINARY, data)

    def send_text(self, text: str) -> None:
        self._send(TEXT, text.encode())

    def _send(self, opcode: int, data: bytes | memoryview) -> None:
        """
        Raises:
            ConnectionFailed: it broke.
        """
        size = len(data)
        if size < 126:
            head = struct.pack("!BB", 0x80 | opcode, 0x80 | size)
        elif size < 1 << 16:
            head = struct.pack("!BBH", 0x80 | opcode, 0x80 | 126, size)
        else:
            head = struct.pack("!BBQ", 0x80 | opcode, 0x80 | 127, size)
        mask = os.urandom(4)
        try:
            with self._sending:
                self._socket.sendall(b"%b%b%b" % (head, mask, masked(data, mask)))
        except OSError as exc:
            raise ConnectionFailed(f"The connection to the server broke: {exc.strerror or exc}") from exc

    def _fill(self, size: int) -> bool:
        """Read until ``size`` bytes are there; False when the stream ended first."""
        while len(self._buffer) < size:
            try:
                more = self._socket.recv(RECEIVE)
            except TimeoutError:
                raise
            except OSError:
                return False
            if not more:
                return False
            self._buffer += more
        return True

    def _frame(self) -> tuple[int, bool, bytes] | None:
        if not self._fill(2):
            return None
        first, second = self._buffer[0], self._buffer[1]
        if first & 0x70 or second & 0x80:
            raise BadAnswer("The server sent a malformed websocket frame")
        size, head = second & 0x7F, 2
        if size == 126:
            if not self._fill(4):
                return None
            size, head = struct.unpack_from("!H", self._buffer, 2)[0], 4
        elif size == 127:
            if not self._fill(10):
                return None
            size, head = struct.unpack_from("!Q", self._buffer, 2)[0], 10
        if size > MESSAGE_LIMIT:
            raise BadAnswer("The server sent an oversized websocket frame")
        if not self._fill(head + size):
            return None
        payload = bytes(memoryview(self._buffer)[head : head + size])
        del self._buffer[: head + size]
        return first & 0x0F, bool(first & 0x80), payload

    def receive(self) -> tuple[int, bytes] | None:
        """The next message as (TEXT or BINARY, payload); None when the other side is done.

        Raises:
            BadAnswer: a broken or oversized frame.
            TimeoutError: a time-out was set on the socket and has passed.
        """
        kind, total = 0, 0
        parts: list[bytes] = []
        while True:
            frame = self._frame()
            if frame is None:
                return None
            opcode, final, payload = frame
            if opcode == PING:
                try:
                    self._send(PONG, payload)
                except ConnectionFailed:
                    pass  # the other side has gone, but what it sent before is still to be read
                continue
            if opcode == PONG:
                continue
            if opcode == CLOSE:
                self.close()
                return None
            if opcode != CONTINUATION:
                kind, parts, total = opcode, [], 0
            parts.append(payload)
            total += len(payload)
            if total > MESSAGE_LIMIT:
                raise BadAnswer("The server sent an oversized websocket message")
            if final:
                return kind, parts[0] if len(parts) == 1 else b"".join(parts)

    def settimeout(self, seconds: float | None) -> None:
        self._socket.settimeout(seconds)

    def close(self) -> None:
        """Say goodbye and hang up; harmless when done before."""
        if self._closed:
            return
        self._closed = True
        try:
            self._send(CLOSE, struct.pack("!H", 1000))
        except ConnectionFailed:
            pass
        try:
            self._socket.shutdown(SHUT_BOTH)  # wakes a thread that is reading; closing alone doesn't
        except OSError:
            pass  # the other side was faster
        self._socket.close()


def masked(data: bytes | memoryview, mask: bytes) -> bytes:
    """``data`` XOR the repeated 4-byte ``mask``. As one big number: 30 times faster than byte by byte."""
    size = len(data)
    key = (mask * (size // 4 + 1))[:size]
    return (int.from_bytes(data, "little") ^ int.from_bytes(key, "little")).to_bytes(size, "little")
