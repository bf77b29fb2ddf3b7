from __future__ import annotations

import io
import subprocess
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.hostile.tar_builder import (
    file,
    folder,
    gnu_long,
    hardlink,
    header,
    octal,
    padded,
    pax,
    symlink,
    tarball,
)

from azekura.errors import AzekuraError, InvalidRequest, TooLarge
from azekura.formats.entry import Entry, Kind
from azekura.formats.limits import Limits
from azekura.formats.tar import TarReader
from azekura.formats.tar_header import number
from azekura.formats.tar_writer import END
from azekura.formats.tar_writer import header as written

LIMITS = Limits()


def read(data: bytes, limits: Limits = LIMITS) -> list[tuple[Entry, bytes]]:
    """All entries with their data, holes filled."""

    def entries() -> Iterator[tuple[Entry, bytes]]:
        reader = TarReader(io.BytesIO(data), limits)
        for entry in reader:
            whole = bytearray(entry.size if entry.kind is Kind.FILE else 0)
            for offset, piece in reader.content():
                whole[offset : offset + len(piece)] = piece
            yield entry, bytes(whole)

    return list(entries())


def refused(data: bytes) -> str:
    with pytest.raises(InvalidRequest) as caught:
        read(data)
    return caught.value.message


def test_every_kind_of_entry_is_read() -> None:
    got = read(
        tarball(
            folder(b"d/"),
            file(b"d/f", b"hello", mode=0o4755, uid=7, gid=8),
            symlink(b"d/s", b"f"),
            hardlink(b"d/h", b"d/f"),
            header(b"d/c", b"3", major=1, minor=3),
            header(b"d/b", b"4", major=8, minor=17),
            header(b"d/p", b"6"),
            header(b"old/", b"\0"),
        )
    )
    kinds = [entry.kind.name for entry, _ in got]
    assert kinds == ["DIRECTORY", "FILE", "SYMLINK", "HARDLINK", "CHARACTER", "BLOCK", "FIFO", "DIRECTORY"]
    entry, data = got[1]
    assert (data, entry.mode, entry.uid, entry.gid, entry.mtime_ns) == (b"hello", 0o4755, 7, 8, 1_600_000_000 * 10**9)
    assert (got[2][0].target, got[3][0].target) == (b"f", b"d/f")
    assert (got[5][0].major, got[5][0].minor) == (8, 17)


FORMS = [(form, "") for form in ("ustar", "gnu", "pax", "oldgnu", "posix")] + [
    (form, sparse) for form in ("gnu", "pax", "posix") for sparse in ("0.0", "0.1", "1.0")
]


@pytest.mark.parametrize(("form", "sparse"), FORMS)
def test_what_gnu_tar_writes_is_read(tmp_path: Path, form: str, sparse: str) -> None:
    source = tmp_path / "source"
    deep = source / ("x" * 60) / ("y" * 60)
    deep.mkdir(parents=True)
    (deep / ("z" * (90 if form == "ustar" else 200))).write_bytes(b"deep")
    (source / "plain").write_bytes(bytes(range(256)) * 30)
    (source / "link").symlink_to("y" * (90 if form == "ustar" else 3000))
    holes = bytearray(5_000_000)
    with (source / "holes").open("wb") as out:
        for at in range(0, 5_000_000, 400_000):
            out.seek(at)
            out.write(b"data%d" % at)
            holes[at : at + 5 + len(str(at)) - 1] = b"data%d" % at
        out.truncate(5_000_000)
    options = ["--sparse", f"--sparse-version={sparse}"] if sparse else []
    if form == "gnu" and sparse:
        options = ["--sparse"]
    packed = subprocess.run(
        ["tar", f"--format={form}", *options, "-C", str(source), "-cf", "-", "."], capture_output=True, check=True
    ).stdout
    got = {entry.path: (entry, data) for entry, data in read(packed)}
    prefix = b"./" + b"x" * 60 + b"/" + b"y" * 60 + b"/"
    assert got[prefix + b"z" * (90 if form == "ustar" else 200)][1] == b"deep"
    assert got[b"./plain"][1] == bytes(range(256)) * 30
    assert got[b"./link"][0].target == b"y" * (90 if form == "ustar" else 3000)
    assert got[b"./holes"][1] == holes
    if sparse:
        assert got[b"./holes"][0].stored < 500_000


@pytest.mark.parametrize("form", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_what_pythons_tarfile_writes_is_read(form: int) -> None:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=form) as archive:
        info = tarfile.TarInfo("täst/" + "n" * 80)
        info.size = 3
        info.uid = 70_000
        info.mtime = 1_600_000_000
        archive.addfile(info, io.BytesIO(b"abc"))
    ((entry, data),) = read(out.getvalue())
    assert entry.path == "täst/".encode() + b"n" * 80
    assert (data, entry.uid) == (b"abc", 70_000)


