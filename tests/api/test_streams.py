"""``/streams/v1``: what simplestreams clients get, and that it is no more than strangers may see."""

from __future__ import annotations

import gzip
import hashlib
import json
import socket
import time
from collections.abc import Callable, Iterator
from email.utils import formatdate, parsedate_to_datetime
from typing import Any
from urllib.parse import quote

import pytest
from tests.api.conftest import assert_store_is_tidy, listen
from tests.api.split_images import split_pair
from tests.busybox_images import tiny_image
from tests.daemon_process import Daemon, running_daemon
from tests.fakes.tls_identity import Identity
from tests.rest import Reply, Rest, form

INDEX, IMAGES = "/streams/v1/index.json", "/streams/v1/images.json"


@pytest.fixture(scope="module")
def offering() -> Iterator[tuple[Daemon, int]]:
    """A daemon of this module alone, on loopback; the port."""
    with running_daemon() as one:
        yield one, listen(one)
        assert_store_is_tidy(one)


@pytest.fixture
def admin(offering: tuple[Daemon, int]) -> Rest:
    return Rest(offering[0].folder / "unix.socket")


@pytest.fixture
def client(offering: tuple[Daemon, int]) -> Rest:
    return Rest(port=offering[1])


def items(client: Rest) -> dict[str, dict[str, Any]]:
    """Fingerprint → the item of the metadata or tarball, as Go's client finds them."""
    found = {}
    for product in client.get(IMAGES).envelope["products"].values():
        for version in product["versions"].values():
            for item in version["items"].values():
                if item["ftype"] == "lxd_combined.tar.gz":
                    found[item["sha256"]] = item
                elif item["ftype"] == "lxd.tar.xz":
                    found[next(value for key, value in item.items() if key.startswith("combined_"))] = item
    return found


def add_split(admin: Rest, number: int, **headers: str) -> tuple[str, bytes, bytes]:
    metadata, rootfs = split_pair(number)
    body, fields = form(("metadata", "meta.tar", metadata), ("rootfs", "root.tar", rootfs))
    fields.update({name.replace("_", "-"): value for name, value in headers.items()})
    return str(admin.done(admin.post("images", raw=body, headers=fields))["fingerprint"]), metadata, rootfs


def test_the_index_leads_to_products_and_they_to_files(admin: Rest, client: Rest) -> None:
    data = tiny_image(700_001)
    image = admin.add_image(data, X_LXD_public="1", X_LXD_aliases="alias=tiny")
    entry = client.get(INDEX).envelope["index"]["images"]
    assert entry["datatype"] == "image-downloads"
    assert entry["path"] == IMAGES[1:]
    products = client.get(f"/{entry['path']}").envelope["products"]
    assert entry["products"] == list(products)
    assert "tiny" in {one["aliases"] for one in products.values()}
    item = items(client)[image]
    answer = client.get(f"/{item['path']}")
    assert answer.status == 200
    assert answer.body == data
    assert hashlib.sha256(data).hexdigest() == item["sha256"] == image
    assert item["size"] == len(data)
    assert answer.headers["Content-Length"] == str(len(data))
    assert "immutable" in answer.headers["Cache-Control"]


def test_both_files_of_a_split_image_are_served(admin: Rest, client: Rest) -> None:
    image, metadata, rootfs = add_split(admin, 700_002, X_LXD_public="1")
    for product in client.get(IMAGES).envelope["products"].values():
        for version in product["versions"].values():
            if any(image in item.values() for item in version["items"].values()):
                found = {name: client.get(f"/{item['path']}").body for name, item in version["items"].items()}
    assert found == {"lxd.tar.xz": metadata, "incus.tar.xz": metadata, "root.tar.xz": rootfs}


def test_the_unix_socket_offers_the_same(admin: Rest, client: Rest) -> None:
    assert admin.get(IMAGES).body == client.get(IMAGES).body
    assert admin.get(INDEX).body == client.get(INDEX).body


@pytest.mark.parametrize("path", [INDEX, IMAGES])
def test_documents_are_fetched_again_only_when_they_changed(admin: Rest, client: Rest, path: str) -> None:
    admin.add_image(tiny_image(700_010 + len(path)), X_LXD_public="1")
    first = client.get(path)
    assert first.headers["Content-Type"].startswith("application/json")
    assert first.headers["Cache-Control"] == "no-cache"
    assert client.get(path, **{"If-None-Match": first.etag}).status == 304
    assert client.get(path, **{"If-None-Match": f'"other", W/{first.etag}'}).status == 304
    assert client.get(path, **{"If-None-Match": '"other"'}).body == first.body
    date = first.headers["Last-Modified"]
    assert parsedate_to_datetime(date).timestamp() <= time.time()
    assert client.get(path, **{"If-Modified-Since": date}).status == 304
    assert client.get(path, **{"If-Modified-Since": formatdate(0, usegmt=True)}).status == 200
    assert client.get(path, **{"If-Modified-Since": date, "If-None-Match": '"other"'}).status == 200
    admin.add_image(tiny_image(700_020 + len(path)), X_LXD_public="1", X_LXD_properties=f"os=n{len(path)}")
    again = client.get(path, **{"If-None-Match": first.etag})
    assert again.status == 200
    assert again.body != first.body


