"""The client's connections through a proxy: requests, websockets and a server's certificate, all as tunnels."""

from __future__ import annotations

import base64
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.fakes.connect_proxy import ConnectProxy
from tests.fakes.fault_server import FaultServer
from tests.fakes.tls_identity import Identity, make_identity

from azekura.client.proxy import Proxies, Proxy
from azekura.client.server import Server
from azekura.client.tls import server_certificate
from azekura.errors import AzekuraError, ConnectionFailed, InvalidRequest, Unsupported

HOST = "lxd.example"
ANSWER = b'{"type": "sync", "status": "Success", "status_code": 200, "metadata": {"x": "y"}}'


@pytest.fixture(scope="module")
def identity(tmp_path_factory: pytest.TempPathFactory) -> Identity:
    return make_identity(tmp_path_factory.mktemp("identity"), HOST)


@pytest.fixture
def lxd(identity: Identity) -> Iterator[FaultServer]:
    with FaultServer(identity.server_context()) as web:
        web.serve("/1.0/x", ANSWER)
        yield web


def ask(identity: Identity, proxies: Proxies | None = None) -> object:
    server = Server(f"https://{HOST}:8443", server_certificate=identity.pem, token="only-for-lxd", proxies=proxies)
    try:
        return server.get("x")
    finally:
        server.close()


def test_requests_go_through_a_tunnel_and_the_proxy_sees_none_of_them(lxd: FaultServer, identity: Identity) -> None:
    with ConnectProxy({HOST: lxd.port}) as proxy:
        assert ask(identity, Proxies(https=proxy.url)) == {"x": "y"}
        (head,) = proxy.heads
    assert head.startswith(f"CONNECT {HOST}:8443 HTTP/1.1\r\n")
    assert "only-for-lxd" not in head
    assert b"only-for-lxd" not in proxy.heard
    assert lxd.seen[0].headers["Authorization"] == "Bearer only-for-lxd"


@pytest.mark.parametrize("name", ["HTTPS_PROXY", "https_proxy"])
def test_the_environment_names_the_proxy(
    lxd: FaultServer, identity: Identity, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    for other in ("HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy", "NO_PROXY", "no_proxy"):
        monkeypatch.delenv(other, raising=False)
    with ConnectProxy({HOST: lxd.port}) as proxy:
        monkeypatch.setenv(name, proxy.url)
        assert ask(identity) == {"x": "y"}
        assert server_certificate(HOST, 8443).strip() == identity.pem.strip()
        assert len(proxy.heads) == 2
        monkeypatch.setenv("NO_PROXY", ".example")
        with pytest.raises(ConnectionFailed, match="Unable to connect"):
            ask(identity)
        assert len(proxy.heads) == 2


def test_a_proxy_for_plain_http_alone_is_not_used(identity: Identity) -> None:
    with ConnectProxy({}) as proxy:
        with pytest.raises(ConnectionFailed):
            ask(identity, Proxies(http=proxy.url))
        assert proxy.heads == []


def test_websockets_take_the_tunnel_too(identity: Identity, lxd: FaultServer) -> None:
    with ConnectProxy({HOST: lxd.port}) as proxy:
        server = Server(f"https://{HOST}:8443", server_certificate=identity.pem, proxies=Proxies(https=proxy.url))
        with pytest.raises(AzekuraError):  # that server speaks no websocket, but it was asked
            server.websocket("x")
        server.close()
        assert proxy.heads[0].startswith("CONNECT ")
    assert lxd.seen[0].headers["Upgrade"] == "websocket"


def test_the_proxys_own_password_is_for_the_proxy(lxd: FaultServer, identity: Identity) -> None:
    said = base64.b64encode(b"me:s3cret").decode()
    with ConnectProxy({HOST: lxd.port}, authorization=f"Basic {said}") as proxy:
        assert ask(identity, Proxies(https=proxy.url.replace("//", "//me:s3cret@"))) == {"x": "y"}
        with pytest.raises(ConnectionFailed, match=f"The proxy {proxy.url} refuses .* with status 407"):
            ask(identity, Proxies(https=proxy.url))
    assert "Proxy-Authorization" not in lxd.seen[0].headers


def test_a_proxy_that_leads_to_another_server_is_found_out(
    lxd: FaultServer, identity: Identity, tmp_path: Path
) -> None:
    other = make_identity(tmp_path, HOST)
    with ConnectProxy({HOST: lxd.port}) as proxy, pytest.raises(ConnectionFailed, match="not the one that was trusted"):
        ask(other, Proxies(https=proxy.url))
    assert not lxd.seen
    assert identity.pem != other.pem


@pytest.mark.parametrize(
    ("said", "sentence"),
    [
        (b"", "gave no answer that makes sense"),
        (b"SSH-2.0-OpenSSH\r\n\r\n", "refuses to connect"),
        (b"HTTP/1.1 403 No\r\n\r\n", "with status 403"),
        (b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 10_000, "gave no answer that makes sense"),
    ],
)
def test_a_proxy_that_makes_no_sense_is_named(identity: Identity, said: bytes, sentence: str) -> None:
    def serve(listening: socket.socket) -> None:
        connection, _ = listening.accept()
        with connection:
            connection.recv(1000)
            try:
                connection.sendall(said)
            except OSError:
                return

    with Listener(serve) as port, pytest.raises(ConnectionFailed, match=sentence):
        ask(identity, Proxies(https=f"http://127.0.0.1:{port}"))


class Listener:
    def __init__(self, serve: Callable[[socket.socket], None]) -> None:
        self._socket = socket.create_server(("127.0.0.1", 0))
        self._thread = threading.Thread(target=serve, args=(self._socket,))

    def __enter__(self) -> int:
        self._thread.start()
        return int(self._socket.getsockname()[1])

    def __exit__(self, *_: object) -> None:
        self._thread.join(5)
        self._socket.close()


def test_a_proxy_that_speaks_tls_is_refused_in_one_sentence(identity: Identity) -> None:
    with pytest.raises(Unsupported, match="speaks TLS itself"):
        ask(identity, Proxies(https="https://proxy.example"))


@pytest.mark.parametrize(
    ("text", "proxy"),
    [
        ("proxy.example", Proxy("http", "proxy.example", 80)),
        ("http://Proxy.Example:3128/", Proxy("http", "proxy.example", 3128)),
        ("https://proxy", Proxy("https", "proxy", 443)),
        ("http://[fd00::1]:8080", Proxy("http", "fd00::1", 8080)),
        ("http://me:p%40ss@proxy:1", Proxy("http", "proxy", 1, "me", "p@ss")),
    ],
)
def test_a_proxys_url_is_read(text: str, proxy: Proxy) -> None:
    assert Proxy.parse(text) == proxy


@pytest.mark.parametrize(
    "text", ["", "socks5://x", "http://", "http://x:0", "http://x:99999", "http://x/path", "a b", "http://x\r\ny"]
)
def test_what_is_no_proxys_url_is_refused(text: str) -> None:
    with pytest.raises(InvalidRequest):
        Proxy.parse(text)
