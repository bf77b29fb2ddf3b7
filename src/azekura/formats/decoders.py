"""Decompression as streams of bounded pieces: what comes out of one step is bounded, whatever goes in.

A decoder is fed and drained by :class:`azekura.formats.compression.Decompressed`; it never sees a file.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from azekura.errors import InvalidRequest, TooLarge
from azekura.formats.limits import Limits
from azekura.formats.magic import Compression

INPUT = 64 * 1024  # bytes asked of the compressed side at a time
OUTPUT = 256 * 1024  # most bytes one step gives

Read = Callable[[int], bytes]


class Decoder(Protocol):
    """Pulls from the compressed side, gives the next piece; ``b""`` once, and only if, all is complete."""

    def step(self) -> bytes: ...


class _Stream(Protocol):
    """What bz2's and lzma's decompressors have in common."""

    @property
    def eof(self) -> bool: ...
    @property
    def needs_input(self) -> bool: ...
    @property
    def unused_data(self) -> bytes: ...
    def decompress(self, data: bytes, max_length: int = -1) -> bytes: ...


def truncated(compression: Compression) -> InvalidRequest:
    return InvalidRequest(
        f"The {compression} data ends too early: the file is truncated",
        hint="upload or download it again, and compare its sha256",
    )


def corrupt(compression: Compression, exc: Exception) -> InvalidRequest:
    return InvalidRequest(f"The {compression} data is corrupt: {exc}")


class Members:
    """gzip, bzip2, xz, lzma: streams set end to end, with zeros allowed behind the last (as ``gzip`` and ``xz`` do)."""

    def __init__(
        self,
        read: Read,
        compression: Compression,
        new: Callable[[], _Stream],
        magic: bytes,
        errors: tuple[type[Exception], ...],
    ) -> None:
        self._read = read
        self._compression = compression
        self._new = new
        self._magic = magic
        self._errors = errors
        self._stream: _Stream | None = new()
        self._rest = b""

    def step(self) -> bytes:
        while self._stream is not None:
            stream = self._stream
            if stream.eof:
                self._next(stream.unused_data)
                continue
            data = b""
            if stream.needs_input:
                data, self._rest = self._rest or self._read(INPUT), b""
                if not data:
                    raise truncated(self._compression)
            try:
                piece = stream.decompress(data, OUTPUT)
            except self._errors as exc:
                if "emory" in str(exc):
                    raise TooLarge(f"The {self._compression} data takes too much memory to decompress") from exc
                raise corrupt(self._compression, exc) from exc
            if piece:
                return piece
        return b""

    def _next(self, rest: bytes) -> None:
        """After a stream's end: another one, padding, or the end of the file."""
        self._stream = None
        if not self._magic:  # .lzma has one stream only, and no way to tell another
            if rest or self._read(1):
                raise self._garbage()
            return
        while True:
            if not rest:
                rest = self._read(INPUT)
                if not rest:
                    return
            rest = rest.lstrip(b"\0")
            while rest and len(rest) < len(self._magic):
                more = self._read(INPUT)
                if not more:
                    break
                rest += more
            if rest:
                if not rest.startswith(self._magic):
                    raise self._garbage()
                self._stream, self._rest = self._new(), rest
                return

    def _garbage(self) -> InvalidRequest:
        return InvalidRequest(f"Something that isn't {self._compression} data follows the {self._compression} data")


class _Gzip:
    """zlib in the manner of the other two."""

    def __init__(self) -> None:
        import zlib

        self._zlib = zlib.decompressobj(wbits=31)

    @property
    def eof(self) -> bool:
        return self._zlib.eof

    @property
    def needs_input(self) -> bool:
        return not self._zlib.unconsumed_tail

    @property
    def unused_data(self) -> bytes:
        return self._zlib.unused_data

    def decompress(self, data: bytes, max_length: int = -1) -> bytes:
        return self._zlib.decompress(self._zlib.unconsumed_tail or data, max_length)


