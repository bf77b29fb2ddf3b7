"""Requests over the unix socket: what is sent, and what each kind of answer becomes."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.fakes.api_server import Request, api_server

from azekura.client.address import encode_query, quote
from azekura.client.body import FilePiece, FormFile, file_body, form_body
from azekura.client.http1 import request_head
from azekura.client.server import Server
from azekura.errors import (
    AlreadyExists,
    BadAnswer,
    ConnectionFailed,
    Forbidden,
    HostError,
    InvalidRequest,
    NotFound,
    StaleETag,
    Unsupported,
)


def test_get_returns_the_metadata_of_the_envelope() -> None:
    with api_server(lambda request: request.sync([1, {"a": "ü"}])) as api:
        assert api.server.get("images", {"recursion": "1", "filter": "a eq b/c"}) == [1, {"a": "ü"}]
        assert api.requests[0].target == "/1.0/images?recursion=1&filter=a%20eq%20b%2Fc"
        assert api.requests[0].headers["connection"] == "close"


def test_project_is_added_to_every_address() -> None:
    server = Server("unix:///nowhere", project="web")
    assert server.address("images") == "/1.0/images?project=web"
    assert server.address("/1.0/images?x=1") == "/1.0/images?x=1&project=web"
    assert server.address("images", {"project": "other"}) == "/1.0/images?project=other"
    assert server.address("instances", {"all-projects": "true"}) == "/1.0/instances?all-projects=true"


def test_put_sends_json_and_the_etag() -> None:
    with api_server(lambda request: request.sync({})) as api:
        api.server.put("images/x", {"public": True}, etag="abc")
        assert api.requests[0].json() == {"public": True}
        assert api.requests[0].headers["if-match"] == "abc"
        assert api.requests[0].headers["content-type"] == "application/json"


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, InvalidRequest),
        (403, Forbidden),
        (404, NotFound),
        (409, AlreadyExists),
        (412, StaleETag),
        (500, HostError),
        (501, Unsupported),
        (507, HostError),
    ],
)
def test_refusal_becomes_the_error_of_its_status_in_the_servers_words(status: int, kind: type[Exception]) -> None:
    with api_server(lambda request: request.refuse(status, "No such luck")) as api:
        with pytest.raises(kind) as caught:
            api.server.get("images")
        assert str(caught.value) == "No such luck"


def test_error_within_a_successful_status_is_an_error() -> None:
    # /operations/<id>/wait sends its header before it knows the outcome
    body = b'{"type":"error","error_code":404,"error":"Gone"}'
    with api_server(lambda request: request.answer(200, body)) as api, pytest.raises(NotFound, match="Gone"):
        api.server.get("operations/x/wait")


def test_chunked_answer_is_put_together() -> None:
    def chunked(request: Request) -> None:
        request.raw(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        for piece in (b'{"type":"sync",', b'"metadata":', b"7}"):
            request.raw(b"%x;name=value\r\n%b\r\n" % (len(piece), piece))
        request.raw(b"0\r\nTrailer: x\r\n\r\n")

    with api_server(chunked) as api:
        assert api.server.get("x") == 7


def test_interim_answers_are_passed_over() -> None:
    def slow(request: Request) -> None:
        request.raw(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early\r\nLink: x\r\n\r\n")
        request.sync("done")

    with api_server(slow) as api:
        assert api.server.get("x") == "done"


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (b"", ConnectionFailed),
        (b"HTTP/1.1 200 OK\r\nContent-Le", ConnectionFailed),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nshort", ConnectionFailed),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", BadAnswer),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab", ConnectionFailed),
        (b"HTTP/1.1 200 OK\r\nContent-Length: many\r\n\r\n", BadAnswer),
        (b"SSH-2.0-OpenSSH\r\n\r\n", BadAnswer),
        (b"HTTP/1.1 200 OK\r\n" + b"X: " + b"y" * 200_000 + b"\r\n\r\n", BadAnswer),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", BadAnswer),
        (b'HTTP/1.1 200 OK\r\nContent-Length: 13\r\n\r\n{"type":"odd"', BadAnswer),
        (b"HTTP/1.1 502 Bad\r\nContent-Length: 5\r\n\r\nproxy", Exception),
    ],
)
def test_senseless_answers_are_told(answer: bytes, kind: type[Exception]) -> None:
    with api_server(lambda request: request.raw(answer)) as api, pytest.raises(kind):
        api.server.get("x")


def test_no_daemon_is_told_with_the_sockets_path(tmp_path: Path) -> None:
    with pytest.raises(ConnectionFailed, match=r"No daemon is listening on .*/none"):
        Server(f"unix://{tmp_path}/none").get("x")


def test_upload_streams_a_file_with_its_length(tmp_path: Path) -> None:
    content = bytes(range(256)) * 20_000
    (tmp_path / "file").write_bytes(content)
    told: list[tuple[int, int | None]] = []
    with api_server(lambda request: request.sync({})) as api, (tmp_path / "file").open("rb") as file:
        body = file_body(file, lambda done, total: told.append((done, total)))
        api.server.envelope("POST", "images", body=body, headers={"X-LXD-filename": "file"})
        assert api.requests[0].body == content
        assert api.requests[0].headers["content-length"] == str(len(content))
        assert told[-1] == (len(content), len(content))


def test_form_holds_its_files_under_their_names(tmp_path: Path) -> None:
    from email import message_from_bytes

    (tmp_path / "a").write_bytes(b"meta\r\n--")
    (tmp_path / "b").write_bytes(b"\0root" * 100)
    with api_server(lambda request: request.sync({})) as api:
        with (tmp_path / "a").open("rb") as first, (tmp_path / "b").open("rb") as second:
            parts = [
                FormFile("metadata", 'a"b\r\nX: y', FilePiece(first)),
                FormFile("rootfs", "b", FilePiece(second)),
            ]
            api.server.envelope("POST", "images", body=form_body(parts))
        request = api.requests[0]
    assert int(request.headers["content-length"]) == len(request.body)
    kind = request.headers["content-type"].encode()
    message = message_from_bytes(b"Content-Type: " + kind + b"\r\n\r\n" + request.body)
    found = [
        (part.get_param("name", header="content-disposition"), part.get_payload(decode=True))
        for part in message.walk()
        if not part.is_multipart()
    ]
    assert found == [("metadata", b"meta\r\n--"), ("rootfs", b"\0root" * 100)]


def test_refusal_during_an_upload_is_read(tmp_path: Path) -> None:
    def refuse_at_once(request: Request) -> None:
        request.refuse(403, "not authorized")

    class Late(Request):
        def _read_body(self) -> bytes:
            return b""  # answers and hangs up while the client is still sending

    (tmp_path / "big").write_bytes(b"x" * 30_000_000)
    with (
        api_server(refuse_at_once, Late) as api,
        (tmp_path / "big").open("rb") as file,
        pytest.raises((Forbidden, ConnectionFailed)),
    ):
        api.server.envelope("POST", "images", body=file_body(file))


def test_file_that_shrinks_while_it_is_sent_is_told(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"x" * 1000)
    with api_server(lambda request: request.sync({})) as api, path.open("rb") as file:
        body = file_body(file)
        path.write_bytes(b"x")
        with pytest.raises(ConnectionFailed, match="changed while it was being sent"):
            api.server.envelope("POST", "images", body=body)


def test_line_breaks_never_reach_a_request() -> None:
    with pytest.raises(BadAnswer, match="line break"):
        request_head("GET", "/x", {"X-LXD-filename": "a\r\nX-LXD-public: true"})


def test_quote_leaves_unreserved_characters_alone() -> None:
    assert quote("a-Z_0.9~/ü%") == "a-Z_0.9~%2F%C3%BC%25"
    assert encode_query([("alias", "a/b"), ("alias", "c d")]) == "alias=a%2Fb&alias=c%20d"


def test_stream_of_unknown_length_is_sent_in_chunks() -> None:
    from azekura.client.body import Body

    with api_server(lambda request: request.sync({})) as api:
        api.server.envelope("POST", "images", body=Body([b"one", b"", b"two"], length=None))
        assert api.requests[0].body == b"onetwo"


def test_missing_extension_is_told_in_lxds_words() -> None:
    with api_server(lambda request: request.sync({"api_extensions": ["instances"]})) as api:
        assert api.server.has_extension("instances")
        with pytest.raises(Unsupported, match='The server is missing the required "nosuch" API extension'):
            api.server.require("nosuch")
        assert len(api.requests) == 1, "the server is asked once"
