"""The lowest layer of squashfs 4.0: superblock, compressed blocks, and reading metadata across them.

(Format: the kernel's ``fs/squashfs/squashfs_fs.h``.) The kernel's own driver is not made for hostile images; here
every offset and length is checked before use, and no block gives more than it may.
"""

from __future__ import annotations

import lzma
import os
import struct
import zlib
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, BinaryIO

from azekura.errors import InvalidRequest, Unsupported
from azekura.formats.limits import MIB

if TYPE_CHECKING:
    from concurrent.futures import ThreadPoolExecutor

_SUPERBLOCK = struct.Struct("<5I6H8Q")
_METADATA = 8192  # bytes of an uncompressed metadata block
_CACHED = 256  # metadata blocks kept
_ABSENT = (1 << 64) - 1
_COMPRESSORS = {1: "gzip", 2: "lzma", 3: "lzo", 4: "xz", 5: "lz4", 6: "zstd"}
NO_FRAGMENT = 0xFFFFFFFF


@dataclass(frozen=True, slots=True)
class Superblock:
    """Positions are bytes from the start of the file; None where there is no such table."""

    inodes: int
    block_size: int
    fragments: int
    compressor: str
    ids: int
    root: int
    bytes_used: int
    id_table: int
    xattr_table: int | None
    inode_table: int
    directory_table: int
    fragment_table: int | None
    flags: int


def damaged(what: str) -> InvalidRequest:
    return InvalidRequest(f"The squashfs is damaged: {what}")


def read_superblock(data: bytes, size: int) -> Superblock:
    """Decode and check the first 96 bytes of a file of ``size`` bytes.

    Raises:
        InvalidRequest: no squashfs 4.0, or one that is shorter than it says.
        Unsupported: compressed by lzo or lz4.
    """
    if len(data) < _SUPERBLOCK.size or data[:4] != b"hsqs":
        raise damaged("it is too short")
    fields = _SUPERBLOCK.unpack(data[: _SUPERBLOCK.size])
    (_, inodes, _, block_size, fragments, compressor, log, flags, ids, major, minor) = fields[:11]
    (root, used, id_table, xattr_table, inode_table, directory_table, fragment_table, _) = fields[11:]
    if (major, minor) != (4, 0):
        raise InvalidRequest(f"The squashfs has the version {major}.{minor}; only 4.0 is known")
    name = _COMPRESSORS.get(compressor)
    if name is None:
        raise damaged("it has an unknown compressor")
    if name in ("lzo", "lz4"):
        raise Unsupported(
            f"A squashfs compressed by {name} can't be read", hint="make it with mksquashfs -comp zstd, xz or gzip"
        )
    if not 4096 <= block_size <= MIB or block_size != 1 << log:
        raise damaged("its block size is impossible")
    if used > size:
        raise InvalidRequest(
            "The squashfs ends too early: it is truncated", hint="upload or download it again, and compare its sha256"
        )
    for table in (id_table, inode_table, directory_table):
        if table >= used:
            raise damaged("a table lies beyond its end")
    return Superblock(
        inodes,
        block_size,
        fragments,
        name,
        ids,
        root,
        used,
        id_table,
        None if xattr_table == _ABSENT else xattr_table,
        inode_table,
        directory_table,
        None if fragment_table == _ABSENT or not fragments else fragment_table,
        flags,
    )


def decompressor(name: str, memory: int, window: int) -> Callable[[bytes, int], bytes]:
    """A function of (data, most bytes) that decompresses one block."""
    if name == "zstd":
        return _zstd(window)
    if name == "gzip":
        return _zlib
    form = lzma.FORMAT_XZ if name == "xz" else lzma.FORMAT_ALONE

    def expand(data: bytes, most: int) -> bytes:
        try:
            return lzma.LZMADecompressor(form, memlimit=memory).decompress(data, most + 1)
        except (lzma.LZMAError, MemoryError) as exc:
            raise damaged(f"a block can't be decompressed ({exc})") from exc

    return expand


def _zlib(data: bytes, most: int) -> bytes:
    try:
        return zlib.decompressobj().decompress(data, most + 1)
    except zlib.error as exc:
        raise damaged(f"a block can't be decompressed ({exc})") from exc


