"""After every use of a secret a search finds it in no database, log, file, operation, event or answer; only where it
belongs, the 0600 file of credentials. Nothing of it ever crosses the network in clear."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import json
import sqlite3
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from tests.busybox_images import tiny_image
from tests.daemon_process import Daemon, running_daemon
from tests.fakes import fault_server as faulty
from tests.fakes.connect_proxy import ConnectProxy
from tests.fakes.fault_server import FaultServer, SniffingPort
from tests.fakes.image_server import ImageServerFake, Stored
from tests.fakes.streams_tree import StreamsTree
from tests.fakes.tls_identity import Identity, make_identity
from tests.rest import Reply, Rest, eventually

from azekura.client.server import Server

pytestmark = pytest.mark.slow
USER, PASSWORD = "visitor-of-the-stream", "pa55/w0rd of@the:stream"
BEARER = "bearer-t0ken-of-the-stream"
TRUST_PASSWORD = "trust-pa55word"
NAME = "images.example"


@dataclass
class Site:
    """A daemon, all that its API ever answered us, and all events it sent."""

    daemon: Daemon
    rest: Rest
    port: int
    identity: Identity
    answers: list[bytes] = field(default_factory=list)
    events: list[bytes] = field(default_factory=list)

    def heard(self, reply: Reply) -> Reply:
        """Keep what was answered, for the search."""
        self.answers.append(reply.body + str(reply.headers).encode())
        return reply

    def ended(self, reply: Reply) -> dict[str, Any]:
        """The operation that ``reply`` began, at its end."""
        operation = self.rest.finished(self.heard(reply))
        self.answers.append(json.dumps(operation).encode())
        return operation

    def copy(self, server: str, alias: str = "tiny/1", protocol: str = "simplestreams", **more: Any) -> dict[str, Any]:
        source = {"type": "image", "mode": "pull", "server": server, "protocol": protocol, "alias": alias}
        return self.ended(self.rest.post("images", {"source": {**source, "certificate": self.identity.pem, **more}}))


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    identity = make_identity(tmp_path / "identity", NAME)
    with running_daemon() as daemon:
        rest = Rest(daemon.folder / "unix.socket")
        rest.patch("/1.0", {"config": {"core.https_address": "127.0.0.1:0", "core.trust_password": TRUST_PASSWORD}})
        port = int(rest.get("/1.0").metadata["environment"]["addresses"][0].rpartition(":")[2])
        site = Site(daemon, rest, port, identity)
        socket = daemon.server().websocket("events")

        def listen() -> None:
            with contextlib.suppress(Exception):
                while (message := socket.receive()) is not None:
                    site.events.append(message[1])

        listener = threading.Thread(target=listen, daemon=True)
        listener.start()
        yield site
        socket.close()
        listener.join(10)


def forms(secret: str) -> set[bytes]:
    """A secret as it is and as it is often written."""
    data = secret.encode()
    found = {data, data.hex().encode(), quote(secret).encode(), quote(secret, safe="").encode()}
    found.add(json.dumps(secret)[1:-1].encode())
    for lead in (b"", b"x", b"xx"):  # base64 of a text with the secret in it, whatever stands before it
        coded = base64.b64encode(lead + data)
        found.add(coded[4 if lead else 0 : -4])
    return found


def tables(database: Path) -> bytes:
    """All that the database holds, as text."""
    with contextlib.closing(sqlite3.connect(database)) as connection:
        return "\n".join(connection.iterdump()).encode()


def search(site: Site, *secrets: str, answers: bool = True) -> list[str]:
    """Where any of the secrets is found, but for the file of credentials."""
    places: dict[str, bytes] = {"the database's tables": tables(site.daemon.folder / "azekura.db")}
    places["the daemon's output"] = site.daemon.log.read_bytes()
    for path in site.daemon.folder.rglob("*"):
        if path.is_file() and not path.is_symlink() and path.name != "credentials.json":
            places[str(path.relative_to(site.daemon.folder))] = path.read_bytes() + str(path).encode()
    places["events"] = b"\n".join(site.events)
    if answers:
        for address in ("/1.0", "images?recursion=1", "operations?recursion=2", "credentials", "warnings", "tokens"):
            site.heard(site.rest.get(address))
        places["answers"] = b"\n".join(site.answers)
    pid = site.daemon.process.pid if site.daemon.process else 0
    places["the command line"] = Path(f"/proc/{pid}/cmdline").read_bytes()
    return [
        f"{secret} as {form.decode()} in {place}"
        for place, content in places.items()
        for secret in secrets
        for form in forms(secret)
        if form in content
    ]


def published(web: FaultServer, number: int) -> StreamsTree:
    tree = StreamsTree()
    tree.unified(tree.product("tiny/1"), "20260101_0000", tiny_image(number))
    tree.publish(web)
    return tree


def with_userinfo(url: str) -> str:
    return url.replace("https://", f"https://{USER}:{quote(PASSWORD, safe='')}@")


def test_the_search_finds_what_is_there(site: Site) -> None:
    """Or the other tests prove nothing."""
    site.rest.patch("/1.0", {"config": {"user.note": f"see {PASSWORD}"}})
    found = search(site, PASSWORD)
    assert {"the database's tables", "answers"} <= {place.rpartition(" in ")[2] for place in found}
    token = base64.b64encode(json.dumps({"secret": BEARER}).encode()).decode()
    site.rest.patch("/1.0", {"config": {"user.note": token}})
    assert search(site, BEARER)


def test_a_password_in_a_url(site: Site) -> None:
    with FaultServer(site.identity.server_context()) as web:
        published(web, 1)
        operation = site.copy(with_userinfo(web.url))
        assert operation["status"] == "Success"
        expected = "Basic " + base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
        assert {seen.headers.get("Authorization") for seen in web.seen} == {expected}
        image = site.rest.get(f"images/{operation['metadata']['fingerprint']}").metadata
        assert image["update_source"]["server"] == web.url
        assert site.ended(site.rest.post(f"images/{image['fingerprint']}/refresh"))["status"] == "Success"
        assert web.seen[-1].headers.get("Authorization") == expected
    eventually(lambda: site.events)
    assert search(site, PASSWORD, USER) == []
    kept = site.daemon.folder / "credentials.json"
    assert kept.stat().st_mode & 0o777 == 0o600
    assert json.dumps(PASSWORD)[1:-1] in kept.read_text()


@pytest.mark.parametrize(
    "fault", ["401", "403", "500", "cut", "html", "redirect", "other certificate", "not there", "no alias", "evil"]
)
def test_a_password_in_a_url_of_a_server_that_fails(site: Site, fault: str, tmp_path: Path) -> None:
    with FaultServer(site.identity.server_context()) as web, SniffingPort() as sniffer:
        tree = published(web, 2)
        match fault:
            case "401" | "403" | "500":
                web.script("/streams/v1/index.json", *[faulty.status(int(fault))] * 9)
            case "cut":
                web.script(f"/{next(iter(tree.files))}", *[faulty.cut(5)] * 20)
            case "html":
                web.script("/streams/v1/index.json", *[faulty.instead(b"<html>")] * 9)
            case "redirect":
                location = f"http://127.0.0.1:{sniffer.port}/x"
                web.script("/streams/v1/index.json", *[faulty.redirect(location)] * 9)
            case "other certificate":
                web.context = make_identity(tmp_path).server_context()
            case "evil":
                web.resources[f"/{next(iter(tree.files))}"].body = b"x" * len(tiny_image(2))
            case _:
                pass
        address = with_userinfo("https://127.0.0.1:9" if fault == "not there" else web.url)
        operation = site.copy(address, "nosuch/1" if fault == "no alias" else "tiny/1")
        assert operation["status"] == "Failure"
        assert sniffer.connections == 0
    assert search(site, PASSWORD, USER) == []


def test_a_password_in_the_url_of_one_file(site: Site) -> None:
    with FaultServer(site.identity.server_context()) as web:
        config = {"images.server.127.0.0.1.ca": site.identity.pem}
        site.rest.patch("/1.0", {"config": config})
        data = tiny_image(3)
        digest = hashlib.sha256(data).hexdigest()
        web.serve("/image", b"", LXD_Image_Hash=digest, LXD_Image_URL=f"{web.url}/files/image.tar.gz")
        web.serve("/files/image.tar.gz", data)
        order = {"source": {"type": "url", "url": f"{with_userinfo(web.url)}/image"}}
        site.ended(site.rest.post("images", order))
        web.script("/image", faulty.status(403))
        order = {"source": {"type": "url", "url": f"{with_userinfo(web.url)}/other"}}
        assert site.ended(site.rest.post("images", order))["status"] == "Failure"
    assert search(site, PASSWORD, USER) == []


def test_kept_credentials(site: Site) -> None:
    client = make_identity(site.daemon.root / "client", "client", ca=True)
    with ImageServerFake(site.identity.server_context(client_ca=client.certificate)) as server:
        server.add(Stored(tiny_image(4), public=False, aliases=["mine"]))
        body = {"server": server.url, "bearer": BEARER, "certificate": client.pem, "key": client.key_pem}
        assert site.heard(site.rest.put("credentials", body)).status == 200
        assert site.copy(server.url, "mine", "lxd")["status"] == "Success"
        server.script("/1.0/images/aliases/other", *[faulty.status(500)] * 9)
        site.copy(server.url, "other", "lxd")
    key = "".join(client.key_pem.splitlines()[1:-1])
    assert search(site, BEARER, key[:40]) == []


def test_the_secret_of_a_private_image(site: Site) -> None:
    secret = "5ecret-of-a-private-image"
    with ImageServerFake(site.identity.server_context()) as server:
        fingerprint = server.add(Stored(tiny_image(5), public=False))
        server.secrets[secret] = fingerprint
        assert site.copy(server.url, fingerprint, "lxd", secret=secret)["status"] == "Success"
        other = server.add(Stored(tiny_image(6), public=False))
        server.secrets[secret] = other
        server.script(f"/1.0/images/{other}/export", *[faulty.status(500)] * 9)
        assert site.copy(server.url, other, "lxd", secret=secret)["status"] == "Failure"
    assert search(site, secret) == []


def test_the_trust_password(site: Site, tmp_path: Path) -> None:
    client = make_identity(tmp_path, "client")
    joining = Rest(port=site.port, certificate=(client.certificate, client.key))
    wrong = site.heard(joining.post("certificates", {"type": "client", "password": "wr0ng-pa55word"}))
    assert wrong.status == 403
    assert site.heard(joining.post("certificates", {"type": "client", "password": TRUST_PASSWORD})).status == 201
    assert search(site, TRUST_PASSWORD, "wr0ng-pa55word") == []


def test_a_join_token(site: Site, tmp_path: Path) -> None:
    """Who asks for one is told it; nobody else is, and it is nowhere when it was used."""
    reply = site.rest.post("certificates", {"type": "client", "token": True, "name": "newcomer"})
    given = reply.metadata["metadata"]
    secret, token = given["secret"], given["token"]
    assert search(site, secret, token, answers=False) == []
    client = make_identity(tmp_path, "client")
    joining = Rest(port=site.port, certificate=(client.certificate, client.key))
    assert site.heard(joining.post("certificates", {"type": "client", "password": token})).status == 201
    assert search(site, secret, token, answers=False) == []


def test_a_restricted_client_finds_no_join_token(site: Site, tmp_path: Path) -> None:
    """With an unrestricted client's token it would become one."""
    client = make_identity(tmp_path, "restricted")
    body = {"type": "client", "name": "r", "certificate": client.pem, "restricted": True, "projects": ["default"]}
    assert site.rest.post("certificates", body).status == 201
    limited = Rest(port=site.port, certificate=(client.certificate, client.key))
    server = Server(
        f"https://127.0.0.1:{site.port}",
        certificate=client.pem,
        key=client.key_pem,
        server_certificate=site.rest.get("/1.0").metadata["environment"]["certificate"],
    )
    socket = server.websocket("events")
    heard: list[bytes] = []
    socket.settimeout(0.5)
    reply = site.rest.post("certificates", {"type": "client", "token": True, "name": "newcomer"})
    with contextlib.suppress(Exception):
        while (message := socket.receive()) is not None:
            heard.append(message[1])
    socket.close()
    secret = reply.metadata["metadata"]["secret"].encode()
    assert heard
    number = reply.metadata["id"]
    shown = [limited.get(f"operations/{number}"), limited.get("operations?recursion=1")]
    shown.append(limited.get(f"operations/{number}/wait?timeout=0"))
    for text in [*heard, *(one.body for one in shown)]:
        assert secret not in text
        assert b'"token":"' not in text
    assert secret in site.rest.get(f"operations/{number}").body, "the administrator may look it up"


