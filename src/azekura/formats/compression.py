"""Compression in this process: an enumeration mapped to libraries, never a command line (CVE-2026-28384, -48755)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Protocol

from azekura.errors import InvalidRequest, TooLarge
from azekura.formats.decoders import Decoder, decoder
from azekura.formats.limits import DEFAULT, Limits
from azekura.formats.magic import Compression

__all__ = ["Algorithm", "Decompressed", "Reader", "Writer", "open_reader", "open_writer", "parse_algorithm"]


class Reader(Protocol):
    """The reading end of a byte stream: up to ``n`` bytes, ``b""`` at the end."""

    def read(self, n: int, /) -> bytes: ...


class Sink(Protocol):
    """The writing end of a byte stream."""

    def write(self, data: bytes, /) -> object: ...


class Writer(Protocol):
    """``close`` writes what is left; it does not close what lies below."""

    def write(self, data: bytes, /) -> object: ...
    def close(self) -> None: ...


class Decompressed:
    """What ``raw`` holds, decompressed. Counts both sides and stops at the limits."""

    def __init__(self, raw: Reader, compression: Compression, limits: Limits) -> None:
        self._raw = raw
        self._limits = limits
        self._decoder: Decoder | None = None
        if compression is not Compression.NONE:
            self._decoder = decoder(self._read_raw, compression, limits)
        self._pending = b""
        self.bytes_in = 0
        self.bytes_out = 0

    def read(self, n: int, /) -> bytes:
        """Up to ``n`` bytes, ``b""`` at the end.

        Raises:
            InvalidRequest: corrupt, truncated, or followed by something else.
            TooLarge: expands to too much, or by an absurd ratio.
        """
        if self._pending:
            piece = self._pending
        else:
            piece = self._decoder.step() if self._decoder else self._read_raw(n)
            self.bytes_out += len(piece)
            self._check()
        self._pending = piece[n:]
        return piece[:n] if self._pending else piece

    def _read_raw(self, n: int) -> bytes:
        data = self._raw.read(n)
        self.bytes_in += len(data)
        return data

    def _check(self) -> None:
        limits = self._limits
        if self.bytes_out > limits.expanded_bytes:
            raise TooLarge(f"The image expands to more than {limits.expanded_bytes} bytes")
        if self.bytes_out > limits.ratio_from and self.bytes_out > limits.ratio * self.bytes_in:
            raise TooLarge(
                f"The image expands to more than {limits.ratio} times its size, as archives made to fill disks do",
                hint="pack large files of zeros as sparse files (tar --sparse)",
            )


def open_reader(raw: Reader, compression: Compression, limits: Limits = DEFAULT) -> Decompressed:
    """Read ``raw`` decompressed. Several members, streams or frames end to end are one stream.

    ``raw`` is anything with ``read(n)``; it isn't closed. Errors are raised by the reader's ``read``.
    """
    return Decompressed(raw, compression, limits)


@dataclass(frozen=True, slots=True)
class Algorithm:
    """How to compress what is published. ``level`` None: the algorithm's usual one."""

    compression: Compression
    level: int | None = None

    @property
    def extension(self) -> str:
        """``.tar``, ``.tar.gz`` …"""
        return f".tar{self.compression.extension}"

    def __str__(self) -> str:
        return str(self.compression) if self.level is None else f"{self.compression} -{self.level}"


# other programs' names for the same formats; and the levels of each (zstd's above 19 need uncommon memory to read)
_NAMES = {"pigz": Compression.GZIP, "pzstd": Compression.ZSTD, **{str(name): name for name in Compression}}
_LEVELS = {
    Compression.NONE: range(0),
    Compression.GZIP: range(1, 10),
    Compression.BZIP2: range(1, 10),
    Compression.XZ: range(10),
    Compression.LZMA: range(10),
    Compression.ZSTD: range(1, 20),
}
_LEVEL = re.compile(r"-([0-9]{1,2})", re.ASCII)


def parse_algorithm(text: str) -> Algorithm:
    """Parse a value of ``compression_algorithm``: a name of ours, optionally with a level, as in ``xz -9``.

    Raises:
        InvalidRequest: anything else; nothing of ``text`` ever reaches a program.
    """
    words = text.split()
    if words[:1] in (["gzip"], ["pigz"]) and "--rsyncable" in words:
        words.remove("--rsyncable")  # spreads restarts for rsync's sake; without them it is gzip still
    if words and words[0] in ("squashfs", "tar2sqfs"):
        raise InvalidRequest(
            f'Invalid compression algorithm "{words[0]}": images are published as tarballs here', hint="try zstd"
        )
    if not words or words[0] not in _NAMES or len(words) > 2:
        raise InvalidRequest(
            f'Invalid compression algorithm "{text[:80]}"', hint="one of none, gzip, bzip2, xz, lzma, zstd"
        )
    compression = _NAMES[words[0]]
    if len(words) == 1:
        return Algorithm(compression)
    match = _LEVEL.fullmatch(words[1])
    levels = _LEVELS[compression]
    if match is None or int(match[1]) not in levels:
        hint = f"the only option is a level, -{levels[0]} to -{levels[-1]}" if levels else "none takes no option"
        raise InvalidRequest(f'Invalid compression algorithm "{text[:80]}"', hint=hint)
    return Algorithm(compression, int(match[1]))


def open_writer(out: Sink, algorithm: Algorithm) -> Writer:
    """Compress into ``out``. Equal input and algorithm give equal output (as ``gzip -n`` does), in every run."""
    from azekura.formats.encoders import encoder  # its libraries take time to load, readers don't need them

    return encoder(out.write, algorithm.compression, algorithm.level)
