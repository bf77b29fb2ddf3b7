"""Proxies: which one a request takes, and that TLS stays between us and the remote whatever the proxy does."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.fakes.connect_proxy import ConnectProxy
from tests.fakes.fault_server import FaultServer
from tests.fakes.remote_settings import bring, quick
from tests.fakes.streams_tree import StreamsTree
from tests.fakes.tls_identity import Identity, make_identity

from azekura.client.proxy import Proxies, Proxy
from azekura.errors import ConnectionFailed, Forbidden, InvalidRequest
from azekura.model.source import Protocol
from azekura.remotes import open_server
from azekura.remotes.credentials import Bearer, Credentials
from azekura.remotes.port import ImageServer
from azekura.remotes.urls import Url

HOST = "images.example"
TOKEN = "t0ken-through-the-proxy"


def found(proxies: Proxies, url: str) -> Proxy | None:
    origin = Url.parse(url).origin
    return proxies.proxy_for(origin.scheme, origin.host)


@pytest.mark.parametrize(
    ("url", "ignore", "direct"),
    [
        ("https://example.org/x", "", False),
        ("https://localhost/x", "", True),
        ("https://127.3.2.1:8443/x", "", True),
        ("https://[::1]/x", "", True),
        ("https://10.0.0.1/x", "", False),
        ("https://example.org/x", "*", True),
        ("https://example.org/x", "other.org, EXAMPLE.org", True),
        ("https://a.example.org/x", "example.org", True),
        ("https://a.example.org/x", ".example.org", True),
        ("https://example.org/x", ".example.org", True),
        ("https://notexample.org/x", "example.org", False),
        ("https://example.org:8443/x", "example.org:443", True),
        ("https://10.0.0.1/x", "10.0.0.1", True),
        ("https://[fd00::1]/x", "[fd00::1]:443", True),
        ("https://[fd00::1]/x", "fd00::1", True),
        ("https://example.org/x", ", ,", False),
        ("https://10.1.2.3/x", "192.168.0.0/16, 10.0.0.0/8", True),
        ("https://10.1.2.3/x", "10.2.0.0/16", False),
        ("https://[fd00::1]/x", "fd00::/8", True),
        ("https://example.org/x", "10.0.0.0/8, 1/2/3", False),
    ],
)
def test_hosts_are_ignored_as_lxd_ignores_them(url: str, ignore: str, direct: bool) -> None:
    proxies = Proxies(https="http://proxy:3128", ignore=ignore)
    assert (found(proxies, url) is None) is direct


def test_one_schemes_proxy_is_not_used_for_the_other() -> None:
    proxies = Proxies(https="proxy.example:3128")
    one = found(proxies, "https://example.org/")
    assert one is not None
    assert str(one) == "http://proxy.example:3128"
    assert found(proxies, "http://example.org/") is None


def test_the_environment_fills_what_is_not_set() -> None:
    environment = {"HTTPS_PROXY": "http://env:1", "http_proxy": "http://lower:1", "no_proxy": "example.org"}
    proxies = Proxies.of(https="http://set:1", environment=environment)
    assert (proxies.http, proxies.https, proxies.ignore) == ("http://lower:1", "http://set:1", "example.org")
    assert Proxies.of(environment={}) == Proxies()


def test_a_proxys_password_does_not_show() -> None:
    proxies = Proxies(https="http://me:hidden@proxy:1")
    assert "hidden" not in repr(proxies)
    assert "hidden" not in repr(found(proxies, "https://example.org"))
    with pytest.raises(InvalidRequest, match="no proxy's URL") as caught:
        found(Proxies(https="socks://me:hidden@proxy:1"), "https://example.org")
    assert "hidden" not in str(caught.value)


@pytest.fixture(scope="module")
def identity(tmp_path_factory: pytest.TempPathFactory) -> Identity:
    return make_identity(tmp_path_factory.mktemp("proxied"), HOST)


@pytest.fixture
def web(identity: Identity) -> Iterator[FaultServer]:
    tree = StreamsTree()
    tree.split(tree.product("debian/12"), "20260101_0000", b"metadata", squashfs=b"rootfs" * 50_000)
    with FaultServer(identity.server_context()) as server:
        tree.publish(server)
        yield server


def opened(proxy: ConnectProxy, *, pin: str | None = None, ca: str | None = None, **more: object) -> ImageServer:
    policy = quick(proxies=Proxies(http=proxy.url, https=proxy.url), retries=0, **more)
    return open_server(
        f"https://{HOST}",
        Protocol.SIMPLESTREAMS,
        certificate_pem=pin,
        ca_pem=ca,
        credentials=Credentials(Bearer(TOKEN)),
        policy=policy,
    )


@pytest.mark.parametrize("pinned", [True, False])
def test_https_goes_through_the_proxy_as_a_tunnel(web: FaultServer, identity: Identity, pinned: bool) -> None:
    with ConnectProxy({HOST: web.port}) as proxy:
        server = opened(proxy, **{"pin" if pinned else "ca": identity.pem})
        image = server.resolve("debian/12", type=None, architectures=["x86_64"])
        assert bring(server, image).fingerprint == image.known_fingerprint
        assert {head.split(" HTTP/")[0] for head in proxy.heads} == {f"CONNECT {HOST}:443"}
        assert TOKEN not in "".join(proxy.heads)
        assert TOKEN.encode() not in proxy.heard
        assert b"GET" not in proxy.heard
    assert {seen.headers["Authorization"] for seen in web.seen} == {f"Bearer {TOKEN}"}
    assert {seen.headers["Host"] for seen in web.seen} == {HOST}


def test_a_proxy_that_leads_elsewhere_is_found_out_by_the_pin(
    web: FaultServer, tmp_path: Path, identity: Identity
) -> None:
    other = make_identity(tmp_path, HOST)
    with ConnectProxy({HOST: web.port}) as proxy:
        with pytest.raises(ConnectionFailed, match="another certificate than the one pinned"):
            opened(proxy, pin=other.pem).list()
        with pytest.raises(ConnectionFailed, match="isn't trusted"):
            opened(proxy, ca=other.pem).list()
        with pytest.raises(ConnectionFailed, match="isn't trusted"):
            opened(proxy).list()
    assert not web.seen
    assert identity.pem != other.pem


def test_the_name_in_the_certificate_counts_behind_a_proxy(web: FaultServer, identity: Identity) -> None:
    with ConnectProxy({"other.example": web.port}) as proxy:
        server = open_server(
            "https://other.example",
            Protocol.SIMPLESTREAMS,
            ca_pem=identity.pem,
            policy=quick(proxies=Proxies(https=proxy.url), retries=0),
        )
        with pytest.raises(ConnectionFailed, match="isn't trusted"):
            server.list()
    assert not web.seen


def test_a_proxy_that_refuses_is_named(identity: Identity) -> None:
    with ConnectProxy({}, refuse="403 Go\x07away") as proxy:
        with pytest.raises(ConnectionFailed) as caught:
            opened(proxy, pin=identity.pem).list()
        assert str(caught.value) == (
            f"Failed to connect to https://{HOST} through the proxy {proxy.url}: it refuses, with status 403"
        )


def test_a_proxy_that_is_not_there_is_named(identity: Identity) -> None:
    with ConnectProxy({}) as proxy:
        gone = proxy.url
    with pytest.raises(ConnectionFailed, match=f"through the proxy {gone}: connection refused"):
        open_server(
            f"https://{HOST}",
            Protocol.SIMPLESTREAMS,
            certificate_pem=identity.pem,
            policy=quick(proxies=Proxies(https=gone), retries=0),
        ).list()


def test_the_allow_list_is_asked_for_the_server_not_the_proxy(web: FaultServer, identity: Identity) -> None:
    with ConnectProxy({HOST: web.port}) as proxy:
        assert len(opened(proxy, pin=identity.pem, allow_host=lambda host: host == HOST).list()) == 1
        asked = len(proxy.heads)
        with pytest.raises(Forbidden):
            opened(proxy, pin=identity.pem, allow_host=lambda host: host == "127.0.0.1").list()
        assert len(proxy.heads) == asked


def test_a_proxy_gets_its_own_credentials_and_no_others(web: FaultServer, identity: Identity) -> None:
    expected = "Basic " + base64.b64encode(b"me:pass word").decode()
    with ConnectProxy({HOST: web.port}, authorization=expected) as proxy:
        address = proxy.url.replace("http://", "http://me:pass%20word@")
        server = open_server(
            f"https://{HOST}",
            Protocol.SIMPLESTREAMS,
            certificate_pem=identity.pem,
            policy=quick(proxies=Proxies(https=address), retries=0),
        )
        assert len(server.list()) == 1
        with pytest.raises(ConnectionFailed, match="status 407"):
            opened(proxy, pin=identity.pem).list()
    assert all("Proxy-Authorization" not in seen.headers for seen in web.seen)


def test_plain_http_is_asked_of_the_proxy_with_the_whole_url() -> None:
    tree = StreamsTree()
    tree.unified(tree.product("debian/12"), "20260101_0000", b"unified image")
    with FaultServer() as web, ConnectProxy({HOST: web.port}) as proxy:
        tree.publish(web)
        server = open_server(
            f"http://{HOST}", Protocol.SIMPLESTREAMS, policy=quick(proxies=Proxies(http=proxy.url), retries=0)
        )
        image = server.resolve("debian/12", type=None, architectures=["x86_64"])
        assert bring(server, image).bytes_of("unified") == b"unified image"
        assert all(head.startswith(f"GET http://{HOST}/") for head in proxy.heads)
        assert {seen.headers["Host"] for seen in web.seen} == {HOST}
