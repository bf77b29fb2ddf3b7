from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from azekura.errors import InvalidRequest
from azekura.formats.magic import Compression, Container, FileKind, sniff

USTAR = bytes(257) + b"ustar\x0000" + bytes(248)


@pytest.mark.parametrize(
    ("head", "kind", "extension"),
    [
        (b"BZh9" + bytes(20), FileKind(Container.TAR, Compression.BZIP2), ".tar.bz2"),
        (b"\x1f\x8b\x08" + bytes(20), FileKind(Container.TAR, Compression.GZIP), ".tar.gz"),
        (b"\xfd7zXZ\0", FileKind(Container.TAR, Compression.XZ), ".tar.xz"),
        (b"\x007zXZ\0", FileKind(Container.TAR, Compression.LZMA), ".tar.lzma"),
        (b"\x5d\0\0\x80\0", FileKind(Container.TAR, Compression.LZMA), ".tar.lzma"),
        (USTAR, FileKind(Container.TAR), ".tar"),
        (b"hsqs" + bytes(92), FileKind(Container.SQUASHFS), ".squashfs"),
        (b"QFI\xfb\0\0\0\x03", FileKind(Container.QCOW2), ".qcow2"),
        (b"\x28\xb5\x2f\xfd\0", FileKind(Container.TAR, Compression.ZSTD), ".tar.zst"),
    ],
)
def test_magic_numbers_tell_the_kind_of_file(head: bytes, kind: FileKind, extension: str) -> None:
    assert sniff(head) == kind
    assert sniff(head).extension == extension


def test_an_empty_file_is_said_to_be_empty() -> None:
    with pytest.raises(InvalidRequest, match="The file is empty"):
        sniff(b"")


def test_a_v7_tarball_is_refused_with_a_hint() -> None:
    with pytest.raises(InvalidRequest, match="Unsupported compression") as caught:
        sniff(b"name".ljust(512, b"\0"))
    assert "v7" in (caught.value.hint or "")


def test_a_web_page_is_recognised_as_a_mistake() -> None:
    with pytest.raises(InvalidRequest) as caught:
        sniff(b"<!DOCTYPE html><html>not found</html>".ljust(512))
    assert "web page" in (caught.value.hint or "")


@given(st.binary(max_size=600))
def test_no_head_of_any_length_makes_sniff_crash(head: bytes) -> None:
    with contextlib.suppress(InvalidRequest):
        assert sniff(head).extension.startswith(".")
