"""Downloads: one file, several parts, ranges, and streams that break."""

from __future__ import annotations

import os

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.fakes.api_server import Request, api_server

from azekura.client.download import Sink, header_parameter
from azekura.errors import BadAnswer, ConnectionFailed, NotFound


class Kept(Sink):
    def __init__(self) -> None:
        self.files: list[tuple[str, str, int | None, bytearray]] = []

    def begin(self, part: str, filename: str, size: int | None) -> None:
        self.files.append((part, filename, size, bytearray()))

    def write(self, data: bytes | memoryview) -> None:
        self.files[-1][3].extend(data)


def _form(parts: list[tuple[str, str, bytes]], boundary: str) -> bytes:
    out = b""
    for name, filename, data in parts:
        out += f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"; filename="{filename}"\r\n\r\n'.encode()
        out += data + b"\r\n"
    return out + f"--{boundary}--\r\n".encode()


def test_single_file_keeps_the_name_only_as_a_label() -> None:
    data = os.urandom(700_000)
    headers = {"Content-Disposition": 'inline;filename="../../etc/passwd"'}
    sink = Kept()
    with api_server(lambda request: request.answer(200, data, headers)) as api:
        received = api.server.download("images/x/export", sink)
    assert sink.files == [("", "../../etc/passwd", len(data), bytearray(data))]
    assert (received.size, received.offset) == (len(data), 0)


def test_parts_are_told_apart() -> None:
    boundary = "b" * 60
    parts = [("metadata", "meta-1.tar.xz", os.urandom(3000) + b"\r\n--bbb"), ("rootfs", "1.squashfs", b"\r\n" * 90_000)]
    body = _form(parts, boundary)

    def chunked(request: Request) -> None:
        head = (
            f"HTTP/1.1 200 OK\r\nContent-Type: multipart/form-data; boundary={boundary}\r\nTransfer-Encoding: chunked"
        )
        request.raw(f"{head}\r\n\r\n".encode())
        for at in range(0, len(body), 777):
            piece = body[at : at + 777]
            request.raw(b"%x\r\n%b\r\n" % (len(piece), piece))
        request.raw(b"0\r\n\r\n")

    sink = Kept()
    with api_server(chunked) as api:
        api.server.download("images/x/export", sink)
    assert [(name, filename, bytes(data)) for name, filename, _, data in sink.files] == parts


@settings(max_examples=30, deadline=None)
@given(st.lists(st.binary(max_size=300), min_size=1, max_size=3), st.integers(1, 50))
def test_any_content_survives_the_form(contents: list[bytes], step: int) -> None:
    from azekura.client.download import _receive_form
    from azekura.client.http1 import Answer

    body = _form([("rootfs", "f", content) for content in contents], "frontier")

    class Slow(Answer):
        status, headers = 200, {"content-type": "multipart/form-data; boundary=frontier"}
        left = body

        def read_some(self, limit: int = 0) -> bytes:
            block, self.left = self.left[:step], self.left[step:]
            return block

    # content that holds the boundary itself can't be sent in this form
    if any(b"--frontier" in content for content in contents):
        return
    sink = Kept()
    _receive_form(Slow(), "multipart/form-data; boundary=frontier", sink)
    assert [bytes(data) for _, _, _, data in sink.files] == contents


@pytest.mark.parametrize("cut", [1, 50, 200, 3000])
def test_broken_form_is_an_error(cut: int) -> None:
    body = _form([("metadata", "m", b"x" * 2000), ("rootfs", "r", b"y" * 2000)], "bound")
    headers = {"Content-Type": "multipart/form-data; boundary=bound", "Content-Length": str(len(body))}

    def handler(request: Request) -> None:
        head = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        request.raw(f"HTTP/1.1 200 OK\r\n{head}\r\n".encode() + body[:cut])

    with api_server(handler) as api, pytest.raises(ConnectionFailed):
        api.server.download("images/x/export", Kept())


def test_short_file_is_an_error() -> None:
    def handler(request: Request) -> None:
        request.raw(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nfive!")

    with api_server(handler) as api, pytest.raises(ConnectionFailed):
        api.server.download("x", Kept())


def test_range_is_asked_for_and_checked() -> None:
    def handler(request: Request) -> None:
        start = int(request.headers["range"].removeprefix("bytes=").rstrip("-"))
        assert request.headers["if-range"] == '"tag"'
        request.answer(206, b"0123456789"[start:], {"Content-Range": f"bytes {start}-9/10"})

    sink = Kept()
    with api_server(handler) as api:
        received = api.server.download("x", sink, offset=4, if_range='"tag"')
    assert bytes(sink.files[0][3]) == b"456789"
    assert received.offset == 4


def test_wrong_range_is_refused() -> None:
    headers = {"Content-Range": "bytes 0-9/10"}
    with api_server(lambda request: request.answer(206, b"0123456789", headers)) as api, pytest.raises(BadAnswer):
        api.server.download("x", Kept(), offset=4)


def test_ignored_range_starts_from_the_beginning() -> None:
    with api_server(lambda request: request.answer(200, b"all")) as api:
        assert api.server.download("x", Kept(), offset=1).offset == 0


def test_refusal_is_the_servers_error() -> None:
    refuse = lambda request: request.refuse(404, "Image not found")  # noqa: E731
    with api_server(refuse) as api, pytest.raises(NotFound, match="Image not found"):
        api.server.download("images/x/export", Kept())


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ('form-data; name="x"; filename="a b.tar"', "a b.tar"),
        ("inline;filename=abc.tar.xz", "abc.tar.xz"),
        ("inline", ""),
        ("", ""),
    ],
)
def test_file_names_are_read_from_the_disposition(value: str, expected: str) -> None:
    assert header_parameter(value, "filename") == expected
