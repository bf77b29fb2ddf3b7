"""Becoming trusted, being a stranger, and being refused, over TLS on loopback."""

from __future__ import annotations

import json
import shutil
import socket
import ssl
import subprocess
import tempfile
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from tests.busybox_images import images
from tests.daemon_process import Daemon, running_daemon
from tests.fakes.real_lxd import RealLxd
from tests.interop.seats import GO_LXC, OUR_LXC, Seat, fingerprint, join_token, seat_at, url_of

pytestmark = [pytest.mark.interop, pytest.mark.root]


@pytest.fixture(scope="module", params=["go-lxc at our lxd", "our lxc at real lxd", "our lxc at our lxd"])
def admin(request: pytest.FixtureRequest) -> Iterator[Seat]:
    """The daemon's administrator; ``visitor`` uses the same program."""
    client, daemon = request.param.split(" at ")
    where: Daemon | RealLxd = request.getfixturevalue("real" if daemon == "real lxd" else "ours")
    seat = seat_at(where, GO_LXC if client == "go-lxc" else OUR_LXC, "admin-" + client.replace(" ", "-"))
    seat.empty()
    yield seat
    seat.empty()
    forget_everybody(seat)


def forget_everybody(admin: Seat) -> None:
    server = admin.server()
    for path in server.get("/1.0/certificates"):
        server.delete(path)
    server.close()


@pytest.fixture
def visitor(admin: Seat) -> Iterator[Seat]:
    """A client with no certificate and no remotes yet, at a daemon that has no images and knows nobody."""
    admin.empty()
    forget_everybody(admin)
    folder = Path(tempfile.mkdtemp(prefix="azk-visitor."))
    yield replace(admin, config=folder)
    shutil.rmtree(folder)


def test_password_makes_a_client_trusted_until_it_is_removed(admin: Seat, visitor: Seat) -> None:
    url = url_of(admin)
    assert "not authorized" in visitor.fails("remote", "add", "far", url, "--accept-certificate", "--password", "x")
    admin.lxc("config", "set", "core.trust_password", "open sesame")
    assert "not authorized" in visitor.fails("remote", "add", "far", url, "--accept-certificate", "--password", "x")
    out = visitor.lxc("remote", "add", "far", url, "--accept-certificate", "--password", "open sesame")
    assert "Client certificate now trusted by server: far" in out
    assert f"far,{url},lxd,tls,NO,NO,NO" in visitor.lxc("remote", "list", "-f", "csv")
    assert visitor.lxc("list", "far:", "-f", "csv") == ""
    (row,) = admin.lxc("config", "trust", "list", "-f", "csv").splitlines()
    kind, _, _, start = row.split(",")[:4]
    assert kind == "client"
    assert visitor.lxc("config", "trust", "list", "far:", "-f", "csv").splitlines() == [row]
    admin.lxc("config", "trust", "remove", start)
    assert "not authorized" in visitor.fails("list", "far:").lower()
    admin.lxc("config", "unset", "core.trust_password")


def test_token_makes_one_client_trusted(admin: Seat, visitor: Seat) -> None:
    token = join_token(admin, "laptop")
    assert "laptop" in admin.lxc("config", "trust", "list-tokens", "-f", "csv")
    visitor.lxc("remote", "add", "far", token)
    assert "laptop" in admin.lxc("config", "trust", "list", "-f", "csv")
    assert "laptop" not in admin.lxc("config", "trust", "list-tokens", "-f", "csv")
    assert visitor.lxc("image", "list", "far:", "-f", "csv") == ""
    visitor.lxc("remote", "switch", "far")
    assert visitor.lxc("remote", "get-default") == "far\n"
    folder = Path(tempfile.mkdtemp(prefix="azk-visitor."))
    try:
        other = replace(visitor, config=folder)
        assert other.run("remote", "add", "far", token).code == 1, "a token is used once"
    finally:
        shutil.rmtree(folder)


def test_revoked_token_is_worth_nothing(admin: Seat, visitor: Seat) -> None:
    token = join_token(admin, "tablet")
    admin.lxc("config", "trust", "revoke-token", "tablet")
    assert visitor.run("remote", "add", "far", token).code == 1
    assert "tablet" not in admin.lxc("config", "trust", "list", "-f", "csv")