def _zstd(window: int) -> Callable[[bytes, int], bytes]:
    import zstandard

    context = zstandard.ZstdDecompressor(max_window_size=window)

    def expand(data: bytes, most: int) -> bytes:
        try:
            # the library would allocate whatever size the frame claims
            if zstandard.frame_content_size(data) > most:
                raise damaged("a block is larger than it may be")
            return context.decompress(data, max_output_size=most + 1)
        except zstandard.ZstdError as exc:
            raise damaged(f"a block can't be decompressed ({exc})") from exc

    return expand


class Blocks:
    """Bounded reads of the file, and its metadata blocks decompressed."""

    def __init__(self, file: BinaryIO, end: int, expand: Callable[[bytes, int], bytes]) -> None:
        self._file = file
        self._end = end
        self._expand = expand
        self._cache: OrderedDict[int, tuple[bytes, int]] = OrderedDict()
        self._pool: ThreadPoolExecutor | None = None

    def raw(self, position: int, count: int) -> bytes:
        """``count`` bytes of the file at ``position``."""
        if count < 0 or position < 0 or position + count > self._end:
            raise damaged("something lies beyond its end")
        self._file.seek(position)
        data = self._file.read(count)
        if len(data) < count:
            raise damaged("it changed while it was read")
        return data

    def data(self, position: int, word: int, most: int) -> Callable[[], bytes]:
        """Begin on a data or fragment block, whose size and form are in ``word``; call the result for its bytes, at
        most ``most``. Meanwhile it is decompressed by another thread, where there are processors for that."""
        size = word & 0xFFFFFF
        if word >> 25 or size > most:
            raise damaged("a block's size is impossible")
        data = self.raw(position, size)
        if word & 1 << 24:
            return lambda: data
        if self._pool is None:
            return lambda: self._block(data, most)
        return self._pool.submit(self._block, data, most).result

    def _block(self, data: bytes, most: int) -> bytes:
        data = self._expand(data, most)
        if len(data) > most:
            raise damaged("a block is larger than it may be")
        return data

    def use_threads(self) -> None:
        """From now on decompress blocks ahead (for who will read most of the data)."""
        processors = len(os.sched_getaffinity(0))
        if self._pool is None and processors > 1:
            from concurrent.futures import ThreadPoolExecutor

            self._pool = ThreadPoolExecutor(min(processors, 4), thread_name_prefix="squashfs")

    def close(self) -> None:
        """Let the threads end."""
        if self._pool is not None:
            self._pool.shutdown(cancel_futures=True)
            self._pool = None

    def metadata(self, position: int) -> tuple[bytes, int]:
        """The metadata block at ``position``, and where the next one is."""
        cached = self._cache.get(position)
        if cached is not None:
            self._cache.move_to_end(position)
            return cached
        word = int.from_bytes(self.raw(position, 2), "little")
        size = word & 0x7FFF
        if not 0 < size <= _METADATA:
            raise damaged("a metadata block's size is impossible")
        data = self.raw(position + 2, size)
        if not word & 0x8000:
            data = self._expand(data, _METADATA)
        if not 0 < len(data) <= _METADATA:
            raise damaged("a metadata block is larger than it may be")
        if len(self._cache) >= _CACHED:
            self._cache.popitem(last=False)
        self._cache[position] = (data, position + 2 + size)
        return self._cache[position]

    def cursor(self, table: int, reference: int) -> Cursor:
        """Read from ``reference`` (block position relative to ``table``, and offset inside it, as inodes have it)."""
        return Cursor(self, table + (reference >> 16), reference & 0xFFFF)


class Cursor:
    """Reads metadata forward, from block to block."""

    __slots__ = ("_at", "_blocks", "_data", "_next")

    def __init__(self, blocks: Blocks, position: int, offset: int) -> None:
        self._blocks = blocks
        self._data, self._next = blocks.metadata(position)
        self._at = offset
        if offset > len(self._data):
            raise damaged("an offset lies beyond its block")

    def read(self, count: int) -> bytes:
        """Exactly ``count`` bytes (callers bound it)."""
        end = self._at + count
        if end <= len(self._data):
            data = self._data[self._at : end]
            self._at = end
            return data
        parts = []
        while count:
            if self._at == len(self._data):
                self._data, self._next = self._blocks.metadata(self._next)
                self._at = 0
            part = self._data[self._at : self._at + count]
            self._at += len(part)
            count -= len(part)
            parts.append(part)
        return b"".join(parts)
