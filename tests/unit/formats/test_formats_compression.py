from __future__ import annotations

import bz2
import gzip
import io
import lzma
import os
import struct
import subprocess
from collections.abc import Callable

import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from azekura.errors import AzekuraError, InvalidRequest, TooLarge
from azekura.formats.compression import Algorithm, open_reader, open_writer, parse_algorithm
from azekura.formats.limits import DEFAULT, Limits
from azekura.formats.magic import Compression

COMPRESS: dict[Compression, Callable[[bytes], bytes]] = {
    Compression.GZIP: gzip.compress,
    Compression.BZIP2: bz2.compress,
    Compression.XZ: lzma.compress,
    Compression.LZMA: lambda data: lzma.compress(data, lzma.FORMAT_ALONE),
    Compression.ZSTD: zstandard.ZstdCompressor(write_checksum=True).compress,
}
JOINABLE = [name for name in COMPRESS if name is not Compression.LZMA]
DATA = os.urandom(70_000) + bytes(700_000) + b"end" * 1000


class Dribble:
    """A source that gives a few bytes at a time, as sockets may."""

    def __init__(self, data: bytes, most: int = 777) -> None:
        self._file = io.BytesIO(data)
        self._most = most

    def read(self, n: int, /) -> bytes:
        return self._file.read(min(n, self._most))


def expand(data: bytes, compression: Compression, limits: Limits = DEFAULT, most: int = 777) -> bytes:
    reader = open_reader(Dribble(data, most), compression, limits)
    pieces = []
    while piece := reader.read(100_000):
        assert len(piece) <= 100_000
        pieces.append(piece)
    return b"".join(pieces)


@pytest.mark.parametrize("compression", COMPRESS)
def test_what_other_programs_compressed_is_read(compression: Compression) -> None:
    assert expand(COMPRESS[compression](DATA), compression) == DATA
    assert expand(COMPRESS[compression](DATA), compression, most=1 << 20) == DATA


@pytest.mark.parametrize("compression", JOINABLE)
def test_members_set_end_to_end_are_one_stream(compression: Compression) -> None:
    member = COMPRESS[compression](DATA)
    assert expand(member + COMPRESS[compression](b"") + member, compression) == DATA + DATA


def test_zstd_skippable_frames_are_skipped() -> None:
    frame = COMPRESS[Compression.ZSTD](b"abc")
    skippable = struct.pack("<II", 0x184D2A53, 100_000) + bytes(100_000)
    assert expand(skippable + frame + skippable + frame, Compression.ZSTD) == b"abcabc"


@pytest.mark.parametrize("compression", [Compression.GZIP, Compression.XZ])
def test_zeros_behind_the_stream_are_padding(compression: Compression) -> None:
    assert expand(COMPRESS[compression](DATA) + bytes(1024), compression) == DATA


