"""/1.0/credentials: given once, used for their server, never shown, not for everybody to see or set."""

from __future__ import annotations

import stat
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.busybox_images import tiny_image
from tests.daemon_process import Daemon
from tests.fakes import fault_server as faulty
from tests.fakes.fault_server import FaultServer
from tests.fakes.image_server import ImageServerFake, Stored
from tests.fakes.streams_tree import StreamsTree
from tests.fakes.tls_identity import Identity, make_identity
from tests.rest import Rest

SECRET = "s3cret-of-a-server"


@pytest.fixture
def identity(identities: Callable[[str], Identity]) -> Identity:
    return identities("image-server")


@pytest.fixture
def web(identity: Identity) -> Iterator[FaultServer]:
    with FaultServer(identity.server_context()) as server:
        yield server


@pytest.fixture(autouse=True)
def clean(rest: Rest) -> Iterator[None]:
    yield
    for server in rest.get("credentials").metadata:
        assert rest.delete(f"credentials?server={server}").status == 200


def copy(rest: Rest, server: str, alias: str, pem: str, protocol: str = "simplestreams") -> Any:
    source = {"type": "image", "mode": "pull", "server": server, "protocol": protocol, "alias": alias}
    return rest.post("images", {"source": {**source, "certificate": pem}})


def test_credentials_are_named_and_never_shown(rest: Rest, daemon: Daemon) -> None:
    assert rest.get("credentials").metadata == []
    answer = rest.put("credentials", {"server": "https://example.org/images/", "bearer": SECRET})
    assert answer.status == 200
    assert SECRET not in answer.body.decode()
    shown = rest.get("credentials")
    assert shown.metadata == ["https://example.org/images"]
    assert SECRET not in shown.body.decode()
    file = daemon.folder / "credentials.json"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert SECRET in file.read_text()
    assert rest.delete("credentials?server=https://example.org/images").status == 200
    assert rest.get("credentials").metadata == []
    assert SECRET not in file.read_text()
    assert rest.delete("credentials?server=https://example.org/images").status == 404


@pytest.mark.parametrize("folder", ["", "/private"])
@pytest.mark.parametrize(
    ("given", "sent"),
    [({"bearer": SECRET}, f"Bearer {SECRET}"), ({"user": "me", "password": "x"}, "Basic bWU6eA==")],
)
def test_they_are_sent_to_their_server_for_it_and_what_is_below(
    rest: Rest,
    web: FaultServer,
    identity: Identity,
    new_image: Callable[[], bytes],
    folder: str,
    given: dict[str, str],
    sent: str,
) -> None:
    tree = StreamsTree()
    tree.unified(tree.product("tiny/1"), "20260101_0000", new_image())
    tree.publish(web, "/private/stream")
    assert rest.put("credentials", {"server": web.url + folder, **given}).status == 200
    rest.done(copy(rest, f"{web.url}/private/stream", "tiny/1", identity.pem))
    assert {seen.headers.get("Authorization") for seen in web.seen} == {sent}


def test_they_are_not_sent_beside_their_folder(
    rest: Rest, web: FaultServer, identity: Identity, new_image: Callable[[], bytes]
) -> None:
    tree = StreamsTree()
    tree.unified(tree.product("tiny/1"), "20260101_0000", new_image())
    tree.publish(web, "/private-not")
    rest.put("credentials", {"server": f"{web.url}/private", "bearer": SECRET})
    rest.done(copy(rest, f"{web.url}/private-not", "tiny/1", identity.pem))
    assert all("Authorization" not in seen.headers for seen in web.seen)


def test_a_client_certificate_opens_a_private_server(
    rest: Rest, identity: Identity, tmp_path: Path, new_image: Callable[[], bytes]
) -> None:
    client = make_identity(tmp_path, "client", ca=True)
    with ImageServerFake(identity.server_context(client_ca=client.certificate)) as server:
        server.add(Stored(new_image(), public=False, aliases=["mine"]))
        assert rest.failed(copy(rest, server.url, "mine", identity.pem, "lxd")) == "Image not found"
        body = {"server": server.url, "certificate": client.pem, "key": client.key_pem}
        assert rest.put("credentials", body).status == 200
        rest.done(copy(rest, server.url, "mine", identity.pem, "lxd"))


