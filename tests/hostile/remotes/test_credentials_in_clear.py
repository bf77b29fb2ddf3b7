"""No credential leaves in clear, reaches another host, or shows in a message, a value, a file of the cache."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.fakes import fault_server as faulty
from tests.fakes.fault_server import FaultServer, SniffingPort
from tests.fakes.image_server import ImageServerFake, Stored
from tests.fakes.remote_settings import bring, quick
from tests.fakes.streams_tree import StreamsTree
from tests.fakes.tls_identity import Identity, make_identity

from azekura.errors import AzekuraError, BadAnswer, ConnectionFailed, Forbidden, InvalidRequest
from azekura.model.source import Protocol
from azekura.remotes import open_server
from azekura.remotes.credentials import Basic, Bearer, ClientCertificate, Credentials

PASSWORD = "pass-w0rd-in-clear"
TOKEN = "t0ken-in-clear"
INDEX = "/streams/v1/index.json"


@pytest.fixture
def tree() -> StreamsTree:
    tree = StreamsTree()
    tree.split(tree.product("debian/12"), "20260101_0000", b"metadata", squashfs=b"rootfs" * 1000)
    return tree


@pytest.fixture
def web(identity: Identity, tree: StreamsTree) -> Iterator[FaultServer]:
    with FaultServer(identity.server_context()) as server:
        tree.publish(server)
        yield server


@pytest.mark.parametrize("authorization", [Bearer(TOKEN), Basic("user", PASSWORD)])
def test_credentials_reach_their_own_server(
    web: FaultServer, identity: Identity, authorization: Bearer | Basic
) -> None:
    server = open_server(
        web.url, Protocol.SIMPLESTREAMS, certificate_pem=identity.pem, credentials=Credentials(authorization)
    )
    bring(server, server.resolve("debian/12", type=None, architectures=["x86_64"]))
    expected = (
        f"Bearer {TOKEN}"
        if isinstance(authorization, Bearer)
        else f"Basic {base64.b64encode(f'user:{PASSWORD}'.encode()).decode()}"
    )
    assert {seen.headers.get("Authorization") for seen in web.seen} == {expected}


def test_userinfo_becomes_credentials_and_leaves_the_url(web: FaultServer, identity: Identity, tmp_path: Path) -> None:
    address = web.url.replace("https://", f"https://me:{PASSWORD}@")
    warnings: list[str] = []
    server = open_server(
        address,
        Protocol.SIMPLESTREAMS,
        certificate_pem=identity.pem,
        cache_dir=tmp_path,
        policy=quick(retries=0),
        warn=warnings.append,
    )
    assert server.url == web.url
    image = server.resolve("debian/12", type=None, architectures=["x86_64"])
    web.script(INDEX, faulty.status(500))
    server.list()
    assert warnings
    web.script("/" + image.files[0].location, *[faulty.status(403)] * 3)
    with pytest.raises(Forbidden) as caught:
        bring(server, image)
    kept = b"".join(path.read_bytes() + str(path).encode() for path in tmp_path.rglob("*") if path.is_file())
    for text in (repr(vars(server)), repr(image), str(caught.value), repr(caught.value), *warnings):
        assert PASSWORD not in text
    assert PASSWORD.encode() not in kept


def test_plain_http_and_credentials_are_refused_together() -> None:
    for url, credentials in (
        (f"http://me:{PASSWORD}@127.0.0.1:9/", None),
        ("http://127.0.0.1:9/", Credentials(Bearer(TOKEN))),
    ):
        with pytest.raises(InvalidRequest, match="plain HTTP") as caught:
            open_server(url, Protocol.SIMPLESTREAMS, credentials=credentials)
        assert PASSWORD not in str(caught.value)


@pytest.mark.parametrize("path", [INDEX, "/streams/v1/images.json", "file"])
def test_a_redirect_to_plain_http_reaches_nobody(
    web: FaultServer, tree: StreamsTree, identity: Identity, path: str
) -> None:
    with SniffingPort() as sniffer:
        server = open_server(
            web.url,
            Protocol.SIMPLESTREAMS,
            certificate_pem=identity.pem,
            credentials=Credentials(Bearer(TOKEN)),
            policy=quick(),
        )
        image = server.resolve("debian/12", type=None, architectures=["x86_64"])
        path = f"/{image.files[1].location}" if path == "file" else path
        web.script(path, *[faulty.redirect(f"http://127.0.0.1:{sniffer.port}{path}")] * 20)
        with pytest.raises(BadAnswer, match="plain HTTP"):
            open_server(
                web.url, Protocol.SIMPLESTREAMS, certificate_pem=identity.pem, credentials=Credentials(Bearer(TOKEN))
            ).resolve("debian/12", type=None, architectures=[]) if path.endswith(".json") else bring(server, image)
    assert sniffer.connections == 0


def test_image_files_are_never_tried_over_plain_http_first(identity: Identity, tree: StreamsTree) -> None:
    """LXD's own client does (measured); on a port that speaks no TLS everything would be read along."""
    with SniffingPort() as sniffer:
        server = open_server(
            f"https://me:{PASSWORD}@127.0.0.1:{sniffer.port}", Protocol.SIMPLESTREAMS, policy=quick(retries=1)
        )
        with pytest.raises(ConnectionFailed):
            server.resolve("debian/12", type=None, architectures=[])
    assert sniffer.connections
    assert b"GET" not in sniffer.heard
    assert PASSWORD.encode() not in sniffer.heard


