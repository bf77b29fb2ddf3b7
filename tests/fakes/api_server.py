"""A small HTTP server on a unix socket that answers as the test says: the other end for the client's tests."""

from __future__ import annotations

import base64
import hashlib
import json
import socket
import struct
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from azekura.client.server import Server

Handler = Callable[["Request"], None]


class Request:
    """One request, its body read; answer with one of the methods, or write to ``connection`` yourself."""

    def __init__(self, connection: socket.socket) -> None:
        self.connection = connection
        self._file = connection.makefile("rb")
        line = self._file.readline().decode().split()
        self.method, self.target = [*line, "", ""][:2]
        self.path, _, self.query = self.target.partition("?")
        self.headers: dict[str, str] = {}
        while (header := self._file.readline().decode().strip()) != "":
            name, _, value = header.partition(":")
            self.headers[name.lower()] = value.strip()
        self.body = self._read_body()

    def _read_body(self) -> bytes:
        if self.headers.get("transfer-encoding") == "chunked":
            blocks = []
            while size := int(self._file.readline(), 16):
                blocks.append(self._file.read(size))
                self._file.readline()
            self._file.readline()
            return b"".join(blocks)
        return self._file.read(int(self.headers.get("content-length", 0)))

    def close(self) -> None:
        self._file.close()

    def raw(self, data: bytes) -> None:
        self.connection.sendall(data)

    def answer(self, status: int, body: bytes, headers: dict[str, str] | None = None) -> None:
        fields = {"Content-Length": str(len(body)), **(headers or {})}
        head = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
        self.raw(f"HTTP/1.1 {status} X\r\n{head}\r\n".encode() + body)

    def sync(self, metadata: Any, headers: dict[str, str] | None = None) -> None:
        envelope = {"type": "sync", "status": "Success", "status_code": 200, "metadata": metadata}
        self.answer(200, json.dumps(envelope).encode(), headers)

    def operation(self, record: dict[str, Any]) -> None:
        envelope = {"type": "async", "status_code": 100, "operation": "/1.0/operations/x", "metadata": record}
        self.answer(202, json.dumps(envelope).encode())

    def refuse(self, status: int, message: str) -> None:
        envelope = {"type": "error", "error_code": status, "error": message, "metadata": None}
        self.answer(status, json.dumps(envelope).encode())

    def json(self) -> Any:
        return json.loads(self.body)

    def switch(self) -> None:
        """Become a websocket."""
        magic = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
        key = base64.b64encode(hashlib.sha1((self.headers["sec-websocket-key"] + magic).encode()).digest()).decode()
        self.raw(
            f"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            f"Sec-WebSocket-Accept: {key}\r\n\r\n".encode()
        )

    def send_frame(self, opcode: int, payload: bytes, *, final: bool = True) -> None:
        size = len(payload)
        first = (0x80 if final else 0) | opcode
        if size < 126:
            head = struct.pack("!BB", first, size)
        elif size < 65536:
            head = struct.pack("!BBH", first, 126, size)
        else:
            head = struct.pack("!BBQ", first, 127, size)
        self.raw(head + payload)

    def read_frame(self) -> tuple[int, bytes]:
        """A frame from the client; it must be masked."""
        first, second = self._file.read(2)
        size = second & 0x7F
        assert second & 0x80, "a client's frames are masked"
        if size == 126:
            (size,) = struct.unpack("!H", self._file.read(2))
        elif size == 127:
            (size,) = struct.unpack("!Q", self._file.read(8))
        mask, data = self._file.read(4), self._file.read(size)
        return first & 0x0F, bytes(byte ^ mask[at % 4] for at, byte in enumerate(data))


class ApiServer:
    """``requests`` holds what came, in order."""

    def __init__(self, path: Path, handler: Handler, kind: type[Request] = Request) -> None:
        self.kind = kind
        self.path = path
        self.requests: list[Request] = []
        self._handler = handler
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._socket.bind(str(path))
        self._socket.listen(16)
        self._thread = threading.Thread(target=self._accept, daemon=True)
        self._thread.start()
        self.server = Server(f"unix://{path}")

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._socket.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        with connection:
            request = None
            try:
                request = self.kind(connection)
                self.requests.append(request)
                self._handler(request)
            except OSError:
                pass
            finally:
                if request is not None:
                    request.close()

    def close(self) -> None:
        # wakes the thread in accept
        self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        self._thread.join(5)


@contextmanager
def api_server(handler: Handler, kind: type[Request] = Request) -> Iterator[ApiServer]:
    """An :class:`ApiServer` for as long as it is needed."""
    with tempfile.TemporaryDirectory(prefix="api-", dir="/tmp") as folder:
        server = ApiServer(Path(folder) / "unix.socket", handler, kind)
        try:
            yield server
        finally:
            server.close()
