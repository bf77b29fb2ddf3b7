"""What the administrator says about servers that images come from, as a daemon acts on it."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.busybox_images import tiny_image
from tests.daemon_process import Daemon, running_daemon
from tests.fakes import fault_server as faulty
from tests.fakes.connect_proxy import ConnectProxy
from tests.fakes.fault_server import FaultServer
from tests.fakes.streams_tree import StreamsTree
from tests.fakes.tls_identity import Identity, make_identity
from tests.rest import Rest

pysequoia = pytest.importorskip("pysequoia")

HOST = "127.0.0.1"
NAME = "images.example"  # known to the proxy alone


@pytest.fixture(scope="module")
def daemon() -> Iterator[Daemon]:
    with running_daemon(environment={"https_proxy": "", "HTTPS_PROXY": "", "no_proxy": ""}) as one:
        yield one


@pytest.fixture
def rest(daemon: Daemon) -> Iterator[Rest]:
    rest = Rest(daemon.folder / "unix.socket")
    yield rest
    assert rest.put("/1.0", {"config": {}}).status == 200
    for url in rest.get("images").metadata:
        rest.done(rest.delete(url))


@pytest.fixture(scope="module")
def identity(tmp_path_factory: pytest.TempPathFactory) -> Identity:
    return make_identity(tmp_path_factory.mktemp("identity"), NAME, ca=True)


@pytest.fixture
def web(identity: Identity) -> Iterator[FaultServer]:
    with FaultServer(identity.server_context()) as server:
        yield server


@pytest.fixture(scope="module")
def key() -> Any:
    return pysequoia.Tsk.generate("Publisher <publisher@example.org>")


def armoured(key: Any) -> str:
    return str(key.extract_certificate())


def signed(key: Any, body: bytes) -> bytes:
    return bytes(pysequoia.sign(key.signer(), body, mode=pysequoia.SignatureMode.CLEAR))


def tree_of(number: int) -> StreamsTree:
    tree = StreamsTree()
    tree.unified(tree.product("tiny/1"), "20260101_0000", tiny_image(number))
    return tree


def said_about(rest: Rest, host: str = HOST, **values: str) -> None:
    """Set ``images.server.HOST.*``."""
    config = {f"images.server.{host}.{name}": value for name, value in values.items()}
    answer = rest.patch("/1.0", {"config": config})
    assert answer.status == 200, answer.body


def copy(rest: Rest, server: str, pem: str = "") -> Any:
    source = {"type": "image", "mode": "pull", "server": server, "protocol": "simplestreams", "alias": "tiny/1"}
    return rest.post("images", {"source": {**source, "certificate": pem}})


def fingerprint(number: int) -> str:
    return hashlib.sha256(tiny_image(number)).hexdigest()


def test_a_signing_key_alone_makes_signatures_a_must(
    rest: Rest, web: FaultServer, identity: Identity, key: Any
) -> None:
    tree = tree_of(1)
    tree.publish(web)
    said_about(rest, signing_key=armoured(key))
    assert "has no signed index, and one is required" in rest.failed(copy(rest, web.url, identity.pem))
    other = pysequoia.Tsk.generate("Other <other@example.org>")
    web.serve("/streams/v1/index.sjson", signed(other, tree.index("streams/v1/images.sjson")))
    web.serve("/streams/v1/images.sjson", signed(other, tree.catalogue()))
    assert "no valid signature by the pinned key" in rest.failed(copy(rest, web.url, identity.pem))
    web.serve("/streams/v1/index.sjson", signed(key, tree.index("streams/v1/images.sjson")))
    web.serve("/streams/v1/images.sjson", signed(key, tree.catalogue()))
    assert rest.done(copy(rest, web.url, identity.pem))["fingerprint"] == fingerprint(1)


def test_signing_can_be_asked_for_only_where_it_is_done(
    rest: Rest, web: FaultServer, identity: Identity, key: Any
) -> None:
    tree_of(2).publish(web)
    said_about(rest, signing_key=armoured(key), signing="if-present")
    assert rest.done(copy(rest, web.url, identity.pem))["fingerprint"] == fingerprint(2)


def test_signatures_that_must_be_there_need_a_key(rest: Rest, web: FaultServer, identity: Identity, key: Any) -> None:
    tree = tree_of(3)
    tree.publish(web)
    web.serve("/streams/v1/index.sjson", signed(key, tree.index("streams/v1/images.sjson")))
    said_about(rest, signing="required")
    assert "takes a pinned key" in rest.failed(copy(rest, web.url, identity.pem))


def test_another_hosts_settings_are_its_own(rest: Rest, web: FaultServer, identity: Identity, key: Any) -> None:
    tree_of(4).publish(web)
    said_about(rest, "example.org", signing_key=armoured(key), mirrors="https://127.0.0.1:9/")
    assert rest.done(copy(rest, web.url, identity.pem))["fingerprint"] == fingerprint(4)


def test_an_authority_of_the_administrators_vouches_for_the_server(
    rest: Rest, web: FaultServer, identity: Identity
) -> None:
    tree_of(5).publish(web)
    assert "isn't trusted" in rest.failed(copy(rest, web.url))
    said_about(rest, ca=identity.pem)
    assert rest.done(copy(rest, web.url))["fingerprint"] == fingerprint(5)


def test_a_mirror_stands_in_for_a_host_that_fails(rest: Rest, web: FaultServer, identity: Identity) -> None:
    tree = tree_of(6)
    tree.publish(web, "/releases")
    path = f"/releases/{next(iter(tree.files))}"
    with FaultServer(identity.server_context()) as mirror:
        tree.publish(mirror, "/copy/of/it/releases")
        said_about(rest, ca=identity.pem, mirrors=f"https://127.0.0.1:9/ {mirror.url}/copy/of/it")
        web.script(path, *[faulty.status(503)] * 20)
        assert rest.done(copy(rest, f"{web.url}/releases"))["fingerprint"] == fingerprint(6)
        assert mirror.paths() == [f"/copy/of/it{path}"]


def test_a_mirror_gets_no_credentials(rest: Rest, web: FaultServer, identity: Identity) -> None:
    tree = tree_of(7)
    tree.publish(web)
    path = f"/{next(iter(tree.files))}"
    with FaultServer(identity.server_context()) as mirror:
        tree.publish(mirror)
        said_about(rest, ca=identity.pem, mirrors=mirror.url)
        web.script(path, *[faulty.status(503)] * 20)
        address = web.url.replace("https://", "https://me:hidden@")
        assert rest.done(copy(rest, address))["fingerprint"] == fingerprint(7)
        assert all("Authorization" in seen.headers for seen in web.seen)
        assert mirror.seen
        assert all("Authorization" not in seen.headers for seen in mirror.seen)


def test_a_mirror_must_be_on_the_allow_list(rest: Rest, web: FaultServer, identity: Identity) -> None:
    tree = tree_of(8)
    tree.publish(web)
    with FaultServer(identity.server_context()) as mirror:
        address = mirror.url.replace("127.0.0.1", "localhost")
        said_about(rest, ca=identity.pem, mirrors=address)
        assert rest.patch("/1.0", {"config": {"images.allowed_servers": "127.*"}}).status == 200
        web.script(f"/{next(iter(tree.files))}", *[faulty.status(503)] * 20)
        assert "localhost" in rest.failed(copy(rest, web.url))
        assert mirror.seen == []


def test_the_proxy_that_is_set_is_used(rest: Rest, web: FaultServer, identity: Identity) -> None:
    tree_of(9).publish(web)
    with ConnectProxy({NAME: web.port}) as proxy:
        assert rest.patch("/1.0", {"config": {"core.proxy_https": proxy.url}}).status == 200
        assert rest.done(copy(rest, f"https://{NAME}", identity.pem))["fingerprint"] == fingerprint(9)
        assert all(head.startswith(f"CONNECT {NAME}:443 ") for head in proxy.heads)
        asked = len(proxy.heads)
        config = {"core.proxy_https": proxy.url, "core.proxy_ignore_hosts": "example"}
        assert rest.patch("/1.0", {"config": config}).status == 200
        said_about(rest, NAME, mirrors="https://127.0.0.1:9/")
        rest.failed(rest.post("images", {"source": {"type": "url", "url": f"https://{NAME}/image"}}))
        assert len(proxy.heads) == asked


def test_the_environments_proxy_is_used_where_none_is_set(identity: Identity, web: FaultServer) -> None:
    tree_of(10).publish(web)
    with (
        ConnectProxy({NAME: web.port}) as proxy,
        running_daemon(environment={"HTTPS_PROXY": "", "https_proxy": proxy.url}) as one,
    ):
        rest = Rest(one.folder / "unix.socket")
        assert rest.done(copy(rest, f"https://{NAME}", identity.pem))["fingerprint"] == fingerprint(10)
        assert proxy.heads


@pytest.mark.parametrize(
    ("key", "value", "reason"),
    [
        ("images.server.example.org.ca", "no PEM", "in PEM form"),
        ("images.server.example.org.signing", "sometimes", "not one of [required if-present off]"),
        ("images.server.example.org.signing_key", "no key", "an armoured OpenPGP public key"),
        (
            "images.server.example.org.signing_key",
            "-----BEGIN PGP PUBLIC KEY BLOCK-----\n\nAAAA\n-----END PGP PUBLIC KEY BLOCK-----\n",
            "is no OpenPGP key",
        ),
        ("images.server.example.org.mirrors", "https://a/ http://b/", "http://b/ is no https:// URL"),
        ("images.server.example.org.mirrors", "https://me:hidden@a/", "credentials don't belong in it"),
        ("images.server.example.org.mirrors", "file:///etc", "only https and http are"),
        ("images.server.Example.org.signing", "off", "no host's name in lower case"),
        ("images.server.a/b.signing", "off", "no host's name in lower case"),
        ("images.server..signing", "off", "no host's name in lower case"),
        ("images.server.signing", "off", "no host's name in lower case"),
        ("images.server.example.org.other", "x", "unknown key"),
        ("core.proxy_https", "socks5://proxy:1", "only https and http are"),
        ("core.proxy_https", "http://me:hidden@proxy:1", "in the daemon's environment"),
        ("core.proxy_http", "https://me:hidden@proxy:1", "https_proxy=https://USER:PASSWORD@HOST:PORT"),
    ],
)
def test_what_can_not_be_is_refused_in_one_sentence(rest: Rest, key: str, value: str, reason: str) -> None:
    answer = rest.patch("/1.0", {"config": {key: value}})
    assert answer.status == 400
    assert answer.error.startswith(f"cannot set '{key}' to '")
    assert reason in answer.error
    assert "\n" not in answer.error
    assert "hidden" not in answer.error
    assert key not in rest.get("/1.0").metadata["config"]


def test_ipv6_hosts_have_settings_too(rest: Rest) -> None:
    said_about(rest, "fd00::1", signing="off")
    assert rest.get("/1.0").metadata["config"] == {"images.server.fd00::1.signing": "off"}


def test_a_key_is_set_from_a_file_with_the_client(daemon: Daemon, rest: Rest, key: Any, tmp_path: Path) -> None:
    daemon.run_lxc("config", "set", "images.server.example.org.signing_key", "-", stdin=armoured(key).encode())
    stored = rest.get("/1.0").metadata["config"]["images.server.example.org.signing_key"]
    assert stored == armoured(key)
    daemon.run_lxc("config", "unset", "images.server.example.org.signing_key")
    assert rest.get("/1.0").metadata["config"] == {}
