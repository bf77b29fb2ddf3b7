"""Where the data of a sparse file lies: GNU's old header, and PAX 0.0, 0.1 and 1.0 (GNU tar's manual, appendix)."""

from __future__ import annotations

import re
import struct

from azekura.errors import InvalidRequest, TooLarge
from azekura.formats.buffered import Buffered, truncated
from azekura.formats.limits import Limits
from azekura.formats.pax import Records, whole
from azekura.formats.tar_header import BLOCK, Header, number

Segments = tuple[tuple[int, int], ...]
"""(offset, length), ascending, without overlap."""

_PAIR = struct.Struct("12s12s")
_LINE = re.compile(rb"[0-9]{1,20}", re.ASCII)


def check(segments: list[tuple[int, int]], size: int, stored: int, limits: Limits) -> Segments:
    """Return the segments if they describe a file of ``size`` bytes with ``stored`` bytes of data in the archive.

    Raises:
        InvalidRequest: out of order, overlapping, beyond the end, or not as much data as is stored.
        TooLarge: too many of them.
    """
    if len(segments) > limits.sparse_segments:
        raise TooLarge(f"The tarball has a sparse file of more than {limits.sparse_segments} pieces")
    end = total = 0
    for offset, length in segments:
        if offset < end or offset + length > size:
            raise _impossible()
        end = offset + length
        total += length
    if total != stored:
        raise _impossible()
    return tuple((offset, length) for offset, length in segments if length)


def old_gnu(header: Header, source: Buffered, limits: Limits) -> tuple[list[tuple[int, int]], int]:
    """The map and apparent size of an ``S`` header; reads the extension blocks behind it."""
    segments = _pairs(header.block, 386, 4)
    more = header.block[482]
    while more:
        block = source.exactly(BLOCK)
        if len(block) < BLOCK:
            raise truncated()
        segments += _pairs(block, 0, 21)
        more = block[504]
        if len(segments) > limits.sparse_segments:
            raise TooLarge(f"The tarball has a sparse file of more than {limits.sparse_segments} pieces")
    return segments, number(header.block[483:495])


def _pairs(block: bytes, at: int, count: int) -> list[tuple[int, int]]:
    pairs = []
    for offset, length in _PAIR.iter_unpack(block[at : at + count * _PAIR.size]):
        if not offset[0] and not length[0]:
            break
        pairs.append((number(offset), number(length)))
    return pairs


def pax_0(records: Records) -> list[tuple[int, int]] | None:
    """The map of versions 0.0 and 0.1, which stands in the records."""
    if records.segments:
        numbers = [whole(value) for value in records.segments]
    elif b"GNU.sparse.map" in records.values:
        numbers = [whole(value) for value in records.values[b"GNU.sparse.map"].split(b",")]
    elif b"GNU.sparse.size" in records.values:
        numbers = []
    else:
        return None
    if len(numbers) % 2:
        raise _impossible()
    return list(zip(numbers[::2], numbers[1::2], strict=True))


def pax_1(source: Buffered, stored: int, limits: Limits) -> tuple[list[tuple[int, int]], int]:
    """The map of version 1.0, which stands before the data; returns it and how many bytes it took."""
    taken = 0
    text = b""
    numbers: list[int] = []
    wanted = 1
    while len(numbers) < wanted:
        cut = text.find(b"\n")
        if cut < 0:
            if len(text) > 20:
                raise _impossible()
            if taken + BLOCK > stored:
                raise _impossible()
            block = source.exactly(BLOCK)
            if len(block) < BLOCK:
                raise truncated()
            taken += BLOCK
            text += block
            continue
        line, text = text[:cut], text[cut + 1 :]
        if not _LINE.fullmatch(line):
            raise _impossible()
        numbers.append(int(line))
        if len(numbers) == 1:
            if numbers[0] > limits.sparse_segments:
                raise TooLarge(f"The tarball has a sparse file of more than {limits.sparse_segments} pieces")
            wanted = 1 + 2 * numbers[0]
    return list(zip(numbers[1::2], numbers[2::2], strict=True)), taken


def _impossible() -> InvalidRequest:
    return InvalidRequest("The tarball has a sparse file whose map makes no sense")
