"""What all routes share: the envelope, refusals of strangers' web pages, and bodies that are rubbish."""

from __future__ import annotations

import json
import re
import socket

import pytest
from tests.daemon_process import Daemon
from tests.rest import Rest

from azekura.daemon.openapi import document

SYNC = {"type", "status", "status_code", "operation", "error_code", "error", "metadata"}


def test_a_result_stands_in_lxds_envelope(rest: Rest) -> None:
    answer = rest.get("profiles/default")
    assert answer.headers["Content-Type"].startswith("application/json")
    envelope = answer.envelope
    assert set(envelope) == SYNC
    assert {key: envelope[key] for key in SYNC - {"metadata"}} == {
        "type": "sync",
        "status": "Success",
        "status_code": 200,
        "operation": "",
        "error_code": 0,
        "error": "",
    }


def test_an_error_stands_in_lxds_envelope(rest: Rest) -> None:
    envelope = rest.get("images/nosuch").envelope
    assert set(envelope) == SYNC
    assert envelope["type"] == "error"
    assert envelope["error_code"] == 404
    assert envelope["error"] == "Image not found"


@pytest.mark.parametrize(
    "path", ["/nosuch", "/1.0/nosuch", "/2.0", "/1.0/", "/1.0//images", "/1.0/images/x/y", "/%00", "/."]
)
def test_a_path_that_is_not_there_is_not_found(rest: Rest, path: str) -> None:
    for method in ("GET", "POST", "PUT", "DELETE"):
        assert rest.send(method, path).error == "not found"


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("DELETE", "/1.0"),
        ("PUT", "/1.0/images"),
        ("POST", "/1.0/events"),
        ("TRACE", "/1.0"),
        ("OPTIONS", "/1.0/images"),
    ],
)
def test_a_method_that_is_not_there_is_not_implemented(rest: Rest, method: str, path: str) -> None:
    answer = rest.send(method, path)
    assert answer.status == 501
    assert answer.error == "not implemented"


@pytest.mark.parametrize("site", ["cross-site", "same-site"])
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_requests_of_strangers_web_pages_are_refused(rest: Rest, site: str, method: str) -> None:
    answer = rest.send(method, "images", headers={"Sec-Fetch-Site": site})
    assert answer.status == 403
    assert answer.error == "Forbidden Sec-Fetch-Site header value"


@pytest.mark.parametrize("site", ["none", "same-origin"])
def test_requests_of_the_own_pages_are_served(rest: Rest, site: str) -> None:
    assert rest.send("GET", "images", headers={"Sec-Fetch-Site": site}).status == 200


def test_changes_from_another_origin_are_refused(rest: Rest) -> None:
    for origin in ("https://evil.example", "null", "https://lxd.evil.example"):
        answer = rest.send("POST", "profiles", {"name": "x"}, headers={"Origin": origin})
        assert answer.status == 403
    assert rest.send("GET", "images", headers={"Origin": "https://evil.example"}).status == 200
    assert rest.send("PATCH", "/1.0", {}, headers={"Origin": "https://lxd"}).status == 200


RUBBISH = {
    "no JSON": b"rubbish",
    "cut": b'{"name": ',
    "deep lists": b"[" * 100_000,
    "deep objects": b'{"a":' * 50_000 + b"1" + b"}" * 50_000,
    "deep inside": b'{"config":' + b"[" * 500 + b"]" * 500 + b"}",
    "binary": bytes(range(256)),
    "not UTF-8": b'{"name": "\xff\xfe"}',
    "half a character": b'{"name": "\\ud800"}',
    "half a character as key": b'{"config": {"user.\\udc00": "x"}}',
    "NUL": b'{"name": "a\\u0000b"}',
    "long number": b'{"name": ' + b"9" * 10_000 + b"}",
    "huge float": b'{"timeout": 1e999, "steps": 1e999, "older_than_days": 1e999}',
    "not a number": b'{"timeout": NaN}',
    "list": b"[]",
    "text": b'"text"',
    "number": b"7",
    "null": b"null",
    "true": b"true",
    "doubled key": b'{"name": "a", "name": ["b"]}',
    "UTF-16": '{"name": "x"}'.encode("utf-16"),
    "byte order mark": b'\xef\xbb\xbf{"name": "x/y"}',
}
CHANGES = [
    (method.upper(), path)
    for path, operations in document()["paths"].items()
    for method in operations
    if method in ("post", "put", "patch") and not path.startswith(("/1.0/containers", "/1.0/storage-pools/{"))
]


