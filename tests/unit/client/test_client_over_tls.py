"""The way over TLS: which certificates are believed, what is shown, and both directions of a websocket at once."""

from __future__ import annotations

import os
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from tests.fakes.api_server import Handler, Request
from tests.fakes.tls_identity import Identity, make_identity

from azekura.client.body import file_body
from azekura.client.download import Sink
from azekura.client.server import Server
from azekura.client.tls import fingerprint_of_pem, server_certificate
from azekura.client.websocket import BINARY
from azekura.errors import ConnectionFailed, Forbidden, InvalidRequest


class TlsServer:
    """Serves :class:`Request` handlers on a port of 127.0.0.1; ``shown`` holds the client certificates seen."""

    def __init__(self, identity: Identity, handler: Handler, *, client: Identity | None = None) -> None:
        self._context = identity.server_context(client_ca=client.certificate if client else None)
        self._handler = handler
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port = self._socket.getsockname()[1]
        self.url = f"https://127.0.0.1:{self.port}"
        self.shown: list[bytes | None] = []
        self.requests: list[Request] = []
        self._thread = threading.Thread(target=self._accept, daemon=True)
        self._thread.start()

    def _accept(self) -> None:
        while True:
            try:
                plain, _ = self._socket.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(plain,), daemon=True).start()

    def _serve(self, plain: socket.socket) -> None:
        try:
            with self._context.wrap_socket(plain, server_side=True) as secure:
                self.shown.append(secure.getpeercert(binary_form=True))
                request = Request(secure)
                if request.method:
                    self.requests.append(request)
                    self._handler(request)
                request.close()
        except (OSError, ssl.SSLError):
            plain.close()

    def close(self) -> None:
        self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        self._thread.join(5)


@contextmanager
def tls_server(identity: Identity, handler: Handler, *, client: Identity | None = None) -> Iterator[TlsServer]:
    server = TlsServer(identity, handler, client=client)
    try:
        yield server
    finally:
        server.close()


@pytest.fixture(scope="module")
def identity(tmp_path_factory: pytest.TempPathFactory) -> Identity:
    return make_identity(tmp_path_factory.mktemp("server"))


@pytest.fixture(scope="module")
def other(tmp_path_factory: pytest.TempPathFactory) -> Identity:
    return make_identity(tmp_path_factory.mktemp("other"))


def done(request: Request) -> None:
    request.sync("done", {"Connection": "close"})


def test_pinned_certificate_is_believed_whatever_its_name(identity: Identity) -> None:
    with tls_server(identity, done) as tls:
        server = Server(tls.url, server_certificate=identity.pem)
        assert server.get("x") == "done"
        server.close()


def test_another_certificate_than_the_pinned_one_is_refused_before_anything_is_said(
    identity: Identity, other: Identity
) -> None:
    with tls_server(identity, done) as tls:
        server = Server(tls.url, server_certificate=other.pem, token="secret")
        with pytest.raises(ConnectionFailed, match="not the one that was trusted"):
            server.get("x")
        with pytest.raises(ConnectionFailed, match="not the one that was trusted"):
            server.websocket("events")
        assert tls.requests == []
        server.close()


def test_unknown_certificate_is_refused_without_a_pin(identity: Identity) -> None:
    with tls_server(identity, done) as tls:
        server = Server(tls.url)
        with pytest.raises(ConnectionFailed, match="is not trusted"):
            server.get("x")
        server.close()


def test_client_certificate_and_token_are_shown(identity: Identity, other: Identity) -> None:
    with tls_server(identity, done, client=other) as tls:
        server = Server(
            tls.url,
            certificate=other.pem,
            key=other.key_pem,
            server_certificate=identity.pem,
            token="word",
        )
        assert server.get("x") == "done"
        assert tls.requests[0].headers["authorization"] == "Bearer word"
        assert tls.shown[0] == ssl.PEM_cert_to_DER_cert(other.pem)
        server.close()


def test_refusals_are_the_servers(identity: Identity) -> None:
    with tls_server(identity, lambda request: request.refuse(403, "not authorized")) as tls:
        server = Server(tls.url, server_certificate=identity.pem)
        with pytest.raises(Forbidden, match="not authorized"):
            server.get("x")
        server.close()


def test_uploads_and_downloads_keep_their_bytes(identity: Identity, tmp_path: Path) -> None:
    content = os.urandom(3_000_000)
    (tmp_path / "file").write_bytes(content)

    def echo(request: Request) -> None:
        request.answer(200, request.body, {"Connection": "close"})

    class Kept(Sink):
        data = b""

        def write(self, data: bytes | memoryview) -> None:
            self.data += data

    with tls_server(identity, echo) as tls:
        server = Server(tls.url, server_certificate=identity.pem)
        with (tmp_path / "file").open("rb") as file:
            answer = server.open("POST", "images", body=file_body(file))
        assert answer.read(10_000_000) == content
        answer.close()
        sink = Kept()
        server.download("x", sink)
        assert sink.data == b""
        server.close()


def test_websocket_sends_and_receives_at_the_same_time(identity: Identity) -> None:
    blocks = [os.urandom(200_000) for _ in range(30)]
    received: list[bytes] = []

    def both_ways(request: Request) -> None:
        request.switch()

        def send() -> None:
            for block in blocks:
                request.send_frame(BINARY, block)

        sender = threading.Thread(target=send)
        sender.start()
        for _ in blocks:
            _, data = request.read_frame()
            received.append(data)
        sender.join()
        request.send_frame(8, b"")

    with tls_server(identity, both_ways) as tls:
        server = Server(tls.url, server_certificate=identity.pem)
        channel = server.websocket("x")
        found: list[bytes] = []

        def read() -> None:
            while (message := channel.receive()) is not None:
                found.append(message[1])

        reader = threading.Thread(target=read)
        reader.start()
        for block in blocks:
            channel.send_binary(block)
        reader.join(30)
        channel.close()
        server.close()
    assert found == blocks
    assert received == blocks


def test_server_that_is_not_there_is_told() -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    server = Server(f"https://127.0.0.1:{port}")
    with pytest.raises(ConnectionFailed, match=f"Unable to connect to 127.0.0.1:{port}: Connection refused"):
        server.get("x")
    with pytest.raises(ConnectionFailed, match="Connection refused"):
        server.websocket("x")
    server.close()


def test_certificate_is_fetched_for_the_user_to_judge(identity: Identity) -> None:
    with tls_server(identity, done) as tls:
        pem = server_certificate("127.0.0.1", tls.port)
    assert fingerprint_of_pem(pem) == fingerprint_of_pem(identity.pem)


def test_no_certificate_is_no_certificate(identity: Identity) -> None:
    with pytest.raises(InvalidRequest, match="Not a PEM certificate"):
        fingerprint_of_pem("nonsense")
    with pytest.raises(InvalidRequest, match="can't be used"):
        Server("https://127.0.0.1:1", certificate=identity.pem, key="-----BEGIN PRIVATE KEY-----\nAA==\n")


@pytest.mark.parametrize("url", ["http://x", "ftp://x", "x", "https://"])
def test_other_addresses_are_refused(url: str) -> None:
    with pytest.raises(InvalidRequest):
        Server(url)
