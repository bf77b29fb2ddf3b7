"""Header blocks of a PAX tarball: ustar where it suffices, records where it doesn't (POSIX.1-2001)."""

from __future__ import annotations

from azekura.formats.entry import Entry, Kind
from azekura.formats.tar_header import BLOCK

_FLAGS = {
    Kind.FILE: b"0",
    Kind.HARDLINK: b"1",
    Kind.SYMLINK: b"2",
    Kind.CHARACTER: b"3",
    Kind.BLOCK: b"4",
    Kind.DIRECTORY: b"5",
    Kind.FIFO: b"6",
}
_NS = 1_000_000_000
END = bytes(2 * BLOCK)


def header(entry: Entry) -> bytes:
    """All blocks that stand before the entry's data, the map of a sparse file (PAX 1.0) included.

    ``entry.path`` is the name in the archive; folders get their slash here. Times are written in whole seconds.
    """
    name = entry.path + b"/" if entry.kind is Kind.DIRECTORY else entry.path
    records: dict[bytes, bytes] = {}
    data_map = b""
    size = entry.stored if entry.kind is Kind.FILE else 0
    if entry.sparse is not None:
        data_map = _sparse_map(entry)
        size += len(data_map)
        records[b"GNU.sparse.major"] = b"1"
        records[b"GNU.sparse.minor"] = b"0"
        records[b"GNU.sparse.name"] = name
        records[b"GNU.sparse.realsize"] = b"%d" % entry.size
        folder, _, last = name.rpartition(b"/")
        name = b"%sGNUSparseFile.0/%s" % (folder + b"/" if folder else b"", last)
    for key, value in sorted(entry.xattrs.items()):
        records[b"SCHILY.xattr." + key.encode("utf-8", "surrogateescape")] = value
    seconds = entry.mtime_ns // _NS
    block = _ustar(name, entry, size, seconds, records)
    if not records:
        return block + data_map
    body = b"".join(_record(key, value) for key, value in sorted(records.items()))
    extended = Entry(b"PaxHeaders/" + name.rstrip(b"/").rpartition(b"/")[2][:80], Kind.FILE, mtime_ns=entry.mtime_ns)
    prefix = _ustar(extended.path, extended, len(body), seconds, {}, b"x")
    return prefix + body + padding(len(body)) + block + data_map


def padding(size: int) -> bytes:
    """The zeros behind ``size`` bytes of data."""
    return bytes(-size % BLOCK)


def _ustar(
    name: bytes, entry: Entry, size: int, seconds: int, records: dict[bytes, bytes], flag: bytes | None = None
) -> bytes:
    """The ustar block; what doesn't fit goes to ``records``."""
    short, prefix = _split(name)
    if short is None:
        if b"GNU.sparse.name" not in records:
            records[b"path"] = name
        short, prefix = name[-100:], b""
    link = entry.target if entry.kind in (Kind.SYMLINK, Kind.HARDLINK) else b""
    if len(link) > 100:
        records[b"linkpath"] = link
        link = link[:100]
    block = b"".join(
        (
            short.ljust(100, b"\0"),
            b"%07o\0" % entry.mode,
            _octal(entry.uid, 8, b"uid", records),
            _octal(entry.gid, 8, b"gid", records),
            _octal(size, 12, b"size", records),
            _octal(seconds, 12, b"mtime", records),
            b" " * 8,
            flag or _FLAGS[entry.kind],
            link.ljust(100, b"\0"),
            b"ustar\x0000",
            bytes(64),
            b"%07o\0%07o\0" % (entry.major, entry.minor),
            prefix.ljust(167, b"\0"),
        )
    )
    return b"%b%06o\0 %b" % (block[:148], sum(block), block[156:])


def _octal(value: int, width: int, key: bytes, records: dict[bytes, bytes]) -> bytes:
    if 0 <= value < 1 << 3 * (width - 1):
        return b"%0*o\0" % (width - 1, value)
    records[key] = b"%d" % value
    return bytes(width - 1).replace(b"\0", b"0") + b"\0"


def _split(name: bytes) -> tuple[bytes | None, bytes]:
    """Name and prefix as ustar wants them, None if it can't be done."""
    if len(name) <= 100:
        return name, b""
    cut = name.find(b"/", len(name) - 101, len(name) - 1)
    if 0 < cut <= 155:
        return name[cut + 1 :], name[:cut]
    return None, b""


def _record(key: bytes, value: bytes) -> bytes:
    rest = len(key) + len(value) + 3
    length = rest + len(str(rest))
    length = rest + len(str(length))
    return b"%d %b=%b\n" % (length, key, value)


def _sparse_map(entry: Entry) -> bytes:
    pairs = list(entry.sparse or ())
    # GNU tar ends the map at the file's end, so that a hole there is seen
    if not pairs or sum(pairs[-1]) < entry.size:
        pairs.append((entry.size, 0))
    text = b"%d\n" % len(pairs) + b"".join(b"%d\n%d\n" % pair for pair in pairs)
    return text + padding(len(text))