def test_pax_records_override_the_header() -> None:
    records = {b"path": b"long/\xff", b"uid": b"4000000000", b"mtime": b"-1.5", b"SCHILY.xattr.user.a": b"1\x002"}
    ((entry, data),) = read(tarball(pax(records), file(b"short", b"abc")))
    assert (entry.path, entry.uid, entry.mtime_ns, data) == (b"long/\xff", 4_000_000_000, -1_500_000_000, b"abc")
    assert entry.xattrs == {"user.a": b"1\x002"}


def test_base_256_numbers_are_read() -> None:
    assert number(b"\x80\0\0\0\0\0\0\x05") == 5
    assert number(b"\xff\xff\xff\xff\xff\xff\xff\xfe", signed=True) == -2
    ((entry, _),) = read(tarball(header(b"a", uid=b"\x80\0\0\0\0\x12\xd6\x87", mtime=b"\xff" * 12)))
    assert (entry.uid, entry.mtime_ns) == (1234567, -(10**9))


def test_a_signed_checksum_is_accepted_as_old_programs_wrote_it() -> None:
    good = header("é".encode())
    total = sum(good[:148]) + 8 * 32 + sum(good[156:]) - 256 * 2
    assert read(tarball(good[:148] + b"%06o\0 " % total + good[156:]))[0][0].path == "é".encode()


@pytest.mark.parametrize(
    ("data", "fragment"),
    [
        (header(b"a", checksum=b"0000000\0") + END, "checksum"),
        (header(b"a", magic=bytes(8)) + END, "v7"),
        (file(b"a", b"x" * 2000)[:1024], "truncated"),
        (file(b"a", b"x"), "truncated"),
        (tarball(header(b"a", b"1", size=512), bytes(512)), "a hard link with data"),
        (tarball(header(b"a/", b"5", size=512), bytes(512)), "a directory with data"),
        (tarball(header(b"a/", b"0", size=3), padded(b"abc")), "a directory with data"),
        (tarball(header(b"a", b"M")), "unknown type"),
        (tarball(header(b"a", b"D")), "unknown type"),
        (tarball(header(b"a", size=b"\xff" * 12)), "negative"),
        (tarball(header(b"a", size=b"12345678zzz\0")), "no number"),
        (tarball(header(b"a", uid=b"\x80\0\0\0\xff\xff\xff\xff")), "beyond 32 bits"),
        (tarball(gnu_long(b"x"), gnu_long(b"y"), file(b"a")), "two extended headers"),
        (tarball(pax({b"path": b"x"}), pax({b"path": b"y"}), file(b"a")), "two extended headers"),
        (tarball(pax([(b"path", b"x"), (b"path", b"y")]), file(b"a")), "twice"),
        (tarball(pax({b"path": b"x"}), gnu_long(b"y"), file(b"a")), "two different names"),
        (tarball(pax({b"path": b"x\0y"}), file(b"a")), "NUL"),
        (tarball(pax({b"path": b"x"})), "belongs to no entry"),
        (tarball(pax({b"path": b"x"}, b"g"), file(b"a")), "for all its entries"),
        (tarball(pax({b"SCHILY.xattr.user.x": b"x"}, b"g"), file(b"a")), "for all its entries"),
        (tarball(header(b"x", b"x", size=5), padded(b"hello"), file(b"a")), "malformed"),
        (tarball(header(b"x", b"x", size=9), padded(b"99 a=b\n  "), file(b"a")), "malformed"),
        (tarball(header(b"x", b"x", size=6), padded(b"6 abc\n"), file(b"a")), "malformed"),
        (tarball(pax({b"size": b"-5"}), file(b"a")), "malformed"),
        (tarball(pax({b"mtime": b"nan"}), file(b"a")), "malformed"),
        (tarball(pax({b"SCHILY.xattr.": b"x"}), file(b"a")), "impossible name"),
    ],
)
def test_damaged_and_ambiguous_tarballs_are_refused(data: bytes, fragment: str) -> None:
    assert fragment in refused(data)


def test_global_comments_as_git_writes_them_are_fine() -> None:
    assert len(read(tarball(pax({b"comment": b"0123abcd"}, b"g"), file(b"a")))) == 1


SPARSE_1 = {b"GNU.sparse.major": b"1", b"GNU.sparse.minor": b"0", b"GNU.sparse.name": b"s"}


