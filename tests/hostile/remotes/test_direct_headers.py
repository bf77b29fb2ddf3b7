"""A web server that answers a HEAD request decides nothing here but which bytes are fetched from where it may."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

import pytest
from tests.fakes import fault_server as faulty
from tests.fakes.fault_server import FaultServer, SniffingPort
from tests.fakes.remote_settings import bring, quick
from tests.fakes.tls_identity import Identity

from azekura.errors import (
    BadAnswer,
    ConnectionFailed,
    FingerprintMismatch,
    Forbidden,
    InvalidRequest,
    NotFound,
    Unsupported,
)
from azekura.model.source import Protocol
from azekura.remotes import open_server
from azekura.remotes.port import ImageServer

TARBALL = b"tarball" * 5000
DIGEST = hashlib.sha256(TARBALL).hexdigest()


@pytest.fixture
def web(identity: Identity) -> Iterator[FaultServer]:
    with FaultServer(identity.server_context()) as server:
        server.serve("/files/image.tar.xz", TARBALL)
        server.serve("/image", b"", LXD_Image_Hash=DIGEST, LXD_Image_URL="/files/image.tar.xz")
        yield server


def opened(web: FaultServer, identity: Identity, path: str = "/image", **changes: object) -> ImageServer:
    return open_server(
        web.url + path,
        Protocol.DIRECT,
        certificate_pem=identity.pem,
        policy=quick(**changes),
        architectures=["x86_64", "i686"],
        user_agent="LXD 5.0.2 (Linux; x86_64)",
    )


def test_the_request_says_what_lxd_says(web: FaultServer, identity: Identity) -> None:
    server = opened(web, identity)
    image = server.resolve("", type=None, architectures=[])
    assert image.known_fingerprint == DIGEST
    assert bring(server, image).bytes_of("unified") == TARBALL
    assert [seen.method for seen in web.seen] == ["HEAD", "GET"]
    asked = web.seen[0].headers
    assert asked["LXD-Server-Architectures"] == "x86_64, i686"
    assert asked["LXD-Server-Version"] == "5.0.2"
    assert asked["User-Agent"] == "LXD 5.0.2 (Linux; x86_64)"


def test_the_status_of_the_head_answer_does_not_matter(web: FaultServer, identity: Identity) -> None:
    web.script("/image", faulty.status(404, LXD_Image_Hash=DIGEST, LXD_Image_URL="/files/image.tar.xz"))
    assert opened(web, identity).resolve("", type=None, architectures=[]).known_fingerprint == DIGEST


@pytest.mark.parametrize(
    ("headers", "words"),
    [
        ({}, "Missing LXD-Image-Hash header"),
        ({"LXD_Image_URL": "/files/image.tar.xz"}, "Missing LXD-Image-Hash header"),
        ({"LXD_Image_Hash": DIGEST}, "Missing LXD-Image-URL header"),
        ({"LXD_Image_Hash": DIGEST[:63], "LXD_Image_URL": "/x"}, "no sha256"),
        ({"LXD_Image_Hash": DIGEST.upper(), "LXD_Image_URL": "/x"}, "no sha256"),
        ({"LXD_Image_Hash": "../../../../etc/cron.d/x", "LXD_Image_URL": "/x"}, "no sha256"),
        ({"LXD_Image_Hash": DIGEST, "LXD_Image_URL": "file:///etc/shadow"}, "no usable URL"),
        ({"LXD_Image_Hash": DIGEST, "LXD_Image_URL": "https://a:b@127.0.0.1/"}, "no usable URL"),
        ({"LXD_Image_Hash": DIGEST, "LXD_Image_URL": "/x y"}, "no usable URL"),
        ({"LXD_Image_Hash": DIGEST, "LXD_Image_URL": "/x\r\n Host: evil"}, "no usable URL"),
        ({"LXD_Image_Hash": DIGEST, "LXD_Image_URL": "/x\x01"}, "control characters"),
    ],
)
def test_headers_that_make_no_sense_are_refused(
    web: FaultServer, identity: Identity, headers: dict[str, str], words: str
) -> None:
    web.script("/image", faulty.status(200, b"", **headers))
    with pytest.raises(BadAnswer, match=words):
        opened(web, identity).resolve("", type=None, architectures=[])


def test_a_hash_of_other_bytes_is_refused(web: FaultServer, identity: Identity) -> None:
    web.serve("/files/image.tar.xz", TARBALL + b"more")
    server = opened(web, identity)
    with pytest.raises(FingerprintMismatch, match="Hash mismatch"):
        bring(server, server.resolve("", type=None, architectures=[]))


def test_a_missing_file_is_said_to_be_missing(web: FaultServer, identity: Identity) -> None:
    del web.resources["/files/image.tar.xz"]
    server = opened(web, identity)
    with pytest.raises(NotFound, match="Unable to fetch"):
        bring(server, server.resolve("", type=None, architectures=[]))


def test_an_endless_file_ends_at_our_limit(web: FaultServer, identity: Identity) -> None:
    web.script("/files/image.tar.xz", *[faulty.endless(50_000_000)] * 3)
    server = opened(web, identity, max_size=1_000_000)
    with pytest.raises(BadAnswer, match="more than the 1000000 bytes allowed"):
        bring(server, server.resolve("", type=None, architectures=[]))


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_an_image_elsewhere_is_not_even_looked_at(web: FaultServer, identity: Identity, scheme: str) -> None:
    with SniffingPort() as sniffer:
        web.script(
            "/image",
            faulty.status(200, LXD_Image_Hash=DIGEST, LXD_Image_URL=f"{scheme}://127.0.0.1:{sniffer.port}/x"),
        )
        with pytest.raises((Forbidden, BadAnswer)):
            opened(web, identity).resolve("", type=None, architectures=[])
    assert sniffer.connections == 0


@pytest.mark.parametrize("path", ["/image", "/files/image.tar.xz"])
def test_a_redirect_elsewhere_is_not_followed(web: FaultServer, identity: Identity, path: str) -> None:
    with SniffingPort() as sniffer:
        web.script(path, *[faulty.redirect(f"https://127.0.0.1:{sniffer.port}/x")] * 9)
        server = opened(web, identity)
        with pytest.raises(Forbidden, match="another server"):
            bring(server, server.resolve("", type=None, architectures=[]))
    assert sniffer.connections == 0


def test_a_host_on_the_allow_list_may_hold_the_image(web: FaultServer, identity: Identity) -> None:
    with FaultServer(identity.server_context()) as other:
        other.serve("/y", TARBALL)
        web.serve("/image", b"", LXD_Image_Hash=DIGEST, LXD_Image_URL=f"https://localhost:{other.port}/y")
        server = open_server(
            web.url + "/image",
            Protocol.DIRECT,
            ca_pem=identity.pem,
            policy=quick(allow_host={"127.0.0.1", "localhost"}.__contains__),
        )
        assert bring(server, server.resolve("", type=None, architectures=[])).fingerprint == DIGEST


def test_the_entry_must_be_on_the_allow_list_too() -> None:
    with SniffingPort() as sniffer:
        server = open_server(
            f"https://127.0.0.1:{sniffer.port}/i", Protocol.DIRECT, policy=quick(allow_host=lambda _: False)
        )
        with pytest.raises(Forbidden):
            server.resolve("", type=None, architectures=[])
    assert sniffer.connections == 0


def test_the_entry_must_be_https() -> None:
    with pytest.raises(InvalidRequest, match="https"):
        open_server("http://127.0.0.1/image", Protocol.DIRECT)


def test_one_hiccup_of_the_head_is_forgiven(web: FaultServer, identity: Identity) -> None:
    web.script("/image", faulty.silence)
    assert opened(web, identity).resolve("", type=None, architectures=[]).fingerprint
    web.script("/image", faulty.silence, faulty.silence)
    with pytest.raises(ConnectionFailed):
        opened(web, identity).resolve("", type=None, architectures=[])


def test_a_direct_url_has_no_list(web: FaultServer, identity: Identity) -> None:
    server = opened(web, identity)
    with pytest.raises(Unsupported):
        server.list()
    with pytest.raises(Unsupported):
        server.aliases()
    with pytest.raises(NotFound, match="Image not found"):
        server.resolve("debian/12", type=None, architectures=[])