def test_a_read_token(site: Site) -> None:
    given = site.rest.post("tokens", {"name": "reader", "scope": "tiny/*"}).metadata
    reader = Rest(port=site.port, headers={"Authorization": f"Bearer {given['token']}"})
    assert reader.get("images").status == 200
    wrong = Rest(port=site.port, headers={"Authorization": "Bearer azk_wr0ng-read-token"})
    wrong.get("images/nosuch")
    assert search(site, given["token"], "azk_wr0ng-read-token") == []


def test_the_secret_of_a_push(site: Site) -> None:
    data = tiny_image(7)
    fingerprint = hashlib.sha256(data).hexdigest()
    order = {"source": {"type": "image", "mode": "push", "fingerprint": fingerprint}}
    secret = site.rest.post("images", order).metadata["metadata"]["secret"]
    headers = {"X-LXD-secret": secret, "X-LXD-fingerprint": fingerprint}
    site.rest.done(Rest(port=site.port).post("images", raw=data, headers=headers))
    assert search(site, secret, answers=False) == []
    opened = site.rest.post(f"images/{fingerprint}/secret").metadata["metadata"]["secret"]
    assert Rest(port=site.port).get(f"images/{fingerprint}/export?secret={opened}").status == 200
    assert search(site, opened, answers=False) == []


