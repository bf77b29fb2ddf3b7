"""A server that only seems to be LXD, or is one and lies."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from tests.fakes import fault_server as faulty
from tests.fakes.image_server import ImageServerFake, Stored
from tests.fakes.memory_sink import MemorySink
from tests.fakes.remote_settings import quick

from azekura.errors import AzekuraError, BadAnswer, FingerprintMismatch, Forbidden, NotFound
from azekura.model.image import EPOCH, ImageType
from azekura.model.source import Protocol
from azekura.remotes import open_server
from azekura.remotes.port import ImageServer


@pytest.fixture
def web() -> Iterator[ImageServerFake]:
    with ImageServerFake() as server:
        server.add(Stored(b"metadata", b"rootfs" * 100, aliases=["a"]))
        server.add(Stored(b"unified", aliases=["b"]))
        yield server


@pytest.fixture
def server(web: ImageServerFake) -> ImageServer:
    return open_server(web.url, Protocol.LXD, policy=quick(retries=1))


def sync(metadata: Any) -> faulty.Fault:
    return faulty.instead(json.dumps({"type": "sync", "metadata": metadata}).encode(), "application/json")


GOOD = Stored(b"unified").record()


@pytest.mark.parametrize(
    "fault",
    [
        faulty.instead(b"<html>welcome"),
        faulty.instead(b""),
        faulty.instead(b"\0" * 100),
        faulty.instead(b"[" * 100_000),
        faulty.instead(b'"sync"'),
        faulty.instead(b'{"type":"async","metadata":{}}'),
        faulty.status(404, b"<html>404"),
        faulty.status(500, b"[]"),
        faulty.silence,
        sync(None),
        sync({}),
        sync([7]),
        sync([None]),
        sync([{**GOOD, "fingerprint": "../../x"}]),
        sync([{**GOOD, "fingerprint": GOOD["fingerprint"].upper()}]),
        sync([{**GOOD, "size": -1}]),
        sync([{**GOOD, "size": "1"}]),
        sync([{**GOOD, "type": "pod"}]),
        sync([{**GOOD, "properties": [1]}]),
        sync([{**GOOD, "aliases": [{}]}]),
        sync([{**GOOD, "created_at": "yesterday"}]),
        sync([{**GOOD, "expires_at": 7}]),
    ],
)
def test_a_list_that_makes_no_sense_is_one_clear_error(
    web: ImageServerFake, server: ImageServer, fault: faulty.Fault
) -> None:
    web.script("/1.0/images", *[fault] * 4)
    with pytest.raises(AzekuraError) as caught:
        server.list()
    assert web.url in str(caught.value)
    assert not isinstance(caught.value, NotFound)


def test_words_of_the_server_are_passed_on_only_if_they_are_words(web: ImageServerFake, server: ImageServer) -> None:
    for error, code, kind, words in (
        ("not authorized", 403, Forbidden, "not authorized"),
        ("\x1b[2Jevil", 403, Forbidden, "refuses access"),
        ("x" * 5000, 400, BadAnswer, "x" * 300),
        ({"a": 1}, 400, BadAnswer, "does not answer as an LXD server"),
    ):
        body = json.dumps({"type": "error", "error": error, "error_code": code}).encode()
        web.script("/1.0/images", faulty.status(code, body))
        with pytest.raises(kind, match=words) as caught:
            server.list()
        assert len(str(caught.value)) < 500
        assert str(caught.value).isprintable()


def test_an_endless_error_is_not_read_to_its_end(web: ImageServerFake, server: ImageServer) -> None:
    web.script("/1.0/images", faulty.raw(b"HTTP/1.1 400 Bad\r\n\r\n" + b"x" * 3_000_000))
    with pytest.raises(BadAnswer, match="400"):
        server.list()


def test_another_image_than_was_asked_for_is_refused(web: ImageServerFake, server: ImageServer) -> None:
    wanted, other = web.images
    web.script(f"/1.0/images/{wanted}", sync(web.images[other].record()))
    with pytest.raises(FingerprintMismatch):
        server.resolve(wanted, type=None, architectures=[])


def test_an_alias_that_leads_outside_is_refused(web: ImageServerFake, server: ImageServer) -> None:
    web.script("/1.0/images/aliases/a", *[sync({"name": "a", "target": "../../instances"})] * 3)
    with pytest.raises(BadAnswer):
        server.resolve("a", type=None, architectures=[])
    assert all("instances" not in path for path in web.paths())


def test_an_alias_of_the_other_kind_is_no_match(web: ImageServerFake, server: ImageServer) -> None:
    assert server.resolve("a", type=ImageType.CONTAINER, architectures=[]).fingerprint
    with pytest.raises(NotFound, match="Image not found"):
        server.resolve("a", type=ImageType.VIRTUAL_MACHINE, architectures=[])


def test_names_are_escaped_in_paths(web: ImageServerFake, server: ImageServer) -> None:
    for name in ("a?recursion=1", "a#b", "a%2Fb", "a b", "ä"):
        with pytest.raises(NotFound):
            server.resolve(name, type=None, architectures=[])
    assert [path.rpartition("/")[2] for path in web.paths()] == [
        "a%3Frecursion%3D1",
        "a%23b",
        "a%252Fb",
        "a%20b",
        "%C3%A4",
    ]


def test_old_records_without_type_and_dates_are_read(web: ImageServerFake, server: ImageServer) -> None:
    """LXD 2.0's have no type; a published image's expiry is Go's zero time."""
    record = {**GOOD, "expires_at": "0001-01-01T00:00:00Z"}
    del record["type"], record["created_at"]
    web.script("/1.0/images", sync([record]))
    (image,) = server.list()
    assert (image.type, image.expires_at, image.created_at) == (ImageType.CONTAINER, EPOCH, EPOCH)


@pytest.mark.parametrize(
    "export",
    [
        faulty.status(200, b"unifiedX"),
        faulty.status(200, b"metadata", Content_Type="multipart/form-data"),
        faulty.status(200, b"--x--\r\n", Content_Type="multipart/form-data; boundary=x"),
        faulty.status(200, b"", Content_Type="application/octet-stream"),
        faulty.endless(5_000_000),
    ],
)
@pytest.mark.parametrize("alias", ["a", "b"])
def test_an_export_that_is_no_such_image_is_refused(
    web: ImageServerFake, server: ImageServer, alias: str, export: faulty.Fault
) -> None:
    image = server.resolve(alias, type=None, architectures=[])
    web.script(f"/1.0/images/{image.known_fingerprint}/export", *[export] * 9)
    sink = MemorySink()
    with pytest.raises((BadAnswer, FingerprintMismatch)):
        server.download(image, sink, progress=lambda *_: None, cancelled=lambda: False)
    assert sum(part.written for part in sink.parts.values()) <= image.size


def test_more_than_the_announced_size_is_not_written(web: ImageServerFake, server: ImageServer) -> None:
    big = Stored(b"m" * 100, b"r" * 1_000_000)
    web.add(big)
    record = {**big.record(), "size": 5_000}
    web.script(f"/1.0/images/{big.fingerprint}", sync(record))
    image = server.resolve(big.fingerprint, type=None, architectures=[])
    sink = MemorySink()
    with pytest.raises(BadAnswer, match="more than the"):
        server.download(image, sink, progress=lambda *_: None, cancelled=lambda: False)
    assert sum(part.written for part in sink.parts.values()) <= 5_000
