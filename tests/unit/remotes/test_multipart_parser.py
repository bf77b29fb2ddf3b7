from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from azekura.errors import BadAnswer
from azekura.remotes.multipart import MultipartParser, boundary_of


class Parts:
    def __init__(self) -> None:
        self.got: list[tuple[str, str, bytes]] = []
        self.ended = 0

    def part_begins(self, name: str, filename: str) -> None:
        assert self.ended == len(self.got)
        self.got.append((name, filename, b""))

    def part_data(self, data: bytes) -> None:
        assert data
        name, filename, before = self.got[-1]
        self.got[-1] = (name, filename, before + data)

    def part_ends(self) -> None:
        self.ended += 1


def form(*parts: tuple[str, bytes], boundary: str = "B", end: str = "--B--\r\n") -> bytes:
    body = b""
    for name, data in parts:
        body += f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"; filename="f"\r\n\r\n'.encode()
        body += data + b"\r\n"
    return body + end.encode()


def parse(body: bytes, step: int = 10**9, boundary: bytes = b"B") -> list[tuple[str, str, bytes]]:
    parts = Parts()
    parser = MultipartParser(boundary, parts)
    for start in range(0, len(body), step):
        parser.feed(body[start : start + step])
    parser.finish()
    assert parts.ended == len(parts.got)
    return parts.got


TRICKY = (
    st.lists(st.sampled_from([b"\r", b"\n", b"\r\n", b"-", b"--", b"\r\n--", b"\r\n-", b"B", b"x", b"\0"]))
    .map(b"".join)
    .filter(lambda data: b"\r\n--B" not in data + b"\r\n--")
)


@given(TRICKY, TRICKY, st.integers(1, 40))
def test_parts_come_out_as_they_went_in_whatever_the_pieces(metadata: bytes, rootfs: bytes, step: int) -> None:
    got = parse(form(("metadata", metadata), ("rootfs", rootfs)), step)
    assert got == [("metadata", "f", metadata), ("rootfs", "f", rootfs)]


def test_a_preamble_and_an_epilogue_are_ignored() -> None:
    body = b"hello\r\n" + form(("metadata", b"m"), ("rootfs.img", b"r")) + b"anything\r\n--B\r\nmore"
    for step in (1, 7, 1000):
        assert [(name, data) for name, _, data in parse(body, step)] == [("metadata", b"m"), ("rootfs.img", b"r")]


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"--B--\r\n",
        form(("metadata", b"m")),
        form(("rootfs", b"m"), ("metadata", b"r")),
        form(("metadata", b"m"), ("metadata", b"r")),
        form(("metadata", b"m"), ("../rootfs", b"r")),
        form(("metadata", b"m"), ("rootfs", b"r"), ("rootfs", b"r")),
        form(("metadata", b"m"), ("rootfs", b"r"), end=""),
        form(("metadata", b"m"), ("rootfs", b"r"))[:-6],
        form(("metadata", b"m"), ("rootfs", b"r"), boundary="C"),
        b"--B\r\n\r\nno headers\r\n--B--\r\n",
        b"--Bx" + form(("metadata", b"m"), ("rootfs", b"r")),
        b"x" * 20_000 + form(("metadata", b"m"), ("rootfs", b"r")),
        b"--B\r\n" + b"X: y\r\n" * 3000 + b"\r\n",
        b"--B\r\n" + 2 * b'Content-Disposition: form-data; name="metadata"\r\n' + b"\r\nx\r\n--B--\r\n",
    ],
)
@pytest.mark.parametrize("step", [1, 1000, 10**9])
def test_any_other_shape_is_refused(body: bytes, step: int) -> None:
    with pytest.raises(BadAnswer):
        parse(body, step)


@pytest.mark.parametrize(
    ("content_type", "boundary"),
    [
        ("multipart/form-data; boundary=abc", b"abc"),
        ('Multipart/Form-Data; charset=utf-8; boundary="a b"', b"a b"),
        ("application/octet-stream", None),
        ("", None),
    ],
)
def test_the_boundary_stands_in_the_content_type(content_type: str, boundary: bytes | None) -> None:
    assert boundary_of(content_type) == boundary


@pytest.mark.parametrize(
    "content_type",
    ["multipart/form-data", "multipart/form-data; boundary=", "multipart/form-data; boundary=" + "x" * 71],
)
def test_a_form_without_a_boundary_is_refused(content_type: str) -> None:
    with pytest.raises(BadAnswer):
        boundary_of(content_type)