@pytest.mark.parametrize("path", [INDEX, IMAGES])
def test_head_tells_size_and_etag_of_a_document(client: Rest, path: str) -> None:
    whole, head = client.get(path), client.send("HEAD", path)
    assert (head.status, head.body, head.etag) == (200, b"", whole.etag)
    assert head.headers["Content-Length"] == str(len(whole.body))


def test_products_come_compressed_to_who_takes_that(admin: Rest, client: Rest) -> None:
    admin.add_image(tiny_image(700_030), X_LXD_public="1")
    plain = client.get(IMAGES)
    packed = client.get(IMAGES, **{"Accept-Encoding": "br, gzip;q=0.5"})
    assert packed.headers["Content-Encoding"] == "gzip"
    assert gzip.decompress(packed.body) == plain.body
    assert packed.etag != plain.etag
    assert packed.headers["Vary"] == plain.headers["Vary"] == "Accept-Encoding"
    assert client.get(IMAGES, **{"Accept-Encoding": "gzip", "If-None-Match": packed.etag}).status == 304
    for refusal in ("identity", "gzip;q=0", "gzip; q=0.000", "br"):
        assert client.get(IMAGES, **{"Accept-Encoding": refusal}).body == plain.body


def path_of(client: Rest, image: str) -> str:
    return f"/{items(client)[image]['path']}"


def test_files_come_in_ranges_and_conditionally(admin: Rest, client: Rest) -> None:
    data = tiny_image(700_040)
    path = path_of(client, admin.add_image(data, X_LXD_public="1"))
    for server in (admin, client):
        head = server.send("HEAD", path)
        assert (head.status, head.body, head.headers["Content-Length"]) == (200, b"", str(len(data)))
        part = server.get(path, Range="bytes=10-19")
        assert (part.status, part.body) == (206, data[10:20])
        assert part.headers["Content-Range"] == f"bytes 10-19/{len(data)}"
        resumed = server.get(path, Range="bytes=10-", **{"If-Range": head.etag})
        assert (resumed.status, resumed.body) == (206, data[10:])
        anew = server.get(path, Range="bytes=10-", **{"If-Range": '"other"'})
        assert (anew.status, anew.body) == (200, data)
        assert server.get(path, **{"If-None-Match": head.etag}).status == 304


# -- who sees what


def nothing(answer: Reply) -> None:
    """One answer for what isn't there and what is not for everybody."""
    assert answer.status == 404
    assert answer.error == "not found"


def test_a_private_image_looks_like_none(admin: Rest, client: Rest) -> None:
    data = tiny_image(700_050)
    image = admin.add_image(data, X_LXD_aliases="alias=secret/one", X_LXD_properties="os=Secret")
    for server in (client, admin):
        text = server.get(INDEX).body + server.get(IMAGES).body
        assert image.encode() not in text
        assert b"ecret" not in text
        for name in (f"{image}.tar.gz", f"{'0' * 64}.tar.gz"):
            nothing(server.get(f"/streams/v1/files/{name}"))
    assert client.send("HEAD", f"/streams/v1/files/{image}.tar.gz").status == 404


def test_more_rights_show_no_more(
    admin: Rest, client: Rest, offering: tuple[Daemon, int], identities: Callable[[str], Identity]
) -> None:
    image = admin.add_image(tiny_image(700_060), X_LXD_aliases="alias=scoped/one")
    token = admin.post("tokens", {"purpose": "read", "name": "ci", "scope": "scoped/*"}).metadata["token"]
    trusted = identities("streams-trusted")
    pem = trusted.certificate.read_text()
    admin.post("certificates", {"type": "client", "name": "t", "certificate": "".join(pem.splitlines()[1:-1])})
    bearer = Rest(port=offering[1], headers={"Authorization": f"Bearer {token}"})
    assert bearer.get(f"images/{image}").status == 200
    for caller in (bearer, Rest(port=offering[1], certificate=(trusted.certificate, trusted.key))):
        assert caller.get(IMAGES).body == client.get(IMAGES).body
        nothing(caller.get(f"/streams/v1/files/{image}.tar.gz"))


