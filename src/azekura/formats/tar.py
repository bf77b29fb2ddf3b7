"""Reading a tarball once, as a stream, without believing any of it.

ustar, GNU (long names, old sparse files, base-256 numbers) and PAX (long names, xattrs, sparse 0.0 to 1.0). What
other programs read differently from each other is refused rather than guessed: sizes on entries that have no data,
keys twice, global headers that rename, unknown types.
"""

from __future__ import annotations

from collections.abc import Iterator

from azekura.errors import InvalidRequest, TooLarge
from azekura.formats import pax, sparse
from azekura.formats.buffered import CHUNK, Buffered, Readable, truncated
from azekura.formats.entry import Content, Entry, Kind
from azekura.formats.limits import Limits
from azekura.formats.tar_header import BLOCK, ZEROS, Header, parse

_KINDS = {
    b"0": Kind.FILE,
    b"\0": Kind.FILE,
    b"7": Kind.FILE,
    b"S": Kind.FILE,
    b"1": Kind.HARDLINK,
    b"2": Kind.SYMLINK,
    b"3": Kind.CHARACTER,
    b"4": Kind.BLOCK,
    b"5": Kind.DIRECTORY,
    b"6": Kind.FIFO,
}
_EXTENDED = b"xXgLK"
_NOBODY = 0xFFFFFFFF  # (uid_t) -1 means "leave as it is" to chown(2)
_NS = 1_000_000_000
_NO_RECORDS = pax.Records()


class TarReader:
    """Iterate for entries (paths as spelled in the archive); ``content()`` gives the data of the latest one."""

    def __init__(self, source: Readable, limits: Limits) -> None:
        self._source = Buffered(source)
        self._limits = limits
        self._left = 0  # bytes of data of the current entry not read yet
        self._padding = 0  # zeros behind them
        self._entry: Entry | None = None

    def __iter__(self) -> Iterator[Entry]:
        """
        Raises:
            InvalidRequest: damaged, truncated, or beyond what is accepted.
            TooLarge: over a limit.
        """
        while True:
            self._source.skip(self._left + self._padding)
            self._left = self._padding = 0
            entry = self._next()
            self._entry = entry
            if entry is None:
                self._source.drain()
                return
            yield entry

    def content(self) -> Content:
        """The data of the entry that came last, as (offset, bytes)."""
        entry = self._entry
        if entry is None or entry.kind is not Kind.FILE:
            return
        for start, length in ((0, entry.size),) if entry.sparse is None else entry.sparse:
            offset, end = start, start + length
            while offset < end:
                data = self._source.some(min(end - offset, CHUNK))
                if not data:
                    raise truncated()
                self._left -= len(data)
                yield offset, data
                offset += len(data)

    def _next(self) -> Entry | None:
        """The next entry, with what the extended headers before it say; None at the end marker."""
        records = _NO_RECORDS
        name = link = None
        while True:
            block = self._source.exactly(BLOCK)
            if len(block) < BLOCK:
                raise truncated()
            if block == ZEROS:
                if records is not _NO_RECORDS or name is not None or link is not None:
                    raise InvalidRequest("The tarball ends with an extended header that belongs to no entry")
                return None
            header = parse(block)
            if header.type not in _EXTENDED:
                return self._build(header, records, name, link)
            body = self._extended(header)
            if header.type == b"g":
                pax.check_global(pax.parse(body, self._limits))
            elif header.type in b"xX" and records is _NO_RECORDS:
                records = pax.parse(body, self._limits)
            elif header.type == b"L" and name is None:
                name = body.rstrip(b"\0")
            elif header.type == b"K" and link is None:
                link = body.rstrip(b"\0")
            else:
                raise InvalidRequest("The tarball has two extended headers of a kind for one entry")

    def _extended(self, header: Header) -> bytes:
        if header.size > self._limits.header_bytes:
            raise TooLarge(f"The tarball has an extended header of more than {self._limits.header_bytes} bytes")
        body = self._source.exactly(header.size)
        if len(body) < header.size:
            raise truncated()
        self._source.skip(-header.size % BLOCK)
        return body

    def _build(self, header: Header, records: pax.Records, long_name: bytes | None, long_link: bytes | None) -> Entry:
        values = records.values
        kind = _KINDS.get(header.type)
        if kind is None:
            raise InvalidRequest(f"The tarball has an entry of the unknown type {header.type!r}")
        stored = pax.whole(values[b"size"]) if b"size" in values else header.size
        name = _one_of(values.get(b"path"), long_name) or header.name
        segments = None
        size = stored
        if kind is Kind.FILE:
            name, size, segments, taken = self._sparse(header, records, name, stored)
            if header.type in b"0\0" and name.endswith(b"/"):
                kind = Kind.DIRECTORY  # before ustar had a type for them
            self._left = stored - taken
            self._padding = -stored % BLOCK
        if size and kind is not Kind.FILE:
            raise InvalidRequest(f"The tarball has a {kind.value} with data")
        if size > self._limits.file_bytes:
            raise TooLarge(f"The tarball has a file of more than {self._limits.file_bytes} bytes")
        mtime = pax.nanoseconds(values[b"mtime"]) if b"mtime" in values else header.mtime * _NS
        return Entry(
            name,
            kind,
            header.mode,
            _owner(values.get(b"uid"), header.uid),
            _owner(values.get(b"gid"), header.gid),
            min(max(mtime, -(1 << 31) * _NS), (1 << 34) * _NS),  # what ext4 can hold
            size,
            (_one_of(values.get(b"linkpath"), long_link) or header.link)
            if kind in (Kind.SYMLINK, Kind.HARDLINK)
            else b"",
            header.major,
            header.minor,
            records.xattrs,
            segments,
        )

    def _sparse(
        self, header: Header, records: pax.Records, name: bytes, stored: int
    ) -> tuple[bytes, int, sparse.Segments | None, int]:
        """Name, apparent size, map, and how much of the stored data was the map."""
        values = records.values
        name = values.get(b"GNU.sparse.name", name)
        if header.type == b"S":
            pairs, size = sparse.old_gnu(header, self._source, self._limits)
            return name, size, sparse.check(pairs, size, stored, self._limits), 0
        if b"GNU.sparse.major" in values:
            version = (values[b"GNU.sparse.major"], values.get(b"GNU.sparse.minor"))
            if version != (b"1", b"0") or b"GNU.sparse.realsize" not in values:
                raise InvalidRequest("The tarball has a sparse file in an unknown format")
            size = pax.whole(values[b"GNU.sparse.realsize"])
            pairs, taken = sparse.pax_1(self._source, stored, self._limits)
            return name, size, sparse.check(pairs, size, stored - taken, self._limits), taken
        old = sparse.pax_0(records)
        if old is not None:
            size = pax.whole(values.get(b"GNU.sparse.size", b""))
            return name, size, sparse.check(old, size, stored, self._limits), 0
        return name, stored, None, 0


def _one_of(value: bytes | None, long: bytes | None) -> bytes | None:
    if value is not None and long is not None and value != long:
        raise InvalidRequest("The tarball gives one entry two different names")
    return value if value is not None else long


def _owner(value: bytes | None, header: int) -> int:
    number = header if value is None else pax.whole(value)
    if number >= _NOBODY:
        raise InvalidRequest("The tarball has an owner whose number is beyond 32 bits")
    return number
