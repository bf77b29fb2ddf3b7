"""Reading a squashfs as a walk of entries, and scanning one that is an image's root file system.

The same rules and the same writer as for tarballs: a stranger's squashfs needs neither the kernel nor a C program.
"""

from __future__ import annotations

import struct
from array import array
from collections import deque
from collections.abc import Callable, Iterator
from typing import BinaryIO

from azekura.errors import InvalidRequest, TooLarge
from azekura.formats.entry import Content, Entry, EntrySink, Kind, shown
from azekura.formats.limits import DEFAULT, Limits
from azekura.formats.rootfs_scan import Fault, RootfsScan, refuse
from azekura.formats.scanned import ScannedRootfs
from azekura.formats.squashfs_blocks import (
    NO_FRAGMENT,
    Blocks,
    damaged,
    decompressor,
    read_superblock,
)
from azekura.formats.squashfs_inodes import Inode, Inodes, Xattrs

_RUN = struct.Struct("<3I")
_NAME = struct.Struct("<HhHH")
_NS = 1_000_000_000
_WORDS = 2048  # block sizes read at a time
_BLOCKS = 32_000_000  # data blocks of all files together: 4 TB of usual ones
_AHEAD = 4  # blocks of one file decompressed before they are asked for
_FRAGMENTS = 4  # decompressed fragments kept