def test_public_remote_shows_public_images_only(admin: Seat, visitor: Seat, tmp_path: Path) -> None:
    shown = fingerprint(admin.lxc("image", "import", str(images() / "unified.tar.gz"), "--alias", "seen", "--public"))
    parts = str(images() / "meta.tar.gz"), str(images() / "rootfs.squashfs")
    hidden = fingerprint(admin.lxc("image", "import", *parts, "--alias", "unseen"))
    visitor.lxc("remote", "add", "far", url_of(admin), "--accept-certificate", "--public")
    assert visitor.lxc("image", "list", "far:", "-f", "csv", "-c", "F").strip() == shown
    assert f"Fingerprint: {shown}" in visitor.lxc("image", "info", "far:seen")
    visitor.lxc("image", "export", "far:seen", str(tmp_path / "got"))
    assert (tmp_path / "got.tar.gz").read_bytes() == (images() / "unified.tar.gz").read_bytes()
    for reference in ("unseen", hidden, hidden[:12]):
        assert "not found" in visitor.fails("image", "info", f"far:{reference}")
        assert "not found" in visitor.fails("image", "export", f"far:{reference}", str(tmp_path / "no"))
    assert visitor.fails("list", "far:") == "The remote isn't a private LXD server"
    admin.empty()


def test_restricted_client_uses_but_does_not_administer(admin: Seat, visitor: Seat) -> None:
    name = fingerprint(admin.lxc("image", "import", str(images() / "unified.tar.gz"), "--alias", "un"))
    visitor.lxc("remote", "add", "far", join_token(admin, "guest", "--restricted", "--projects", "default"))
    listed = visitor.lxc("query", "far:/1.0/images?project=default")
    assert json.loads(listed) == [f"/1.0/images/{name}"] or name in listed
    for words in (
        ("config", "set", "far:", "images.remote_cache_expiry", "1"),
        ("storage", "create", "far:more", "dir"),
        ("query", "-X", "POST", "-d", '{"type": "client", "name": "friend", "token": true}', "far:/1.0/certificates"),
    ):
        assert "not authorized" in visitor.fails(*words).lower(), words
    assert "friend" not in admin.lxc("config", "trust", "list-tokens", "-f", "csv")
    admin.empty()


# -- our edge alone


@pytest.fixture(scope="module")
def edge(ours: Daemon) -> Seat:
    return seat_at(ours, OUR_LXC, "edge")


def port_of(admin: Seat) -> int:
    return int(url_of(admin).rpartition(":")[2])


def curl(url: str, *words: str) -> tuple[int, str]:
    done = subprocess.run(
        ["curl", "-sk", "--max-time", "10", "-w", "\n%{http_code}", *words, url], capture_output=True, text=True
    )
    body, _, code = done.stdout.rpartition("\n")
    return int(code), body


def test_stranger_cannot_tell_a_private_image_from_none(edge: Seat) -> None:
    edge.empty()
    shown = fingerprint(edge.lxc("image", "import", str(images() / "unified.tar.gz"), "--alias", "seen", "--public"))
    parts = str(images() / "meta.tar.gz"), str(images() / "rootfs.squashfs")
    hidden = fingerprint(edge.lxc("image", "import", *parts, "--alias", "unseen"))
    absent = hidden[:32] + "0" * 32
    base = url_of(edge)
    code, body = curl(f"{base}/1.0/images")
    assert (code, json.loads(body)["metadata"]) == (200, [f"/1.0/images/{shown}"])
    assert [one["fingerprint"] for one in json.loads(curl(f"{base}/1.0/images?recursion=1")[1])["metadata"]] == [shown]
    for path in ("images/{}", "images/{}/export", "images/{}?secret=" + "0" * 64):
        private, none = (curl(f"{base}/1.0/" + path.format(name)) for name in (hidden, absent))
        assert private[0] == none[0] == 404
        assert private[1] == none[1].replace(absent, hidden)
    private, none = (curl(f"{base}/1.0/images/aliases/{name}") for name in ("unseen", "nosuch"))
    assert private == none
    assert private[0] == 404
    for path in ("instances", "images/aliases", "operations", "certificates", "profiles", "events", "storage-pools"):
        assert curl(f"{base}/1.0/{path}")[0] == 403, path
    untrusted = json.loads(curl(f"{base}/1.0")[1])["metadata"]
    assert untrusted["auth"] == "untrusted"
    assert "environment" not in untrusted
    assert "config" not in untrusted
    edge.empty()


def test_requests_that_a_browser_sends_for_another_site_are_refused(edge: Seat) -> None:
    assert curl(f"{url_of(edge)}/1.0/images", "-H", "Sec-Fetch-Site: cross-site")[0] == 403
    assert curl(f"{url_of(edge)}/1.0/images", "-H", "Sec-Fetch-Site: same-origin")[0] == 200


