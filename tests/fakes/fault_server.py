"""A real HTTP(S) server on loopback that goes wrong on purpose, as scripted.

``serve`` says what a path holds (served well: Range, If-Range, ETag, HEAD, conditional GET); ``script`` says how the
next answers for it go wrong, one fault per request. ``seen`` is the log of requests with the bytes each was sent.
"""

from __future__ import annotations

import gzip
import hashlib
import socket
import ssl
import struct
import threading
import time
from contextlib import suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Protocol, Self


@dataclass
class Resource:
    body: bytes
    headers: dict[str, str] = field(default_factory=dict)
    etag: str = ""
    ranges: bool = True
    status: int = 200


@dataclass
class Seen:
    """One request, and how many bytes of body were sent in answer."""

    method: str
    path: str
    headers: dict[str, str]
    sent: int = 0


class Fault(Protocol):
    def __call__(self, answer: Answer) -> None: ...


class Answer(BaseHTTPRequestHandler):
    """One connection's handler. Faults write to it as they like."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: Listener
    resource: Resource
    seen: Seen

    def log_message(self, *_: object) -> None:
        pass

    def setup(self) -> None:
        super().setup()
        self.request.settimeout(20)

    def handle(self) -> None:
        with suppress(OSError, ssl.SSLError, ValueError):
            super().handle()

    def do_HEAD(self) -> None:
        self._serve()

    def do_GET(self) -> None:
        self._serve()

    def _serve(self) -> None:
        owner = self.server.owner
        self.seen = Seen(self.command, self.path, dict(self.headers.items()))
        path = self.path.split("?")[0]
        with owner.lock:
            owner.seen.append(self.seen)
            faults = owner.faults.get(path)
            fault = faults.pop(0) if faults else None
        resource = owner.find(self)
        if resource is None and fault is None:
            self.say(404, b"not here")
            return
        self.resource = resource or Resource(b"")
        (fault or well)(self)

    def say(
        self, status: int, body: bytes, headers: dict[str, str] | None = None, *, length: int | None = None
    ) -> None:
        """A whole answer; ``length`` lies about its length."""
        self.begin(status, {"Content-Length": str(len(body) if length is None else length), **(headers or {})})
        self.send(body)

    def begin(self, status: int, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()

    def send(self, data: bytes) -> None:
        if self.command == "HEAD":
            return
        view = memoryview(data)
        while view:
            piece = view[:65536]
            self.seen.sent += len(piece)  # first: the client may look at it as soon as it has the bytes
            self.wfile.write(piece)
            view = view[len(piece) :]

    def hang_up(self, *, reset: bool = False) -> None:
        """Close the connection under the client's hands."""
        self.close_connection = True
        with suppress(OSError):
            self.wfile.flush()
            if reset:
                self.request.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            else:
                socket.socket.shutdown(self.request, socket.SHUT_WR)
        if reset:
            with suppress(OSError):
                self.request.close()

    def wanted(self) -> tuple[int, int] | None:
        """Start and end of the range that a correct server sends; None: all of it."""
        resource = self.resource
        asked = self.headers.get("Range", "")
        if not resource.ranges or not asked.startswith("bytes="):
            return None
        condition = self.headers.get("If-Range")
        if condition and condition not in (resource.etag, resource.headers.get("Last-Modified")):
            return None
        first, _, last = asked[6:].partition("-")
        return int(first), min(int(last or len(resource.body) - 1), len(resource.body) - 1)

    def usual(self) -> tuple[int, dict[str, str], bytes]:
        """Status, headers and body of the right answer."""
        resource = self.resource
        headers = {**resource.headers}
        if resource.etag:
            headers["ETag"] = resource.etag
            if self.headers.get("If-None-Match") == resource.etag:
                return 304, headers, b""
        span = self.wanted()
        if span is None or resource.status != 200:
            return resource.status, {**headers, "Content-Length": str(len(resource.body))}, resource.body
        first, last = span
        if first >= len(resource.body):
            return 416, {"Content-Range": f"bytes */{len(resource.body)}", "Content-Length": "0"}, b""
        part = resource.body[first : last + 1]
        headers["Content-Range"] = f"bytes {first}-{last}/{len(resource.body)}"
        return 206, {**headers, "Content-Length": str(len(part))}, part