def test_nothing_crosses_the_network_in_clear(site: Site) -> None:
    """A proxy on the way hears all there is to hear."""
    with (
        FaultServer(site.identity.server_context()) as web,
        ConnectProxy({NAME: web.port}) as proxy,
        SniffingPort() as sniffer,
    ):
        published(web, 8)
        site.rest.patch("/1.0", {"config": {"core.proxy_https": proxy.url, "core.proxy_http": proxy.url}})
        assert site.copy(with_userinfo(f"https://{NAME}"))["status"] == "Success"
        site.rest.put("credentials", {"server": f"https://{NAME}", "bearer": BEARER})
        assert site.copy(f"https://{NAME}")["status"] == "Success"
        site.copy(with_userinfo(f"https://127.0.0.1:{sniffer.port}"))
        site.copy(with_userinfo(f"http://127.0.0.1:{sniffer.port}"))
        order = {"source": {"type": "url", "url": with_userinfo(f"http://127.0.0.1:{sniffer.port}/x")}}
        site.ended(site.rest.post("images", order))
        heard = bytes(proxy.heard) + "".join(proxy.heads).encode() + bytes(sniffer.heard)
        assert {seen.headers.get("Authorization", "")[:6] for seen in web.seen} == {"Basic ", "Bearer"}
    assert heard
    for secret in (USER, PASSWORD, BEARER):
        assert not [form for form in forms(secret) if form in heard]
    assert search(site, USER, PASSWORD, BEARER) == []
