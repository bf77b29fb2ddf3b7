"""Plain HTTP to a daemon, as a stranger's program would speak it: nothing is checked, hidden or repaired."""

from __future__ import annotations

import contextlib
import http.client
import json
import socket
import ssl
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from email.message import Message
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Reply:
    """``metadata`` and ``error`` are those of LXD's envelope."""

    status: int
    headers: Message
    body: bytes

    @property
    def envelope(self) -> dict[str, Any]:
        value = json.loads(self.body)
        assert isinstance(value, dict)
        return value

    @property
    def metadata(self) -> Any:
        assert self.status in (200, 201, 202), self.body
        return self.envelope["metadata"]

    @property
    def error(self) -> str:
        envelope = self.envelope
        assert envelope["type"] == "error"
        assert envelope["error_code"] == self.status
        assert envelope["metadata"] is None
        return str(envelope["error"])

    @property
    def etag(self) -> str:
        return self.headers["ETag"] or ""


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: Path, timeout: float) -> None:
        super().__init__("lxd", timeout=timeout)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(str(self._path))


class Rest:
    """One caller of one daemon. Every request has a connection of its own."""

    def __init__(
        self,
        socket_path: Path | None = None,
        *,
        port: int = 0,
        certificate: tuple[Path, Path] | None = None,
        headers: Mapping[str, str] | None = None,
        timeout: float = 60,
    ) -> None:
        self._socket = socket_path
        self._port = port
        self._timeout = timeout
        self._headers = dict(headers or {})
        self._context: ssl.SSLContext | None = None
        if socket_path is None:
            self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            self._context.check_hostname = False
            self._context.verify_mode = ssl.CERT_NONE
            if certificate is not None:
                self._context.load_cert_chain(*certificate)

    def connection(self) -> http.client.HTTPConnection:
        if self._socket is not None:
            return _UnixConnection(self._socket, self._timeout)
        return http.client.HTTPSConnection("127.0.0.1", self._port, context=self._context, timeout=self._timeout)

    def send(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        headers: Mapping[str, str | bytes] | None = None,
        raw: bytes | Iterable[bytes] | None = None,
    ) -> Reply:
        """``body`` goes as JSON, ``raw`` as it is. ``path`` is sent as it stands, below ``/1.0`` unless absolute."""
        fields: dict[str, str | bytes] = {**self._headers, **(headers or {})}
        if body is not None:
            raw = json.dumps(body).encode()
            fields.setdefault("Content-Type", "application/json")
        connection = self.connection()
        try:
            target = path if path.startswith("/") else f"/1.0/{path}"
            connection.putrequest(method, target, skip_accept_encoding=True)
            chunked = raw is not None and not isinstance(raw, bytes)
            if chunked:
                connection.putheader("Transfer-Encoding", "chunked")
            elif "Content-Length" not in fields:
                connection.putheader("Content-Length", str(len(raw)) if isinstance(raw, bytes) else "0")
            for name, value in fields.items():
                connection.putheader(name, value)
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):  # it may answer before it read all
                connection.endheaders(raw, encode_chunked=chunked)
            answer = connection.getresponse()
            return Reply(answer.status, answer.headers, answer.read())
        finally:
            connection.close()

    def get(self, path: str, **headers: str) -> Reply:
        return self.send("GET", path, headers=headers)

    def post(self, path: str, body: Any = None, **more: Any) -> Reply:
        return self.send("POST", path, body, **more)

    def put(self, path: str, body: Any, **more: Any) -> Reply:
        return self.send("PUT", path, body, **more)

    def patch(self, path: str, body: Any, **more: Any) -> Reply:
        return self.send("PATCH", path, body, **more)

    def delete(self, path: str, **more: Any) -> Reply:
        return self.send("DELETE", path, **more)

    def finished(self, reply: Reply) -> dict[str, Any]:
        """The operation that ``reply`` began, at its end."""
        assert reply.status == 202, reply.body
        envelope = reply.envelope
        assert envelope["type"] == "async"
        assert envelope["status_code"] == 100
        assert reply.headers["Location"] == envelope["operation"] == f"/1.0/operations/{envelope['metadata']['id']}"
        operation = self.get(f"{envelope['operation']}/wait?timeout=60").metadata
        assert isinstance(operation, dict)
        assert operation["status_code"] in (200, 400, 401), operation
        return operation

    def done(self, reply: Reply) -> dict[str, Any]:
        """As :meth:`finished`; it must have succeeded. Returns the operation's metadata."""
        operation = self.finished(reply)
        assert operation["status"] == "Success", operation
        return operation["metadata"] or {}

    def failed(self, reply: Reply) -> str:
        """As :meth:`finished`; it must have failed. Returns why."""
        operation = self.finished(reply)
        assert operation["status"] == "Failure", operation
        return str(operation["err"])

    def upload(self, data: bytes, **headers: str) -> Reply:
        """POST a unified image; ``X_LXD_public="1"`` becomes a header."""
        fields = {name.replace("_", "-"): value for name, value in headers.items()}
        return self.post("images", raw=data, headers={"Content-Type": "application/octet-stream", **fields})

    def add_image(self, data: bytes, **headers: str) -> str:
        """Upload and wait; the fingerprint."""
        return str(self.done(self.upload(data, **headers))["fingerprint"])


def form(*parts: tuple[str, str, bytes], boundary: str = "azk0123456789") -> tuple[bytes, dict[str, str]]:
    """A multipart body of (field, file name, bytes) and its headers."""
    body = b"".join(
        f'--{boundary}\r\nContent-Disposition: form-data; name="{field}"; filename="{filename}"\r\n'
        f"Content-Type: application/octet-stream\r\n\r\n".encode()
        + data
        + b"\r\n"
        for field, filename, data in parts
    )
    return body + f"--{boundary}--\r\n".encode(), {"Content-Type": f"multipart/form-data; boundary={boundary}"}


def eventually(condition: Any, seconds: float = 10) -> None:
    """Wait until ``condition()`` holds."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it never came true"
        time.sleep(0.05)