class SquashReader:
    """Iterate for entries, parents first; ``content()`` gives the data of the latest one."""

    def __init__(self, file: BinaryIO, limits: Limits = DEFAULT) -> None:
        """
        Raises:
            InvalidRequest: no squashfs 4.0, or damaged.
            Unsupported: its compressor isn't known here.
        """
        size = file.seek(0, 2)
        file.seek(0)
        self._limits = limits
        self._head = read_superblock(file.read(96), size)
        expand = decompressor(self._head.compressor, limits.decoder_memory, limits.window_bytes)
        self._blocks = Blocks(file, self._head.bytes_used, expand)
        self._inodes = Inodes(self._blocks, self._head, limits)
        self._xattrs = Xattrs(self._blocks, self._head, limits)
        self._links: dict[int, bytes] = {}  # first path of files that have several
        self._folders: set[int] = set()  # listings on the way or done: none may come twice
        self._fragments: dict[int, Callable[[], bytes]] = {}
        self._blocks_left = _BLOCKS
        self._inode: Inode | None = None
        self._words: list[array[int]] = []
        self.size = self._head.bytes_used
        self.compressor = self._head.compressor

    def __iter__(self) -> Iterator[Entry]:
        """
        Raises:
            InvalidRequest: damaged.
            TooLarge: over a limit.
        """
        root = self._inodes.read(self._head.root)
        if root.kind is not Kind.DIRECTORY:
            raise damaged("its root is no directory")
        yield self._entry(b"", root)
        stack = [(b"", self._listing(root))]
        while stack:
            path, names = stack[-1]
            for name, reference in names:
                child = path + b"/" + name if path else name
                if len(child) > self._limits.path_bytes:
                    raise TooLarge(f"The squashfs has a path of more than {self._limits.path_bytes} bytes")
                inode = self._inodes.read(reference)
                yield self._entry(child, inode)
                if inode.kind is Kind.DIRECTORY:
                    stack.append((child, self._listing(inode)))
                    break
            else:
                stack.pop()

    def content(self) -> Content:
        """The data of the entry that came last, as (offset, bytes); nothing for a further name of a file."""
        inode = self._inode
        if inode is None or inode.kind is not Kind.FILE:
            return
        for offset, length, begun in self._ahead(inode):
            data = begun()
            if len(data) != length:
                raise damaged("a block is shorter than it should be")
            yield offset, data
        tail = inode.size % self._head.block_size
        if tail and inode.fragment != NO_FRAGMENT:
            data = self._fragment(inode.fragment)[inode.fragment_offset : inode.fragment_offset + tail]
            if len(data) != tail:
                raise damaged("a fragment is shorter than it should be")
            yield inode.size - tail, data

    def _ahead(self, inode: Inode) -> Iterator[tuple[int, int, Callable[[], bytes]]]:
        """A file's blocks in order (offset, length, data), a few of them begun before they are asked for."""
        block = self._head.block_size
        position, offset = inode.start, 0
        begun: deque[tuple[int, int, Callable[[], bytes]]] = deque()
        for words in self._words:
            for word in words:
                length = min(block, inode.size - offset)
                if word:
                    begun.append((offset, length, self._blocks.data(position, word, block)))
                    position += word & 0xFFFFFF
                    if len(begun) > _AHEAD:
                        yield begun.popleft()
                offset += length
        yield from begun

    def _entry(self, path: bytes, inode: Inode) -> Entry:
        kind, target = inode.kind, inode.target
        sparse = None
        self._inode, self._words = inode, []
        if kind is Kind.FILE:
            first = self._links.get(inode.reference) if inode.links > 1 else None
            if first is not None:
                kind, target = Kind.HARDLINK, first
                self._inode = None
            else:
                if inode.links > 1:
                    self._links[inode.reference] = path
                sparse = self._load_words(inode)
        return Entry(
            path,
            kind,
            inode.mode,
            inode.uid,
            inode.gid,
            inode.mtime * _NS,
            inode.size if kind is Kind.FILE else 0,
            target,
            inode.major,
            inode.minor,
            self._xattrs.read(inode.xattr),
            sparse,
        )

    def _load_words(self, inode: Inode) -> tuple[tuple[int, int], ...] | None:
        """Read the sizes of a file's blocks; returns its data areas if it has holes."""
        block = self._head.block_size
        count, tail = divmod(inode.size, block)
        if inode.fragment == NO_FRAGMENT and tail:
            count += 1
        self._blocks_left -= count
        if self._blocks_left < 0:
            raise TooLarge(f"The squashfs has more than {_BLOCKS} blocks")
        assert inode.words is not None
        holes = 0
        end = inode.start
        while count:
            words = array("I", inode.words.read(4 * min(count, _WORDS)))
            count -= len(words)
            sizes = [word & 0xFFFFFF for word in words]
            end += sum(sizes)
            if max(words) >> 25 or max(sizes) > block:
                raise damaged("a block's size is impossible")
            if end > self._head.bytes_used:
                raise damaged("a file's data lies beyond its end")
            holes += words.count(0)
            self._words.append(words)
        return self._data_areas(inode) if holes else None

    def _data_areas(self, inode: Inode) -> tuple[tuple[int, int], ...]:
        block = self._head.block_size
        areas: list[tuple[int, int]] = []
        offset = start = 0
        for words in self._words:
            for word in words:
                if not word:
                    if offset > start:
                        areas.append((start, offset - start))
                        if len(areas) > self._limits.sparse_segments:
                            raise TooLarge("The squashfs has a sparse file of too many pieces")
                    start = offset + block
                offset += block
        if inode.size > start:
            areas.append((start, inode.size - start))
        return tuple(areas)

    def _listing(self, inode: Inode) -> Iterator[tuple[bytes, int]]:
        """Names and inode references of a folder."""
        if inode.reference in self._folders:
            raise damaged("a directory lies in itself or in two places")
        self._folders.add(inode.reference)
        left = inode.size
        if not left:
            return
        cursor = self._blocks.cursor(self._head.directory_table, inode.listing)
        while left:
            if left < _RUN.size:
                raise damaged("a directory's size is impossible")
            count, block, _ = _RUN.unpack(cursor.read(_RUN.size))
            left -= _RUN.size
            if count >= 256:
                raise damaged("a directory's run is too long")
            for _ in range(count + 1):
                offset, _, _, length = _NAME.unpack(cursor.read(_NAME.size))
                left -= _NAME.size + length + 1
                if left < 0 or length > 255:
                    raise damaged("a directory's size is impossible")
                name = cursor.read(length + 1)
                if b"/" in name or b"\0" in name or name in (b".", b".."):
                    raise InvalidRequest(f'The squashfs has a name that leads outside: "{shown(name)}"')
                yield name, block << 16 | offset

    def _fragment(self, index: int) -> bytes:
        if index >= self._head.fragments:
            raise damaged("a fragment is not in its table")
        if index not in self._fragments:
            self._begin_fragment(index)
        data = self._fragments[index]()
        self._fragments[index] = lambda: data
        # files use them one after the other
        if index + 1 < self._head.fragments and index + 1 not in self._fragments:
            self._begin_fragment(index + 1)
        return data

    def _begin_fragment(self, index: int) -> None:
        if self._head.fragment_table is None:
            raise damaged("it has no table of fragments")
        pointer = int.from_bytes(self._blocks.raw(self._head.fragment_table + index // 512 * 8, 8), "little")
        block, _ = self._blocks.metadata(pointer)
        at = index % 512 * 16
        if at + 16 > len(block):
            raise damaged("its table of fragments is too short")
        position, word, _ = struct.unpack_from("<Q2I", block, at)
        if len(self._fragments) >= _FRAGMENTS:
            del self._fragments[next(iter(self._fragments))]
        self._fragments[index] = self._blocks.data(position, word, self._head.block_size)

    def use_threads(self) -> None:
        """Decompress data ahead: worth it for who reads most of the data, and then calls :meth:`close`."""
        if self.compressor in ("xz", "lzma"):  # the others are so fast that handing over costs more than it gains
            self._blocks.use_threads()

    def close(self) -> None:
        """Let the threads end; the file stays open."""
        self._blocks.close()


def scan_rootfs_squashfs(
    file: BinaryIO, limits: Limits = DEFAULT, sink: EntrySink | None = None, *, fault: Fault = refuse
) -> ScannedRootfs:
    """Scan a squashfs (an open, seekable file) by the rules of root file systems; entries go to ``sink``.

    Without a sink only the metadata is read: whether data blocks decompress is then not known.

    Raises:
        InvalidRequest: damaged or against the rules.
        TooLarge: over a limit.
        Unsupported: compressed by lzo or lz4.
    """
    reader = SquashReader(file, limits)
    scan = RootfsScan(limits, sink, fault)
    most = max(limits.ratio_from, limits.ratio * reader.size)  # blocks may be shared by any number of files
    if sink is not None:
        reader.use_threads()
    try:
        for entry in reader:
            scan.add(entry, entry.path, entry.target if entry.kind is Kind.HARDLINK else b"", reader.content())
            if scan.unpacked > most:
                raise TooLarge(f"The squashfs unpacks to more than {limits.ratio} times its size")
    finally:
        reader.close()
    return ScannedRootfs(scan.finish())