@pytest.mark.parametrize(
    "data",
    [
        # overlapping, out of order, beyond the end, less and more data than there is
        pax({**SPARSE_1, b"GNU.sparse.realsize": b"9"}) + file(b"a", padded(b"2\n0\n4\n2\n2\n") + b"abcdef"),
        pax({**SPARSE_1, b"GNU.sparse.realsize": b"9"}) + file(b"a", padded(b"2\n4\n2\n0\n2\n") + b"abcd"),
        pax({**SPARSE_1, b"GNU.sparse.realsize": b"3"}) + file(b"a", padded(b"1\n0\n4\n") + b"abcd"),
        pax({**SPARSE_1, b"GNU.sparse.realsize": b"9"}) + file(b"a", padded(b"1\n0\n4\n") + b"ab"),
        pax({**SPARSE_1, b"GNU.sparse.realsize": b"9"}) + file(b"a", padded(b"1\n0\n4\n") + b"abcdefgh"),
        pax({**SPARSE_1, b"GNU.sparse.realsize": b"9"}) + file(b"a", padded(b"x\n")),
        pax({**SPARSE_1, b"GNU.sparse.realsize": b"9"}) + file(b"a", padded(b"9" * 50)),
        pax({**SPARSE_1, b"GNU.sparse.realsize": b"9"}) + file(b"a", b""),
        pax({b"GNU.sparse.map": b"0,4,9", b"GNU.sparse.size": b"9"}) + file(b"a", b"abcd"),
        pax([(b"GNU.sparse.offset", b"0"), (b"GNU.sparse.offset", b"4")]) + file(b"a", b"abcd"),
        pax({b"GNU.sparse.major": b"2", b"GNU.sparse.minor": b"0"}) + file(b"a", b"abcd"),
        header(b"a", b"S", size=4, magic=b"ustar  \0", tail=bytes(41) + octal(8, 12) + octal(4, 12)) + padded(b"abcd"),
    ],
)
def test_sparse_maps_that_make_no_sense_are_refused(data: bytes) -> None:
    with pytest.raises(InvalidRequest):
        read(tarball(data))


def test_a_sparse_map_may_not_be_endless() -> None:
    records = {**SPARSE_1, b"GNU.sparse.realsize": b"9"}
    with pytest.raises(TooLarge):
        read(tarball(pax(records), file(b"a", padded(b"999999999\n"))))


def test_limits_hold() -> None:
    with pytest.raises(TooLarge):
        read(tarball(gnu_long(b"x" * 5000), file(b"a")), Limits(header_bytes=4096))
    with pytest.raises(TooLarge):
        read(tarball(pax({b"SCHILY.xattr.user.x": b"x" * 5000}), file(b"a")), Limits(xattr_bytes=4096))
    with pytest.raises(TooLarge):
        read(tarball(pax({b"size": b"9" * 18}), file(b"a")))


ENTRIES = st.builds(
    Entry,
    path=st.binary(min_size=1, max_size=400).map(lambda name: name.replace(b"\0", b"_").strip(b"/") or b"x"),
    kind=st.sampled_from([Kind.FILE, Kind.DIRECTORY, Kind.SYMLINK, Kind.HARDLINK, Kind.CHARACTER, Kind.FIFO]),
    mode=st.integers(0, 0o7777),
    uid=st.integers(0, 2**32 - 2),
    gid=st.integers(0, 2**32 - 2),
    mtime_ns=st.integers(-(2**31), 2**34).map(lambda seconds: seconds * 10**9),
    target=st.binary(min_size=1, max_size=300).map(lambda name: name.replace(b"\0", b"_")),
    major=st.integers(0, 4095),
    minor=st.integers(0, 2**20 - 1),
    xattrs=st.dictionaries(st.text("abc.é", min_size=1, max_size=9).map("user.".__add__), st.binary(max_size=50)),
)


@settings(max_examples=200, deadline=None)
@given(ENTRIES)
def test_headers_we_write_are_read_back(entry: Entry) -> None:
    ((got, _),) = read(written(entry) + END)
    device = entry.kind is Kind.CHARACTER
    assert got.path.rstrip(b"/") == entry.path
    assert (got.kind, got.mode, got.uid, got.gid) == (entry.kind, entry.mode, entry.uid, entry.gid)
    assert (got.mtime_ns, got.xattrs) == (entry.mtime_ns, entry.xattrs)
    assert (got.major, got.minor) == ((entry.major, entry.minor) if device else (0, 0))
    assert got.target == (entry.target if entry.kind in (Kind.SYMLINK, Kind.HARDLINK) else b"")


@settings(max_examples=200, deadline=None)
@given(st.integers(0, 2000), st.binary(min_size=1, max_size=12))
def test_no_damage_raises_anything_but_our_errors(at: int, patch: bytes) -> None:
    data = bytearray(
        tarball(
            pax({**SPARSE_1, b"GNU.sparse.realsize": b"9", b"SCHILY.xattr.user.a": b"b"}),
            file(b"a", padded(b"1\n0\n4\n") + b"abcd"),
            gnu_long(b"n" * 300),
            header(b"g", b"S", size=4, magic=b"ustar  \0", tail=bytes(41) + octal(0, 12) + octal(4, 12)),
            padded(b"abcd"),
        )
    )
    data[at : at + len(patch)] = patch
    # a good checksum, so that the damage gets past it
    for start in range(0, len(data) - 511, 512):
        block = data[start : start + 512]
        if block[257:262] == b"ustar":
            data[start + 148 : start + 156] = b"%06o\0 " % (sum(block[:148]) + 256 + sum(block[156:]))
    try:
        read(bytes(data), Limits(file_bytes=1 << 20))
    except AzekuraError:
        pass
