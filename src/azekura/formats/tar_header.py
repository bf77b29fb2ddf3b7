"""One 512-byte header block of a tarball (POSIX.1-2001 ustar, and GNU's variant of it)."""

from __future__ import annotations

import re
import struct
from dataclasses import dataclass

from azekura.errors import InvalidRequest

BLOCK = 512
ZEROS = bytes(BLOCK)

# name mode uid gid size mtime chksum typeflag linkname magic version uname gname devmajor devminor prefix pad
_LAYOUT = struct.Struct("100s8s8s8s12s12s8sc100s6s2s32s32s8s8s155s12x")
_OCTAL = re.compile(rb"[ \0]*([0-7]*)[ \0]*")


@dataclass(frozen=True, slots=True)
class Header:
    """The fields as they stand, numbers decoded. ``type`` is the one-byte type flag."""

    name: bytes
    mode: int
    uid: int
    gid: int
    size: int
    mtime: int
    type: bytes
    link: bytes
    major: int
    minor: int
    gnu: bool
    block: bytes


def parse(block: bytes) -> Header:
    """Decode a header block that is not all zeros.

    Raises:
        InvalidRequest: wrong checksum, no ``ustar`` magic (v7), or a field that is no number.
    """
    (name, mode, uid, gid, size, mtime, chksum, flag, link, magic, _, _, _, major, minor, prefix) = _LAYOUT.unpack(
        block
    )
    if magic[:5] != b"ustar":
        raise InvalidRequest(
            "The tarball is damaged, or in the old v7 format, which isn't accepted",
            hint="pack it in the pax, gnu or ustar format (tar --format=pax)",
        )
    _check_sum(block, chksum)
    gnu = magic[5:6] == b" "
    name = _text(name)
    if not gnu and prefix[0]:
        name = _text(prefix) + b"/" + name
    device = flag in b"34"
    return Header(
        name,
        number(mode) & 0o7777,
        number(uid),
        number(gid),
        number(size),
        number(mtime, signed=True),
        flag,
        _text(link),
        number(major) if device else 0,
        number(minor) if device else 0,
        gnu,
        block,
    )


def _check_sum(block: bytes, field: bytes) -> None:
    stated = number(field)
    # the field itself counts as blanks
    total = sum(block) - sum(field) + 8 * 32
    if stated == total:
        return
    # some old programs summed signed bytes
    if stated == total - 256 * sum(byte > 127 for byte in block[:148] + block[156:]):
        return
    raise InvalidRequest("The tarball is damaged: a header's checksum is wrong")


def _text(field: bytes) -> bytes:
    end = field.find(b"\0")
    return field if end < 0 else field[:end]


def number(field: bytes, *, signed: bool = False) -> int:
    """Octal digits, or GNU's base-256 where the first bit is set.

    Raises:
        InvalidRequest: neither, or negative where that makes no sense.
    """
    if field[0] & 0x80:
        value = int.from_bytes(field, "big", signed=True) if field[0] & 0x40 else int.from_bytes(field, "big")
        if not field[0] & 0x40:
            value -= 1 << (8 * len(field) - 1)
        if value < 0 and not signed:
            raise InvalidRequest("The tarball is damaged: a header has a negative number")
        return value
    match = _OCTAL.fullmatch(field)
    if match is None:
        raise InvalidRequest("The tarball is damaged: a header's number is no number")
    return int(match[1] or b"0", 8)