def test_an_authority_is_kept_with_them(
    rest: Rest, web: FaultServer, identity: Identity, new_image: Callable[[], bytes]
) -> None:
    tree = StreamsTree()
    tree.unified(tree.product("tiny/1"), "20260101_0000", new_image())
    tree.publish(web)
    assert "isn't trusted" in rest.failed(copy(rest, web.url, "tiny/1", ""))
    assert rest.put("credentials", {"server": web.url, "bearer": SECRET, "ca": identity.pem}).status == 200
    rest.done(copy(rest, web.url, "tiny/1", ""))


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ({}, "name no server"),
        ({"server": "https://example.org"}, "Give a bearer token"),
        ({"server": "http://example.org", "bearer": SECRET}, "over HTTPS alone"),
        ({"server": "example.org", "bearer": SECRET}, "only https and http are"),
        ({"server": f"https://me:{SECRET}@example.org", "bearer": "x"}, "credentials don't belong in it"),
        ({"server": "https://example.org", "user": "me"}, "user and password belong together"),
        ({"server": "https://example.org", "password": SECRET}, "user and password belong together"),
        ({"server": "https://example.org", "key": SECRET}, "certificate and key belong together"),
        ({"server": "https://example.org", "user": "a", "password": SECRET, "bearer": SECRET}, "either a bearer token"),
        ({"server": "https://example.org", "user": "a:b", "password": SECRET}, "can't hold a colon"),
        ({"server": "https://example.org", "bearer": f"{SECRET}\r\nX: y"}, "must be printable"),
        ({"server": "https://example.org", "certificate": "x", "key": SECRET}, "its key can't be used"),
        ({"server": "https://example.org", "bearer": "x", "ca": SECRET}, "Can't use the certificates"),
        ({"server": "https://example.org", "bearer": [SECRET]}, '"bearer" must be a string'),
    ],
)
def test_what_can_not_be_used_is_refused_without_showing_it(rest: Rest, body: dict[str, Any], reason: str) -> None:
    answer = rest.put("credentials", body)
    assert answer.status == 400
    assert reason in answer.error
    assert SECRET not in answer.error
    assert rest.get("credentials").metadata == []


def test_a_certificate_must_fit_its_key(rest: Rest, identities: Callable[[str], Identity]) -> None:
    one, other = identities("one"), identities("other")
    body = {"server": "https://example.org", "certificate": one.pem, "key": other.key_pem}
    assert "its key can't be used" in rest.put("credentials", body).error


def test_only_unrestricted_clients_may_see_or_set_them(
    local: Rest, stranger: Rest, tls_daemon: tuple[Daemon, int], identities: Callable[[str], Identity]
) -> None:
    restricted = identities("restricted-credentials")
    body = {"certificate": restricted.pem, "name": "r", "restricted": True, "projects": ["default"], "type": "client"}
    assert local.post("certificates", body).status == 201
    limited = Rest(port=tls_daemon[1], certificate=(restricted.certificate, restricted.key))
    for caller in (stranger, limited):
        assert caller.get("credentials").status == 403
        assert caller.put("credentials", {"server": "https://example.org", "bearer": "x"}).status == 403
        assert caller.delete("credentials?server=https://example.org").status == 403
    assert local.get("credentials").metadata == []


def test_a_wrong_password_in_a_url_does_not_take_the_right_ones_place(
    rest: Rest, web: FaultServer, identity: Identity, daemon: Daemon
) -> None:
    tree = StreamsTree()
    tree.unified(tree.product("tiny/1"), "20260101_0000", tiny_image())
    tree.publish(web)
    rest.put("credentials", {"server": web.url, "user": "me", "password": SECRET})
    web.script("/streams/v1/index.json", faulty.status(401))
    address = web.url.replace("https://", "https://me:wr0ng@")
    assert "not authorized" in rest.failed(copy(rest, address, "tiny/1", identity.pem))
    assert "wr0ng" not in (daemon.folder / "credentials.json").read_text()
    assert SECRET in (daemon.folder / "credentials.json").read_text()
