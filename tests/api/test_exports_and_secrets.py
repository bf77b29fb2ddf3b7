"""GET …/export: the very bytes, in ranges and conditionally; and who may have them over the network."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable
from email import message_from_bytes
from urllib.parse import quote

import pytest
from tests.api.split_images import split_pair
from tests.busybox_images import tiny_image
from tests.daemon_process import Daemon
from tests.fakes.tls_identity import Identity
from tests.rest import Rest, eventually, form

NewImage = Callable[[], bytes]


def test_a_unified_export_is_the_upload(rest: Rest, new_image: NewImage) -> None:
    data = new_image()
    image = rest.add_image(data, X_LXD_filename='evil"; filename=/etc/passwd')
    answer = rest.get(f"images/{image}/export")
    assert answer.status == 200
    assert answer.body == data
    assert answer.headers["Content-Type"] == "application/octet-stream"
    assert answer.headers["Content-Length"] == str(len(data))
    assert answer.headers["Content-Disposition"] == f"inline;filename={image}.tar.gz"


def test_head_tells_the_size_without_the_bytes(rest: Rest, new_image: NewImage) -> None:
    data = new_image()
    image = rest.add_image(data)
    answer = rest.send("HEAD", f"images/{image}/export")
    assert answer.status == 200
    assert answer.body == b""
    assert answer.headers["Content-Length"] == str(len(data))
    assert rest.send("HEAD", "images/nosuch/export").status == 404


@pytest.mark.parametrize(
    ("wanted", "first", "last"), [("bytes=0-9", 0, 10), ("bytes=100-", 100, None), ("bytes=-7", -7, None)]
)
def test_ranges_are_served(rest: Rest, new_image: NewImage, wanted: str, first: int, last: int | None) -> None:
    data = new_image()
    image = rest.add_image(data)
    answer = rest.get(f"images/{image}/export", Range=wanted)
    assert answer.status == 206
    assert answer.body == data[first:last]
    assert answer.headers["Content-Range"].endswith(f"/{len(data)}")


@pytest.mark.parametrize("wanted", ["bytes=999999-", "bytes=5-2", "bytes=a-b", "lines=1-2", "bytes=-", "bytes=0-1,5-6"])
def test_ranges_that_cannot_be_are_refused_or_ignored(rest: Rest, new_image: NewImage, wanted: str) -> None:
    data = new_image()
    image = rest.add_image(data)
    answer = rest.get(f"images/{image}/export", Range=wanted)
    assert answer.status in (200, 400, 416)
    if answer.status == 200:
        assert answer.body == data


def test_conditional_requests_spare_the_bytes(rest: Rest, new_image: NewImage) -> None:
    data = new_image()
    image = rest.add_image(data)
    first = rest.get(f"images/{image}/export")
    assert first.etag
    unchanged = rest.send("GET", f"images/{image}/export", headers={"If-None-Match": first.etag})
    assert unchanged.status == 304
    assert unchanged.body == b""
    resumed = rest.send("GET", f"images/{image}/export", headers={"Range": "bytes=10-", "If-Range": first.etag})
    assert resumed.status == 206
    assert resumed.body == data[10:]
    anew = rest.send("GET", f"images/{image}/export", headers={"Range": "bytes=10-", "If-Range": '"other"'})
    assert anew.status == 200
    assert anew.body == data


def test_a_split_export_is_a_form_with_both_files(rest: Rest, unique: str) -> None:
    metadata, rootfs = split_pair(int(unique[1:]))
    body, headers = form(("metadata", "meta.tar", metadata), ("rootfs", "root.tar", rootfs))
    image = rest.done(rest.post("images", raw=body, headers=headers))["fingerprint"]
    answer = rest.get(f"images/{image}/export")
    assert answer.status == 200
    assert answer.headers["Content-Length"] == str(len(answer.body))
    parsed = message_from_bytes(b"Content-Type: " + answer.headers["Content-Type"].encode() + b"\r\n\r\n" + answer.body)
    names = [part.get_param("name", header="content-disposition") for part in parsed.walk()][1:]
    assert names == ["metadata", "rootfs"]
    assert [part.get_filename() for part in parsed.walk()][1:] == [f"meta-{image}.tar", f"{image}.tar"]
    assert metadata in answer.body
    assert rootfs in answer.body
    head = rest.send("HEAD", f"images/{image}/export")
    assert head.headers["Content-Length"] == answer.headers["Content-Length"]
    assert head.body == b""


def test_a_downloader_that_hangs_up_does_no_harm(daemon: Daemon, rest: Rest, new_image: NewImage) -> None:
    import socket

    image = rest.add_image(new_image())
    for _ in range(5):
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(str(daemon.folder / "unix.socket"))
            client.sendall(f"GET /1.0/images/{image}/export HTTP/1.1\r\nHost: lxd\r\n\r\n".encode())
    assert rest.get(f"images/{image}/export").status == 200


# -- over the network


def add_over(local: Rest, number: int, **headers: str) -> str:
    data = tiny_image(number)
    found = local.get(f"images/{hashlib.sha256(data).hexdigest()}")
    return str(found.metadata["fingerprint"]) if found.status == 200 else local.add_image(data, **headers)


@pytest.fixture
def private(local: Rest) -> str:
    return add_over(local, 500001, X_LXD_aliases="alias=private/one")


@pytest.fixture
def public(local: Rest) -> str:
    return add_over(local, 500002, X_LXD_aliases="alias=public/one", X_LXD_public="1")


def test_strangers_see_public_images_only(stranger: Rest, private: str, public: str) -> None:
    assert stranger.get("images").metadata == [f"/1.0/images/{public}"]
    assert [one["fingerprint"] for one in stranger.get("images?recursion=1").metadata] == [public]
    assert stranger.get(f"images?filter=fingerprint%20eq%20{private}").metadata == []
    assert stranger.get("images?deleted=1").metadata == []
    assert stranger.get(f"images/{public[:8]}").metadata["fingerprint"] == public
    assert stranger.get(f"images/{public}/export").body == tiny_image(500002)
    assert stranger.get("images/aliases/public/one").metadata["target"] == public
    assert stranger.get("images/resolve?reference=public/one").metadata["fingerprint"] == public


def test_what_strangers_may_not_see_answers_as_what_is_not_there(stranger: Rest, private: str) -> None:
    absent = "f" * 64
    for there, gone in (
        (f"images/{private}", f"images/{absent}"),
        (f"images/{private[:6]}", f"images/{absent[:6]}"),
        (f"images/{private}/export", f"images/{absent}/export"),
        (f"images/{private}?secret=x", f"images/{absent}?secret=x"),
        (f"images/{private}?secret=%FF", f"images/{absent}?secret=%FF"),
        (f"images/{private}/export?secret=x", f"images/{absent}/export?secret=x"),
        ("images/aliases/private/one", "images/aliases/private/two"),
        ("images/resolve?reference=private/one", "images/resolve?reference=private/two"),
        (f"images/resolve?reference={private}", f"images/resolve?reference={absent}"),
    ):
        first, second = stranger.get(there), stranger.get(gone)
        assert first.status == second.status == 404, there
        assert first.body == second.body, there


def test_strangers_may_change_and_list_nothing(stranger: Rest, local: Rest, public: str) -> None:
    for method, path, body in (
        ("POST", "images", {"source": {"type": "url", "url": "https://127.0.0.1:1"}}),
        ("PUT", f"images/{public}", {}),
        ("PATCH", f"images/{public}", {}),
        ("DELETE", f"images/{public}", None),
        ("POST", f"images/{public}/secret", {}),
        ("POST", f"images/{public}/pin", {}),
        ("POST", f"images/{public}/refresh", {}),
        ("POST", f"images/{public}/export", {}),
        ("GET", f"images/{public}/used-by", None),
        ("GET", "images/aliases", None),
        ("POST", "images/aliases", {}),
        ("PUT", "images/aliases/public/one", {}),
        ("DELETE", "images/aliases/public/one", None),
        ("GET", "images/usage", None),
        ("POST", "images/prune", {}),
        ("GET", "instances", None),
        ("GET", "profiles", None),
        ("GET", "storage-pools", None),
        ("GET", "operations", None),
        ("GET", "certificates", None),
        ("GET", "tokens", None),
        ("GET", "events", None),
        ("PUT", "/1.0", {}),
        ("PUT", "/internal/shutdown", {}),
        ("GET", "/internal/ready", None),
    ):
        answer = stranger.send(method, path, body)
        assert answer.status == 403, (method, path, answer.body)
        assert answer.error == "not authorized"
    assert stranger.upload(tiny_image(1)).status == 403
    assert local.get(f"images/{public}").status == 200


def test_strangers_are_told_little_about_the_server(stranger: Rest) -> None:
    view = stranger.get("/1.0").metadata
    assert view["auth"] == "untrusted"
    assert "config" not in view
    assert "environment" not in view
    assert stranger.get("/").metadata == ["/1.0"]


def test_a_secret_opens_a_private_image_once(local: Rest, stranger: Rest, private: str) -> None:
    operation = local.post(f"images/{private}/secret").envelope["metadata"]
    assert operation["class"] == "token"
    secret = operation["metadata"]["secret"]
    other = add_over(local, 500003)
    assert stranger.get(f"images/{other}?secret={secret}").status == 404
    assert stranger.get(f"images/{private}?secret={secret[:-1]}").status == 404
    assert stranger.get(f"images/{private}?secret={secret}").metadata["fingerprint"] == private
    assert stranger.get(f"images/{private}/export?secret={secret}").body == tiny_image(500001)
    time.sleep(5.2)
    assert stranger.get(f"images/{private}?secret={secret}").status == 404
    assert stranger.get(f"images/{private}/export?secret={secret}").status == 404


def test_the_operation_of_a_used_secret_ends(local: Rest, stranger: Rest, private: str) -> None:
    operation = local.post(f"images/{private}/secret").envelope["metadata"]
    assert stranger.get(f"images/{private}?secret={operation['metadata']['secret']}").status == 200
    eventually(lambda: local.get(f"operations/{operation['id']}").metadata["status"] != "Running")


def test_a_secret_for_one_thing_opens_no_other(local: Rest, stranger: Rest, private: str) -> None:
    download = local.post(f"images/{private}/secret").envelope["metadata"]
    join = local.post("certificates", {"type": "client", "name": "x", "token": True}).envelope["metadata"]
    data = tiny_image(500013)
    fingerprint = hashlib.sha256(data).hexdigest()
    upload = local.post("images", {"source": {"type": "image", "mode": "push", "fingerprint": fingerprint}})
    for operation in (download, join):
        for wanted in (private, fingerprint):
            secret = operation["metadata"]["secret"]
            assert stranger.upload(data, X_LXD_secret=secret, X_LXD_fingerprint=wanted).status == 403
    for operation in (join, upload.envelope["metadata"]):
        assert stranger.get(f"images/{private}?secret={operation['metadata']['secret']}").status == 404
    for operation in (download, join, upload.envelope["metadata"]):
        assert local.get(f"operations/{operation['id']}").metadata["status"] == "Running"
        assert local.delete(f"operations/{operation['id']}").status == 200


def test_a_cancelled_secret_opens_nothing(local: Rest, stranger: Rest, private: str) -> None:
    operation = local.post(f"images/{private}/secret").envelope["metadata"]
    assert local.delete(f"operations/{operation['id']}").status == 200
    assert stranger.get(f"images/{private}?secret={operation['metadata']['secret']}").status == 404


def test_secrets_are_neither_in_the_log_nor_in_the_database(
    tls_daemon: tuple[Daemon, int], local: Rest, stranger: Rest, private: str
) -> None:
    secret = local.post(f"images/{private}/secret").envelope["metadata"]["metadata"]["secret"]
    token = local.post("tokens", {"name": "t", "scope": "no/*"}).metadata["token"]
    stranger.get(f"images/{private}?secret={secret}")
    folder = tls_daemon[0].folder
    for path in (tls_daemon[0].log, *folder.glob("azekura.db*")):
        content = path.read_bytes()
        assert secret.encode() not in content, path
        assert token.encode() not in content, path


def test_a_read_token_opens_what_its_scope_names(
    tls_daemon: tuple[Daemon, int], local: Rest, private: str, public: str
) -> None:
    other = add_over(local, 500004, X_LXD_aliases="alias=private2")
    made = local.post("tokens", {"name": "ci", "scope": "private/*"})
    assert made.status == 201
    assert made.headers["Location"] == f"/1.0/tokens/{made.metadata['id']}"
    listed = {one["id"]: one for one in local.get("tokens").metadata}
    assert listed[made.metadata["id"]]["scope"] == "private/*"
    assert "token" not in listed[made.metadata["id"]]
    bearer = Rest(port=tls_daemon[1], headers={"Authorization": f"Bearer {made.metadata['token']}"})
    assert {one["fingerprint"] for one in bearer.get("images?recursion=1").metadata} == {private, public}
    assert bearer.get(f"images/{private}/export").body == tiny_image(500001)
    assert bearer.get("images/aliases/private/one").metadata["target"] == private
    assert bearer.get(f"images/{other}").status == 404
    assert bearer.delete(f"images/{private}").status == 403
    assert bearer.get("images/aliases").status == 403
    assert local.delete(f"tokens/{made.metadata['id']}").status == 200
    assert bearer.get(f"images/{private}").status == 404
    assert local.delete(f"tokens/{made.metadata['id']}").status == 404


def test_a_read_token_expires(tls_daemon: tuple[Daemon, int], local: Rest, private: str) -> None:
    past = local.post("tokens", {"name": "old", "scope": "*", "expires_at": "2001-01-01T00:00:00Z"}).metadata["token"]
    bearer = Rest(port=tls_daemon[1], headers={"Authorization": f"Bearer {past}"})
    assert bearer.get(f"images/{private}").status == 404


@pytest.mark.parametrize("body", [{}, {"scope": ""}, {"scope": 7}, {"scope": "*", "expires_at": "x"}])
def test_tokens_that_make_no_sense_are_refused(local: Rest, body: dict[str, object]) -> None:
    assert local.post("tokens", body).status == 400


@pytest.mark.parametrize("value", ["", "Bearer", "Bearer ", "Basic eA==", "Bearer \xff", "Bearer " + "x" * 4000])
def test_credentials_that_are_none_make_a_stranger(tls_daemon: tuple[Daemon, int], private: str, value: str) -> None:
    one = Rest(port=tls_daemon[1], headers={"Authorization": value})
    assert one.get(f"images/{private}").status == 404


def test_an_image_pushed_with_a_secret_is_taken_once(local: Rest, stranger: Rest) -> None:
    data = tiny_image(500010)
    fingerprint = hashlib.sha256(data).hexdigest()
    asked = local.post(
        "images",
        {
            "source": {"type": "image", "mode": "push", "fingerprint": fingerprint},
            "properties": {"k": "v"},
            "public": True,
        },
    )
    assert asked.status == 202
    operation = asked.envelope["metadata"]
    secret = operation["metadata"]["secret"]
    assert stranger.upload(data, X_LXD_secret="wrong", X_LXD_fingerprint=fingerprint).status == 403
    assert stranger.upload(data, X_LXD_secret=secret).status == 403
    assert stranger.upload(data, X_LXD_secret=secret, X_LXD_fingerprint="0" * 64).status == 403
    raw = stranger.post("images", raw=data, headers={"X-LXD-secret": b"\xff\xfe", "X-LXD-fingerprint": fingerprint})
    assert raw.status == 403
    sent = stranger.upload(data, X_LXD_secret=secret, X_LXD_fingerprint=fingerprint)
    assert sent.status == 202
    eventually(lambda: local.get(f"images/{fingerprint}").status == 200)
    image = local.get(f"images/{fingerprint}").metadata
    assert image["public"]
    assert image["properties"]["k"] == "v"
    assert stranger.upload(data, X_LXD_secret=secret, X_LXD_fingerprint=fingerprint).status == 403


def test_a_pusher_that_sends_other_bytes_is_refused(local: Rest, stranger: Rest) -> None:
    fingerprint = hashlib.sha256(tiny_image(500011)).hexdigest()
    asked = local.post("images", {"source": {"type": "image", "mode": "push", "fingerprint": fingerprint}})
    secret = asked.envelope["metadata"]["metadata"]["secret"]
    wrong = tiny_image(500012)
    sent = stranger.upload(wrong, X_LXD_secret=secret, X_LXD_fingerprint=fingerprint)
    assert sent.status == 202
    operation = local.get(f"{sent.envelope['operation']}/wait?timeout=20").metadata
    assert operation["status"] == "Failure"
    assert local.get(f"images/{fingerprint}").status == 404
    assert local.get(f"images/{hashlib.sha256(wrong).hexdigest()}").status == 404


# -- trust


def client(tls_daemon: tuple[Daemon, int], identity: Identity) -> Rest:
    return Rest(port=tls_daemon[1], certificate=(identity.certificate, identity.key))


def test_a_certificate_is_trusted_and_its_removal_takes_effect_at_once(
    tls_daemon: tuple[Daemon, int], local: Rest, private: str, identities: Callable[[str], Identity]
) -> None:
    identity = identities("alice")
    alice = client(tls_daemon, identity)
    assert alice.get(f"images/{private}").status == 404
    pem = identity.pem
    added = local.post("certificates", {"type": "client", "name": "alice", "certificate": pem})
    assert added.status == 201
    location = added.headers["Location"]
    assert alice.get(f"images/{private}").status == 200
    assert alice.get("/1.0").metadata["auth"] == "trusted"
    shown = local.get(location)
    assert shown.metadata["name"] == "alice"
    assert shown.metadata["certificate"] == pem
    assert location in local.get("certificates").metadata
    assert shown.metadata in local.get("certificates?recursion=1").metadata
    again = local.post("certificates", {"type": "client", "name": "alice", "certificate": pem})
    assert again.status == 409
    assert again.error == "Certificate already in trust store"
    assert local.patch(location, {"name": "bob"}).status == 200
    assert local.get(location).metadata["name"] == "bob"
    assert local.put(location, {"name": "carol", "restricted": True, "projects": ["default"]}).status == 200
    assert alice.get(f"images/{private}").status == 200
    assert alice.get("certificates").status == 403
    assert alice.post("profiles", {"name": "x"}).status == 403
    assert alice.get(location).metadata["restricted"]
    assert local.delete(location).status == 200
    assert alice.get(f"images/{private}").status == 404
    assert local.delete(location).status == 404


@pytest.mark.parametrize(
    "certificate",
    ["rubbish", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----", "\ud800", "é", "A" * 70_000, "=", "\0"],
)
def test_certificates_that_are_none_are_refused(local: Rest, certificate: str) -> None:
    answer = local.post("certificates", {"type": "client", "certificate": certificate})
    assert answer.status in (400, 413)
    assert answer.error


def test_the_trust_password_adds_a_certificate_and_wrong_ones_are_slowed_down(
    tls_daemon: tuple[Daemon, int], local: Rest, identities: Callable[[str], Identity]
) -> None:
    dave = client(tls_daemon, identities("dave"))
    assert dave.post("certificates", {"type": "client", "password": ""}).status == 403
    assert local.patch("/1.0", {"config": {"core.trust_password": "sesame é"}}).status == 200
    assert local.get("/1.0").metadata["config"]["core.trust_password"] == "true"
    assert dave.post("certificates", {"type": "client", "password": "\ud800"}).status in (400, 403)
    assert dave.post("certificates", {"type": "client", "password": "wrong"}).status == 403
    added = dave.post("certificates", {"type": "client", "password": "sesame é", "name": "dave"})
    assert added.status == 201
    assert dave.get("/1.0").metadata["auth"] == "trusted"
    eve = client(tls_daemon, identities("eve"))
    answers = [eve.post("certificates", {"type": "client", "password": "wrong"}) for _ in range(7)]
    assert {answer.status for answer in answers} == {403}
    assert "too many wrong passwords" in answers[-1].error
    assert eve.post("certificates", {"type": "client", "password": "sesame é"}).status == 403
    assert local.patch("/1.0", {"config": {"core.trust_password": ""}}).status == 200


def test_a_stranger_without_a_certificate_cannot_be_trusted(local: Rest, stranger: Rest) -> None:
    token = local.post("certificates", {"type": "client", "name": "nobody", "token": True}).envelope["metadata"]
    answer = stranger.post("certificates", {"type": "client", "password": token["metadata"]["token"]})
    assert answer.status == 400
    assert answer.error == "No client certificate provided"


@pytest.mark.parametrize("field", ["password", "trust_token"])  # LXD 5.0's, and that of later LXDs and Incus
def test_a_join_token_adds_one_certificate_once(
    tls_daemon: tuple[Daemon, int], local: Rest, identities: Callable[[str], Identity], field: str
) -> None:
    import base64
    import json

    asked = local.post("certificates", {"type": "client", "name": "frank", "token": True, "restricted": True})
    assert asked.status == 202
    operation = asked.envelope["metadata"]
    assert operation["class"] == "token"
    assert operation["metadata"]["request"] == {"name": "frank"}
    token = operation["metadata"]["token"]
    decoded = json.loads(base64.b64decode(token))
    assert decoded["client_name"] == "frank"
    assert decoded["addresses"] == [f"127.0.0.1:{tls_daemon[1]}"]
    assert decoded["secret"] == operation["metadata"]["secret"]
    frank = client(tls_daemon, identities("frank"))
    added = frank.post("certificates", {"type": "client", "name": "ignored", field: token})
    assert added.status == 201
    shown = local.get(added.headers["Location"]).metadata
    assert shown["name"] == "frank"
    assert shown["restricted"]
    grace = client(tls_daemon, identities("grace"))
    assert grace.post("certificates", {"type": "client", field: token}).status == 403
    assert local.delete(added.headers["Location"]).status == 200
    assert local.get(f"operations/{operation['id']}").metadata["status"] != "Running"


def test_a_cancelled_join_token_adds_nothing(
    tls_daemon: tuple[Daemon, int], local: Rest, identities: Callable[[str], Identity]
) -> None:
    operation = local.post("certificates", {"type": "client", "name": "h", "token": True}).envelope["metadata"]
    assert local.delete(f"operations/{operation['id']}").status == 200
    heidi = client(tls_daemon, identities("heidi"))
    assert heidi.post("certificates", {"password": operation["metadata"]["token"]}).status == 403


def test_a_join_token_needs_a_name(local: Rest) -> None:
    assert local.post("certificates", {"type": "client", "token": True}).status == 400


def test_an_anonymous_request_for_a_token_is_refused(stranger: Rest) -> None:
    assert stranger.post("certificates", {"type": "client", "name": "x", "token": True}).status == 403


def test_plain_http_on_the_tls_port_is_told_so(tls_daemon: tuple[Daemon, int]) -> None:
    import http.client

    connection = http.client.HTTPConnection("127.0.0.1", tls_daemon[1], timeout=10)
    connection.request("GET", "/1.0")
    answer = connection.getresponse()
    assert answer.status == 400
    assert b"HTTPS" in answer.read()
    connection.close()


def test_a_name_with_a_slash_is_quoted_for_strangers_too(stranger: Rest, public: str) -> None:
    assert stranger.get(f"images/aliases/{quote('public/one', safe='')}").metadata["target"] == public