def well(answer: Answer) -> None:
    """No fault."""
    status, headers, body = answer.usual()
    answer.begin(status, headers)
    answer.send(body)


def cut(at: int, *, reset: bool = False) -> Fault:
    """Announce all, send ``at`` bytes, hang up."""

    def fault(answer: Answer) -> None:
        status, headers, body = answer.usual()
        answer.begin(status, headers)
        answer.send(body[:at])
        answer.hang_up(reset=reset)

    return fault


def cut_chunked(at: int) -> Fault:
    """As ``cut``, without a length: the chunked coding's end is missing."""

    def fault(answer: Answer) -> None:
        status, headers, body = answer.usual()
        headers.pop("Content-Length")
        answer.begin(status, {**headers, "Transfer-Encoding": "chunked"})
        answer.send(b"%x\r\n" % len(body) + body[:at])
        answer.hang_up()

    return fault


def chunked(answer: Answer) -> None:
    """No fault, but no length either."""
    status, headers, body = answer.usual()
    headers.pop("Content-Length")
    answer.begin(status, {**headers, "Transfer-Encoding": "chunked"})
    for start in range(0, len(body), 10_000):
        piece = body[start : start + 10_000]
        answer.send(b"%x\r\n" % len(piece) + piece + b"\r\n")
    answer.send(b"0\r\n\r\n")


def stall(at: int, seconds: float = 15.0) -> Fault:
    """Send ``at`` bytes, then nothing for a while."""

    def fault(answer: Answer) -> None:
        status, headers, body = answer.usual()
        answer.begin(status, headers)
        answer.send(body[:at])
        answer.wfile.flush()
        answer.server.owner.closing.wait(seconds)
        answer.hang_up()

    return fault


def trickle(piece: int, every: float) -> Fault:
    """Send all, ``piece`` bytes at a time."""

    def fault(answer: Answer) -> None:
        status, headers, body = answer.usual()
        answer.begin(status, headers)
        for start in range(0, len(body), piece):
            if answer.server.owner.closing.is_set():
                return
            answer.send(body[start : start + piece])
            answer.wfile.flush()
            time.sleep(every)

    return fault


def ignore_range(answer: Answer) -> None:
    """200 where 206 was asked for."""
    answer.say(200, answer.resource.body, {"ETag": answer.resource.etag} if answer.resource.etag else {})


def wrong_range(answer: Answer) -> None:
    """206 with another range than was asked for."""
    span = answer.wanted()
    body = answer.resource.body
    first = (span[0] if span else 0) + 7
    answer.say(206, body[first:], {"Content-Range": f"bytes {first}-{len(body) - 1}/{len(body)}"})


def mislabelled_range(answer: Answer) -> None:
    """206 with the right label and other bytes."""
    span = answer.wanted()
    body = answer.resource.body
    first = span[0] if span else 0
    wrong = bytes(byte ^ 1 for byte in body[first:])
    headers = {"Content-Range": f"bytes {first}-{len(body) - 1}/{len(body)}"}
    answer.say(206 if span else 200, wrong, headers if span else {})


def status(code: int, body: bytes = b"", /, **headers: str) -> Fault:
    def fault(answer: Answer) -> None:
        answer.say(code, body, {name.replace("_", "-"): value for name, value in headers.items()})

    return fault


def changed_to(body: bytes) -> Fault:
    """The file is another one from now on, under another ETag."""

    def fault(answer: Answer) -> None:
        resource = answer.resource
        resource.body = body
        resource.etag = f'"{hashlib.md5(body, usedforsecurity=False).hexdigest()}"'
        well(answer)

    return fault


def wrong_length(difference: int) -> Fault:
    """Announce another length than is sent."""

    def fault(answer: Answer) -> None:
        body = answer.resource.body
        answer.say(200, body, length=len(body) + difference)
        answer.hang_up()

    return fault


def instead(body: bytes, content_type: str = "text/html") -> Fault:
    """Something else, with all the signs of success."""

    def fault(answer: Answer) -> None:
        answer.say(200, body, {"Content-Type": content_type})

    return fault


def gzipped(answer: Answer) -> None:
    """The right bytes in gzip's coding, though nobody asked; ranges count coded bytes, as they must."""
    answer.resource = coded(answer.resource)
    well(answer)