class Zstd:
    """Frame by frame and block by block (RFC 8878), since the library neither bounds a step's output nor minds
    a missing end. A block gives 128 KiB at most."""

    def __init__(self, read: Read, limits: Limits) -> None:
        import zstandard

        self._read = read
        self._buffer = b""
        self._library = zstandard
        self._context = zstandard.ZstdDecompressor(max_window_size=limits.window_bytes)
        self._frame: zstandard.ZstdDecompressionObj | None = None
        self._checksum = False

    def step(self) -> bytes:
        try:
            while True:
                if self._frame is None and not self._begin():
                    return b""
                piece = self._block()
                if piece:
                    return piece
        except self._library.ZstdError as exc:
            if "memory" in str(exc):
                raise TooLarge("The zstd data takes too much memory to decompress: its window is too large") from exc
            raise corrupt(Compression.ZSTD, exc) from exc

    def _take(self, count: int) -> bytes:
        while len(self._buffer) < count:
            more = self._read(max(INPUT, count - len(self._buffer)))
            if not more:
                raise truncated(Compression.ZSTD)
            self._buffer = self._buffer + more if self._buffer else more
        taken, self._buffer = self._buffer[:count], self._buffer[count:]
        return taken

    def _begin(self) -> bool:
        """Start the next frame; False at the end of the file. Skippable frames are skipped."""
        while True:
            if not self._buffer:
                self._buffer = self._read(INPUT)
                if not self._buffer:
                    return False
            magic = self._take(4)
            if magic[1:] == b"\x2a\x4d\x18" and magic[0] & 0xF0 == 0x50:
                self._skip(int.from_bytes(self._take(4), "little"))
                continue
            if magic != b"\x28\xb5\x2f\xfd":
                raise InvalidRequest("Something that isn't zstd data follows the zstd data")
            descriptor = self._take(1)
            flags = descriptor[0]
            single = flags >> 5 & 1
            size = (0 if single else 1) + (0, 1, 2, 4)[flags & 3] + (single, 2, 4, 8)[flags >> 6]
            self._checksum = bool(flags & 4)
            self._frame = self._context.decompressobj()
            self._frame.decompress(magic + descriptor + self._take(size))
            return True

    def _block(self) -> bytes:
        frame = self._frame
        assert frame is not None
        head = self._take(3)
        number = int.from_bytes(head, "little")
        kind, size = number >> 1 & 3, number >> 3
        if kind == 3 or size > 128 * 1024:
            raise InvalidRequest("The zstd data is corrupt: impossible block header")
        piece = frame.decompress(head + self._take(1 if kind == 1 else size))
        if number & 1:
            if self._checksum:
                piece += frame.decompress(self._take(4))
            if not frame.eof:
                raise InvalidRequest("The zstd data is corrupt: its last block does not end it")
            self._frame = None
        return piece

    def _skip(self, count: int) -> None:
        while count:
            count -= len(self._take(min(count, INPUT)))


def decoder(read: Read, compression: Compression, limits: Limits) -> Decoder:
    """The decoder for ``compression``, which must not be ``none``."""
    match compression:
        case Compression.GZIP:
            import zlib

            return Members(read, compression, _Gzip, b"\x1f\x8b", (zlib.error,))
        case Compression.BZIP2:
            import bz2

            return Members(read, compression, bz2.BZ2Decompressor, b"BZh", (OSError, ValueError))
        case Compression.XZ | Compression.LZMA:
            import lzma

            form = lzma.FORMAT_XZ if compression is Compression.XZ else lzma.FORMAT_ALONE
            magic = b"\xfd7zXZ\0" if compression is Compression.XZ else b""
            return Members(
                read,
                compression,
                lambda: lzma.LZMADecompressor(format=form, memlimit=limits.decoder_memory),
                magic,
                (lzma.LZMAError, MemoryError),
            )
        case Compression.ZSTD:
            return Zstd(read, limits)
        case Compression.NONE:
            raise ValueError("nothing to decode")
