"""Compression as a stream, on several processors where the format allows it.

gzip, bzip2 and xz files may be several streams end to end: pieces of one fixed size are compressed at the same time
and written in order, so that the output depends on the input alone and not on the number of processors.
"""

from __future__ import annotations

import bz2
import lzma
import os
import zlib
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Protocol

from azekura.formats.magic import Compression

Write = Callable[[bytes], object]

MIB = 1024 * 1024


class Encoder(Protocol):
    def write(self, data: bytes, /) -> object: ...
    def close(self) -> None: ...


class Plain:
    """No compression."""

    def __init__(self, write: Write) -> None:
        self.write = write

    def close(self) -> None:
        pass


class _Compressor(Protocol):
    def compress(self, data: bytes, /) -> bytes: ...
    def flush(self) -> bytes: ...


class Stream:
    """One stream by one compressor of the library."""

    def __init__(self, write: Write, compressor: _Compressor) -> None:
        self._write = write
        self._compressor = compressor

    def write(self, data: bytes, /) -> None:
        compressed = self._compressor.compress(data)
        if compressed:
            self._write(compressed)

    def close(self) -> None:
        self._write(self._compressor.flush())


class Pieces:
    """Pieces of ``size`` bytes, each compressed to a stream of its own by ``compress`` in a small pool of threads."""

    def __init__(self, write: Write, compress: Callable[[bytes], bytes], size: int) -> None:
        self._write = write
        self._compress = compress
        self._size = size
        self._threads = min(4, os.cpu_count() or 1)
        self._pool = ThreadPoolExecutor(self._threads, thread_name_prefix="compress")
        self._waiting: deque[Future[bytes]] = deque()
        self._piece = bytearray()
        self._empty = True

    def write(self, data: bytes, /) -> None:
        self._piece += data
        while len(self._piece) >= self._size:
            self._submit(bytes(self._piece[: self._size]))
            del self._piece[: self._size]

    def close(self) -> None:
        try:
            if self._piece or self._empty:
                self._submit(bytes(self._piece))
            while self._waiting:
                self._write(self._waiting.popleft().result())
        finally:
            self._pool.shutdown(cancel_futures=True)

    def _submit(self, piece: bytes) -> None:
        self._empty = False
        self._waiting.append(self._pool.submit(self._compress, piece))
        while len(self._waiting) > self._threads:
            self._write(self._waiting.popleft().result())


def _gzip(data: bytes, level: int) -> bytes:
    # wbits 31 writes gzip's header with neither name nor time: what `gzip -n` does
    compressor = zlib.compressobj(level, zlib.DEFLATED, 31)
    return compressor.compress(data) + compressor.flush()


def encoder(write: Write, compression: Compression, level: int | None) -> Encoder:
    """The encoder for ``compression`` at ``level`` (None: gzip 6, bzip2 9, xz and lzma 6, zstd 3)."""
    match compression:
        case Compression.NONE:
            return Plain(write)
        case Compression.GZIP:
            return Pieces(write, lambda data: _gzip(data, level or 6), 2 * MIB)
        case Compression.BZIP2:
            return Pieces(write, lambda data: bz2.compress(data, level or 9), 7_200_000)
        case Compression.XZ:
            preset = 6 if level is None else level
            return Pieces(write, lambda data: lzma.compress(data, preset=preset), 24 * MIB)
        case Compression.LZMA:
            return Stream(write, lzma.LZMACompressor(lzma.FORMAT_ALONE, preset=6 if level is None else level))
        case Compression.ZSTD:
            import zstandard

            # two threads always: zstd's output differs between one and several, but not among several
            context = zstandard.ZstdCompressor(level=level or 3, threads=2, write_checksum=True)
            return Stream(write, context.compressobj())