def test_plain_http_on_the_tls_port_is_answered_at_once(edge: Seat) -> None:
    begun = time.monotonic()
    with socket.create_connection(("127.0.0.1", port_of(edge)), timeout=5) as connection:
        connection.sendall(b"GET /1.0 HTTP/1.1\r\nHost: x\r\n\r\n")
        answer = connection.recv(1000)
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert b"HTTPS" in answer
    assert time.monotonic() - begun < 2


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_both_tls_versions_are_spoken_and_no_older_one(edge: Seat, version: ssl.TLSVersion) -> None:
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.minimum_version = context.maximum_version = version
    with (
        socket.create_connection(("127.0.0.1", port_of(edge)), timeout=5) as connection,
        context.wrap_socket(connection) as spoken,
    ):
        assert (
            spoken.version()
            == {
                ssl.TLSVersion.TLSv1_2: "TLSv1.2",
                ssl.TLSVersion.TLSv1_3: "TLSv1.3",
            }[version]
        )
        cipher = spoken.cipher()
        assert cipher is not None
        assert "ECDHE" in cipher[0] or version is ssl.TLSVersion.TLSv1_3


@pytest.mark.parametrize("program", [GO_LXC, OUR_LXC], ids=["go-lxc", "our lxc"])
def test_changed_server_certificate_is_refused(program: tuple[str, ...]) -> None:
    with running_daemon() as daemon:
        with socket.create_server(("127.0.0.1", 0)) as free:
            address = f"127.0.0.1:{free.getsockname()[1]}"
        daemon.lxc("config", "set", "core.https_address", address)
        seat = seat_at(daemon, program, "pinned")
        seat.lxc("remote", "add", "far", f"https://{address}", "--accept-certificate", "--public")
        assert seat.lxc("image", "list", "far:", "-f", "csv") == ""
        daemon.stop()
        for name in ("server.crt", "server.key"):
            (daemon.folder / name).unlink()
        daemon.start()
        refusal = seat.fails("image", "list", "far:")
        assert "certificate" in refusal
        if program is OUR_LXC:
            assert "is not the one that was trusted" in refusal


def test_a_clients_name_may_come_from_standard_input(admin: Seat) -> None:
    forget_everybody(admin)
    admin.lxc("config", "trust", "add", "-q", stdin=b"laptop\n")
    listed = json.loads(admin.lxc("config", "trust", "list-tokens", "-f", "json"))
    assert [one["ClientName"] for one in listed] == ["laptop"]
    admin.lxc("config", "trust", "revoke-token", "laptop")


def new_certificate(folder: Path, name: str) -> str:
    """Made in ``folder``; its PEM."""
    subprocess.run(
        f"openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-384 -nodes -keyout {folder}/{name}.key "
        f"-out {folder}/{name}.crt -days 2 -subj /CN={name}".split(),
        check=True,
        capture_output=True,
    )
    return (folder / f"{name}.crt").read_text()


@pytest.mark.parametrize("restricted", [True, False])
def test_a_client_puts_another_certificate_in_the_place_of_its_own(
    admin: Seat, visitor: Seat, restricted: bool
) -> None:
    words = ("--restricted", "--projects", "default") if restricted else ()
    visitor.lxc("remote", "add", "far", join_token(admin, "rotating", *words))
    (row,) = json.loads(admin.lxc("config", "trust", "list", "-f", "json"))
    order = json.dumps({"certificate": new_certificate(visitor.config, "next")})
    path = f"/1.0/certificates/{row['fingerprint']}"
    if restricted:
        changes: tuple[dict[str, object], ...] = ({"restricted": False}, {"name": "other"}, {"projects": []})
        for change in changes:
            said = visitor.fails("query", "-X", "PATCH", "-d", json.dumps(change), f"far:{path}")
            assert "Only the certificate can be changed" in said
    visitor.lxc("query", "-X", "PATCH", "-d", order, f"far:{path}")
    assert "not authorized" in visitor.fails("list", "far:").lower()
    for end in ("crt", "key"):
        (visitor.config / f"next.{end}").replace(visitor.config / f"client.{end}")
    assert visitor.lxc("list", "far:", "-f", "csv") == ""
    (changed,) = json.loads(admin.lxc("config", "trust", "list", "-f", "json"))
    assert changed["fingerprint"] != row["fingerprint"]
    kept = ("name", "restricted", "projects")
    assert [changed[key] for key in kept] == [row[key] for key in kept]


def test_nobody_changes_the_certificate_of_another(admin: Seat, visitor: Seat) -> None:
    visitor.lxc("remote", "add", "far", join_token(admin, "guest", "--restricted", "--projects", "default"))
    new_certificate(visitor.config, "friend")
    admin.lxc("config", "trust", "add", str(visitor.config / "friend.crt"))
    trusted = json.loads(admin.lxc("config", "trust", "list", "-f", "json"))
    (friend,) = (one["fingerprint"] for one in trusted if one["name"] == "friend.crt")
    order = json.dumps({"certificate": new_certificate(visitor.config, "evil")})
    visitor.fails("query", "-X", "PATCH", "-d", order, f"far:/1.0/certificates/{friend}")
    assert friend in admin.lxc("config", "trust", "list", "-f", "json")