@pytest.mark.parametrize("name", RUBBISH)
def test_rubbish_is_refused_by_every_route(rest: Rest, name: str) -> None:
    for method, path in CHANGES:
        target = re.sub(r"\{\w+\}", "nosuch", path)
        if (method, path) == ("PUT", "/1.0"):
            continue  # an empty object would unset what other tests have set
        answer = rest.send(method, target, raw=RUBBISH[name], headers={"Content-Type": "application/json"})
        assert 200 <= answer.status < 500 or answer.status == 501, (method, path, answer.body)


def test_a_body_larger_than_any_of_ours_is_refused(rest: Rest) -> None:
    body = json.dumps({"name": "x", "description": "d" * (5 << 20)}).encode()
    answer = rest.post("profiles", raw=body, headers={"Content-Type": "application/json"})
    assert answer.status == 413
    assert answer.error


@pytest.mark.parametrize(
    "raw",
    [
        b"GET /1.0 HTTP/1.1\r\nHost: x\r\nno colon\r\n\r\n",
        b"GET /1.0 HTTP/9.9\r\n\r\n",
        b"\x00\x01\x02\r\n\r\n",
        b"POST /1.0/images HTTP/1.1\r\nHost: x\r\nContent-Length: -5\r\n\r\n",
        b"GET /1.0 HTTP/1.1\r\nHost: x\r\nX: " + b"y" * 20_000 + b"\r\n\r\n",
    ],
)
def test_what_is_no_http_is_refused_in_lxds_envelope_and_the_connection_ends(daemon: Daemon, raw: bytes) -> None:
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(10)
        client.connect(str(daemon.folder / "unix.socket"))
        client.sendall(raw)
        answer = b""
        while data := client.recv(65536):
            answer += data
    head, _, body = answer.partition(b"\r\n\r\n")
    assert head.split(b" ")[1] == b"400"
    assert b"application/json" in head
    envelope = json.loads(body)
    assert set(envelope) == SYNC
    assert (envelope["type"], envelope["error_code"]) == ("error", 400)
    assert envelope["error"].startswith("Malformed HTTP request: ")
    assert envelope["error"].isprintable()


@pytest.mark.parametrize(
    "raw",
    [
        b"rubbish\r\n\r\n",
        b"GET /1.0 HTTP/1.1\r\n\r\n",
        b"GET /1.0 HTTP/9.9\r\nHost: x\r\n\r\n",
        b"GET " + b"/" * 20_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET /1.0 HTTP/1.1\r\nHost: x\r\nX: " + b"y" * 20_000 + b"\r\n\r\n",
        b"POST /1.0/images HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
        b"POST /1.0/images HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nabc\r\n",
        b"POST /1.0/images HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\nabc",
        b"\x16\x03\x01\x02\x00",
        (
            b"GET /1.0/events HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: upgrade\r\n"
            b"Sec-WebSocket-Version: 99\r\n\r\n"
        ),
    ],
)
def test_what_is_no_http_does_no_harm(daemon: Daemon, rest: Rest, raw: bytes) -> None:
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(5)
        client.connect(str(daemon.folder / "unix.socket"))
        client.sendall(raw)
        client.shutdown(socket.SHUT_WR)
        answer = b""
        while data := client.recv(65536):
            answer += data
    assert b" 500 " not in answer[:20]
    assert rest.get("/").status == 200


def test_the_openapi_document_is_served(rest: Rest) -> None:
    answer = rest.get("openapi.json")
    assert answer.headers["Content-Type"].startswith("application/json")
    assert json.loads(answer.body) == document()