def coded(resource: Resource) -> Resource:
    """``resource`` under the content coding gzip."""
    return Resource(gzip.compress(resource.body, mtime=0), {"Content-Encoding": "gzip"}, '"coded"')


def truncated_gzip(answer: Answer) -> None:
    body = gzip.compress(answer.resource.body)
    answer.say(200, body[: len(body) // 2], {"Content-Encoding": "gzip"})


def endless(limit: int) -> Fault:
    """Chunked, and never the end (but for ``limit`` bytes)."""

    def fault(answer: Answer) -> None:
        answer.begin(200, {"Transfer-Encoding": "chunked"})
        piece = b"x" * 65536
        for _ in range(limit // len(piece)):
            answer.send(b"10000\r\n" + piece + b"\r\n")

    return fault


def raw(data: bytes) -> Fault:
    """Exactly these bytes as the whole answer, headers and all."""

    def fault(answer: Answer) -> None:
        answer.wfile.write(data)
        answer.hang_up()

    return fault


def redirect(location: str, code: int = 302) -> Fault:
    return status(code, b"", Location=location)


def silence(answer: Answer) -> None:
    """Hang up without a word."""
    answer.hang_up()


class Listener(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = True
    request_queue_size = 64
    owner: FaultServer

    def handle_error(self, *_: object) -> None:
        pass

    def get_request(self) -> tuple[Any, Any]:
        connection, address = self.socket.accept()
        if self.owner.context is not None:
            # the handshake is done by the handler's thread, at its first read
            connection.settimeout(20)
            connection = self.owner.context.wrap_socket(connection, server_side=True, do_handshake_on_connect=False)
        return connection, address


class FaultServer:
    """Use in ``with``. ``context`` None: plain HTTP."""

    def __init__(self, context: ssl.SSLContext | None = None) -> None:
        self.context = context
        self.resources: dict[str, Resource] = {}
        self.faults: dict[str, list[Fault]] = {}
        self.seen: list[Seen] = []
        self.lock = threading.Lock()
        self.closing = threading.Event()
        self._listener = Listener(("127.0.0.1", 0), Answer)
        self._listener.owner = self
        self._thread = threading.Thread(
            target=self._listener.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True
        )

    @property
    def port(self) -> int:
        return int(self._listener.server_address[1])

    @property
    def url(self) -> str:
        return f"{'https' if self.context else 'http'}://127.0.0.1:{self.port}"

    def serve(self, path: str, body: bytes, *, etag: str | None = None, ranges: bool = True, **headers: str) -> None:
        """``path`` holds ``body``. ``etag``: quoted; None makes one of the body, empty: none is sent."""
        made = f'"{hashlib.md5(body, usedforsecurity=False).hexdigest()}"'
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        self.resources[path] = Resource(body, named, made if etag is None else etag, ranges)

    def find(self, answer: Answer) -> Resource | None:
        """What the request's path holds; None: nothing."""
        return self.resources.get(answer.path.split("?")[0])

    def script(self, path: str, *faults: Fault) -> None:
        self.faults[path] = list(faults)

    def sent(self, path: str) -> int:
        """Bytes of body sent for ``path`` in all."""
        return sum(seen.sent for seen in self.seen if seen.path.split("?")[0] == path)

    def paths(self) -> list[str]:
        return [seen.path for seen in self.seen]

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.closing.set()
        self._listener.shutdown()
        self._listener.server_close()
        self._thread.join()


class SniffingPort:
    """A plain TCP port that answers nothing useful and keeps all that comes."""

    def __init__(self) -> None:
        self.heard = bytearray()
        self.connections = 0
        self._socket = socket.create_server(("127.0.0.1", 0))
        self._thread = threading.Thread(target=self._listen, daemon=True)

    @property
    def port(self) -> int:
        return int(self._socket.getsockname()[1])

    def _listen(self) -> None:
        while True:
            try:
                connection, _ = self._socket.accept()
            except OSError:
                return
            self.connections += 1
            with connection, suppress(OSError):
                connection.settimeout(0.5)
                while data := connection.recv(65536):
                    self.heard += data
                    if b"\r\n\r\n" in self.heard:
                        connection.sendall(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
                        break

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        with suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        self._thread.join()