@pytest.mark.parametrize("compression", COMPRESS)
def test_truncated_data_is_refused_wherever_it_ends(compression: Compression) -> None:
    whole = COMPRESS[compression](DATA)
    # lzma has no checksum: without its last bytes it may be complete already
    for cut in (1, 2, 5, 11, len(whole) // 2, len(whole) - 12, len(whole) - 6):
        with pytest.raises(InvalidRequest, match="truncated"):
            expand(whole[:cut], compression)


@pytest.mark.parametrize("compression", JOINABLE)
def test_a_missing_last_byte_is_noticed(compression: Compression) -> None:
    with pytest.raises(InvalidRequest, match="truncated"):
        expand(COMPRESS[compression](DATA)[:-1], compression)


@pytest.mark.parametrize("compression", COMPRESS)
def test_garbage_behind_the_data_is_refused(compression: Compression) -> None:
    with pytest.raises(InvalidRequest, match="follows"):
        expand(COMPRESS[compression](DATA) + b"garbage and more", compression)


@pytest.mark.parametrize("compression", JOINABLE)
def test_flipped_bits_are_noticed(compression: Compression) -> None:
    whole = bytearray(COMPRESS[compression](DATA))
    whole[len(whole) // 2] ^= 0x40
    with pytest.raises(InvalidRequest, match="corrupt"):
        expand(bytes(whole), compression)


@pytest.mark.parametrize("compression", COMPRESS)
def test_a_bomb_is_stopped_by_the_ratio(compression: Compression) -> None:
    bomb = COMPRESS[compression](bytes(30_000_000))
    limits = Limits(ratio=100, ratio_from=1_000_000)
    with pytest.raises(TooLarge, match="100 times"):
        expand(bomb, compression, limits, most=1 << 20)


@pytest.mark.parametrize("compression", COMPRESS)
def test_no_step_gives_more_than_it_should(compression: Compression) -> None:
    bomb = COMPRESS[compression](bytes(30_000_000))
    reader = open_reader(io.BytesIO(bomb), compression, Limits(expanded_bytes=1_000_000))
    assert len(reader.read(1 << 30)) <= 300_000


def test_xz_with_an_enormous_dictionary_is_refused() -> None:
    filters = [{"id": lzma.FILTER_LZMA2, "preset": 0, "dict_size": 1 << 24}]
    data = lzma.compress(b"x" * 1000, lzma.FORMAT_XZ, filters=filters)
    with pytest.raises(TooLarge, match="memory"):
        expand(data, Compression.XZ, Limits(decoder_memory=1 << 22))


def test_zstd_with_an_enormous_window_is_refused() -> None:
    parameters = zstandard.ZstdCompressionParameters(window_log=28, compression_level=1)
    compressor = zstandard.ZstdCompressor(compression_params=parameters).compressobj()
    with pytest.raises(TooLarge, match="memory"):
        expand(compressor.compress(b"x" * 1000) + compressor.flush(), Compression.ZSTD)


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(list(COMPRESS)), st.binary(max_size=300), st.integers(0, 400), st.integers(0, 255))
def test_no_damaged_stream_raises_anything_else(compression: Compression, data: bytes, at: int, value: int) -> None:
    whole = bytearray(COMPRESS[compression](data))
    whole[at % len(whole)] = value
    try:
        expand(bytes(whole), compression)
    except AzekuraError:
        pass


@pytest.mark.parametrize(
    ("text", "algorithm", "extension"),
    [
        ("none", Algorithm(Compression.NONE), ".tar"),
        ("gzip", Algorithm(Compression.GZIP), ".tar.gz"),
        ("pigz -9", Algorithm(Compression.GZIP, 9), ".tar.gz"),
        ("xz -0", Algorithm(Compression.XZ, 0), ".tar.xz"),
        (" zstd  -19 ", Algorithm(Compression.ZSTD, 19), ".tar.zst"),
        ("pzstd", Algorithm(Compression.ZSTD), ".tar.zst"),
        ("lzma", Algorithm(Compression.LZMA), ".tar.lzma"),
        ("bzip2 -1", Algorithm(Compression.BZIP2, 1), ".tar.bz2"),
    ],
)
def test_algorithms_are_names_with_an_optional_level(text: str, algorithm: Algorithm, extension: str) -> None:
    assert parse_algorithm(text) == algorithm
    assert algorithm.extension == extension


@pytest.mark.parametrize(
    "text",
    [
        "",
        "xyz",
        "gzip -0",
        "gzip -10",
        "zstd -22",
        "none -1",
        "gzip -9 -n",
        "xz -T0",
        "gzip -९",
        "GZIP",
        "gzip;id",
        "/bin/gzip",
        "zstd --output-dir-flat=/etc",
        "gzip -S/../../x",
        "xz --files=/etc/shadow",
    ],
)
def test_anything_else_is_no_algorithm(text: str) -> None:
    with pytest.raises(InvalidRequest, match="Invalid compression algorithm"):
        parse_algorithm(text)


def test_squashfs_is_refused_with_a_reason() -> None:
    with pytest.raises(InvalidRequest, match="tarballs"):
        parse_algorithm("squashfs")


PROGRAMS = {
    "gzip": "gzip",
    "bzip2": "bzip2",
    "xz": "xz",
    "lzma": "xz",
    "zstd": "zstd",
}


@pytest.mark.parametrize("text", ["gzip", "gzip -1", "bzip2", "xz -1", "lzma -1", "zstd", "zstd -1"])
def test_what_we_compress_is_reproducible_and_read_by_the_usual_program(text: str) -> None:
    algorithm = parse_algorithm(text)
    data = DATA * 9  # several pieces

    def compress(step: int) -> bytes:
        out = io.BytesIO()
        writer = open_writer(out, algorithm)
        for at in range(0, len(data), step):
            writer.write(data[at : at + step])
        writer.close()
        return out.getvalue()

    first = compress(1 << 20)
    assert first == compress(1 << 20)
    assert first == compress(300_001)
    assert expand(first, algorithm.compression) == data
    program = PROGRAMS[text.split(maxsplit=1)[0]]
    assert subprocess.run([program, "-dc"], input=first, capture_output=True, check=True).stdout == data


def test_gzip_has_neither_name_nor_time_in_its_header() -> None:
    out = io.BytesIO()
    writer = open_writer(out, parse_algorithm("gzip"))
    writer.write(b"x")
    writer.close()
    assert out.getvalue()[3:8] == bytes(5)


@pytest.mark.parametrize("name", [str(name) for name in Compression])
def test_nothing_at_all_can_be_compressed(name: str) -> None:
    out = io.BytesIO()
    writer = open_writer(out, parse_algorithm(name))
    writer.close()
    assert expand(out.getvalue(), Compression(name)) == b""


def test_gzip_for_rsync_is_gzip() -> None:
    assert parse_algorithm("gzip --rsyncable") == parse_algorithm("gzip")
    assert parse_algorithm("gzip -9 --rsyncable") == parse_algorithm("gzip -9")
    with pytest.raises(InvalidRequest):
        parse_algorithm("xz --rsyncable")