def test_a_redirect_to_another_host_drops_the_credentials(
    web: FaultServer, tree: StreamsTree, identity: Identity
) -> None:
    with FaultServer(identity.server_context()) as other:
        tree.publish(other)
        server = open_server(
            web.url,
            Protocol.SIMPLESTREAMS,
            ca_pem=identity.pem,
            credentials=Credentials(Bearer(TOKEN), client=ClientCertificate(identity.pem, identity.key_pem)),
            policy=quick(),
        )
        image = server.resolve("debian/12", type=None, architectures=["x86_64"])
        web.script(f"/{image.files[1].location}", faulty.redirect(f"{other.url}/{image.files[1].location}"))
        bring(server, image)
        assert len(other.seen) == 1
        assert "Authorization" not in other.seen[0].headers
        assert all("Authorization" in seen.headers for seen in web.seen)


def test_a_redirect_to_another_host_must_be_trusted_by_itself(web: FaultServer, identity: Identity) -> None:
    """A pin is one server's: it vouches for no other."""
    with FaultServer(identity.server_context()) as other:
        server = open_server(web.url, Protocol.SIMPLESTREAMS, certificate_pem=identity.pem, policy=quick())
        web.script(INDEX, *[faulty.redirect(f"{other.url}{INDEX}")] * 9)
        with pytest.raises(ConnectionFailed, match="isn't trusted"):
            server.resolve("debian/12", type=None, architectures=[])
        assert not other.seen


def test_an_allow_list_holds_for_every_hop_before_a_packet(
    web: FaultServer, identity: Identity, tree: StreamsTree
) -> None:
    with SniffingPort() as sniffer:
        allowed = quick(allow_host=lambda host: host == "127.0.0.1")
        server = open_server(web.url, Protocol.SIMPLESTREAMS, certificate_pem=identity.pem, policy=allowed)
        web.script(INDEX, *[faulty.redirect(f"https://localhost:{sniffer.port}/x")] * 9)
        with pytest.raises(Forbidden, match="localhost"):
            server.resolve("debian/12", type=None, architectures=[])
        denied = quick(allow_host=lambda _: False)
        server = open_server(f"https://127.0.0.1:{sniffer.port}", Protocol.SIMPLESTREAMS, policy=denied)
        with pytest.raises(Forbidden):
            server.list()
    assert sniffer.connections == 0


def test_another_certificate_than_the_pinned_one_gets_no_request(
    web: FaultServer, tmp_path: Path, identity: Identity
) -> None:
    other = make_identity(tmp_path)
    for protocol in (Protocol.SIMPLESTREAMS, Protocol.LXD):
        server = open_server(
            web.url, protocol, certificate_pem=other.pem, credentials=Credentials(Bearer(TOKEN)), policy=quick()
        )
        with pytest.raises(ConnectionFailed, match="another certificate than the one pinned"):
            server.list()
    assert not web.seen


def test_a_pinned_authority_vouches_for_what_it_signed(tmp_path: Path, tree: StreamsTree) -> None:
    authority = make_identity(tmp_path, "authority", ca=True)
    leaf = make_identity(tmp_path, "leaf", signed_by=authority)
    with FaultServer(leaf.server_context()) as server:
        tree.publish(server)
        opened = open_server(server.url, Protocol.SIMPLESTREAMS, certificate_pem=authority.pem, policy=quick())
        assert len(opened.list()) == 1


def test_a_secret_in_a_query_shows_in_no_message(identity: Identity) -> None:
    with ImageServerFake(identity.server_context()) as server:
        fingerprint = server.add(Stored(b"secret image", public=False))
        server.secrets[TOKEN] = fingerprint
        opened = open_server(server.url, Protocol.LXD, certificate_pem=identity.pem, secret=TOKEN, policy=quick())
        image = opened.resolve(fingerprint, type=None, architectures=[])
        assert bring(opened, image).fingerprint == fingerprint
        path = f"/1.0/images/{fingerprint}/export"
        for fault in (
            faulty.cut(0),
            faulty.silence,
            faulty.status(500),
            faulty.status(404),
            faulty.redirect("http://127.0.0.1:1/"),
        ):
            server.script(path, *[fault] * 9)
            with pytest.raises(AzekuraError) as caught:
                bring(opened, image)
            error: BaseException | None = caught.value
            while error is not None:  # causes end up in logs
                assert TOKEN not in str(error)
                error = error.__cause__ or error.__context__
        assert TOKEN not in opened.url


def test_a_client_certificate_opens_a_private_server(tmp_path: Path, identity: Identity) -> None:
    client = make_identity(tmp_path, "client", ca=True)
    with ImageServerFake(identity.server_context(client_ca=client.certificate)) as server:
        fingerprint = server.add(Stored(b"private image", public=False, aliases=["mine"]))
        guest = open_server(server.url, Protocol.LXD, certificate_pem=identity.pem, policy=quick())
        assert guest.list() == []
        trusted = open_server(
            server.url,
            Protocol.LXD,
            certificate_pem=identity.pem,
            credentials=Credentials(client=ClientCertificate(client.pem, client.key_pem)),
            policy=quick(),
        )
        image = trusted.resolve("mine", type=None, architectures=[])
        assert bring(trusted, image).fingerprint == fingerprint
        assert [alias.name for alias in trusted.aliases()] == ["mine"]


@pytest.mark.parametrize("word", ["", "line\nbreak", "nul\0", "tab\t"])
def test_credentials_that_could_break_a_header_are_refused(word: str) -> None:
    with pytest.raises(InvalidRequest):
        Credentials(Bearer(word))
    with pytest.raises(InvalidRequest):
        Credentials(Basic(word, "x"))


def test_credentials_have_no_visible_form() -> None:
    shown = repr(Credentials(Basic("user", PASSWORD), ClientCertificate("pem", TOKEN), "ca"))
    assert PASSWORD not in shown
    assert TOKEN not in shown
    assert TOKEN not in repr(Bearer(TOKEN))