def test_an_image_appears_and_vanishes_with_its_flag(admin: Rest, client: Rest) -> None:
    image = admin.add_image(tiny_image(700_070), X_LXD_public="1")
    path = path_of(client, image)
    assert admin.patch(f"images/{image}", {"public": False}).status == 200
    assert image not in items(client)
    nothing(client.get(path))
    assert admin.patch(f"images/{image}", {"public": True}).status == 200
    assert client.get(path).status == 200


def test_files_of_a_deleted_image_are_there_for_those_with_an_older_index(admin: Rest, client: Rest) -> None:
    data = tiny_image(700_080)
    image = admin.add_image(data, X_LXD_public="1")
    path = path_of(client, image)
    admin.done(admin.delete(f"images/{image}"))
    assert image not in items(client)
    assert client.get(path).body == data
    assert admin.post(f"images/{image}/undelete").status == 200
    assert client.get(path_of(client, image)).body == data


def test_it_can_be_turned_off_and_on(admin: Rest, client: Rest) -> None:
    path = path_of(client, admin.add_image(tiny_image(700_090), X_LXD_public="1"))
    try:
        assert admin.patch("/1.0", {"config": {"images.serve_simplestreams": "maybe"}}).status == 400
        assert admin.patch("/1.0", {"config": {"images.serve_simplestreams": "false"}}).status == 200
        for one in (INDEX, IMAGES, path):
            nothing(client.get(one))
            nothing(admin.get(one))
    finally:
        assert admin.patch("/1.0", {"config": {"images.serve_simplestreams": ""}}).status == 200
    assert client.get(path).status == 200


# -- what strangers write and ask


@pytest.mark.parametrize(
    "name",
    [
        *(
            "..",
            "%2e%2e%2fazekura.db",
            "../azekura.db",
            "..%2f..%2f..%2fetc%2fpasswd",
            "",
            "x",
            "%00",
            "%ff%fe",
            "a" * 9000,
        ),
        *("0" * 64, "0" * 64 + ".tar%0a", "0" * 64 + "/x", "%F0%9F%A6%80", "0" * 64 + ".tar?project=default"),
    ],
)
def test_names_of_files_lead_nowhere_else(client: Rest, name: str) -> None:
    assert client.get(f"/streams/v1/files/{name}").status in (400, 404)


def test_other_methods_and_paths_are_not_there(client: Rest) -> None:
    assert client.post(INDEX, {}).status == 501
    assert client.delete(IMAGES).status == 501
    for path in ("/streams", "/streams/v1", "/streams/v1/", "/streams/v1/index.sjson", f"{INDEX}/"):
        nothing(client.get(path))
    assert client.get(f"{INDEX}?project=other").status == 404


@pytest.mark.parametrize(
    "value", ['"', "\\", "</script>", "a,b:c/d", "\x1b[31m", "é ☃", "\u2028", "../../etc", "%2e%2e", " ", "x" * 1000]
)
def test_hostile_properties_and_aliases_stay_text(admin: Rest, client: Rest, value: str) -> None:
    number = 710_000 + int(hashlib.sha256(value.encode()).hexdigest()[:4], 16)
    properties = "&".join(f"{key}={quote(value)}" for key in ("os", "release", "variant", "label", "requirements.a"))
    alias = f"n{number}{value[:20]}" if value.isprintable() and value != " " and "/etc" not in value else f"n{number}"
    image = admin.add_image(
        tiny_image(number), X_LXD_public="1", X_LXD_properties=properties, X_LXD_aliases=f"alias={quote(alias)}"
    )
    item = items(client)[image]
    assert item["path"] == f"streams/v1/files/{image}.tar.gz"
    (product,) = [
        one
        for one in client.get(IMAGES).envelope["products"].values()
        if any(item["path"] in str(version) for version in one["versions"].values())
    ]
    assert product["os"] == product["requirements"]["a"] == product["lxd_requirements"]["a"] == value
    assert product["aliases"] in (alias, "")
    assert json.loads(client.get(INDEX).body)
    admin.done(admin.delete(f"images/{image}"))


def test_plain_http_on_the_same_port_is_answered_at_once(offering: tuple[Daemon, int]) -> None:
    """Clients try that first for each file, and wait for half a minute where nobody answers."""
    began = time.monotonic()
    with socket.create_connection(("127.0.0.1", offering[1]), timeout=10) as plain:
        plain.sendall(b"GET /streams/v1/files/x HTTP/1.1\r\nHost: x\r\n\r\n")
        answer = b"".join(iter(lambda: plain.recv(4096), b""))
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert time.monotonic() - began < 5
