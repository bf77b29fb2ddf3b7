"""PAX records: ``LENGTH KEY=VALUE\\n``, end to end (POSIX.1-2001; star's xattr and GNU's sparse keys)."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from azekura.errors import InvalidRequest, TooLarge
from azekura.formats.limits import Limits

_LENGTH = re.compile(rb"([0-9]{1,9}) ", re.ASCII)
_SECONDS = re.compile(rb"(-?)([0-9]{1,12})(?:\.([0-9]*))?", re.ASCII)
_NUMBER = re.compile(rb"[0-9]{1,20}", re.ASCII)
_XATTR = b"SCHILY.xattr."
# what a global header must not change for all entries behind it
_OF_ONE_ENTRY = (b"path", b"linkpath", b"size", b"uid", b"gid", b"mtime", _XATTR, b"GNU.sparse.")


@dataclass(frozen=True, slots=True)
class Records:
    """``values`` has keys once each; GNU's repeated sparse keys are in ``segments`` as they came."""

    values: dict[bytes, bytes] = field(default_factory=dict)
    xattrs: dict[str, bytes] = field(default_factory=dict)
    segments: list[bytes] = field(default_factory=list)


def parse(data: bytes, limits: Limits) -> Records:
    """Decode the body of an extended header.

    Raises:
        InvalidRequest: malformed, or a key twice.
        TooLarge: an extended attribute too large for Linux, too many sparse segments.
    """
    records = Records()
    at = 0
    while at < len(data):
        match = _LENGTH.match(data, at)
        end = at + int(match[1]) if match else 0
        if match is None or end > len(data) or end <= match.end() or data[end - 1] != 0x0A:
            if not data[at:].strip(b"\0"):
                break  # padding, which some writers count in
            raise _malformed()
        key, equals, value = data[match.end() : end - 1].partition(b"=")
        if not equals or not key:
            raise _malformed()
        at = end
        if key.startswith(_XATTR):
            _add_xattr(records, key[len(_XATTR) :], value, limits)
        elif key in (b"GNU.sparse.offset", b"GNU.sparse.numbytes"):
            wanted = b"GNU.sparse.numbytes" if len(records.segments) % 2 else b"GNU.sparse.offset"
            if key != wanted:
                raise _malformed()
            records.segments.append(value)
            if len(records.segments) > 2 * limits.sparse_segments:
                raise TooLarge(f"The tarball has a sparse file of more than {limits.sparse_segments} pieces")
        elif key in records.values:
            raise InvalidRequest(f'The tarball says "{key[:40].decode(errors="replace")}" twice for one entry')
        elif value:  # an empty value means: none
            if b"\0" in value and key in (b"path", b"linkpath", b"GNU.sparse.name"):
                raise InvalidRequest("The tarball has a name with a NUL in it")
            records.values[key] = value
    return records


def check_global(records: Records) -> None:
    """Refuse a global header that would rename or re-own every entry behind it; comments and the like are fine."""
    keys = [*records.values, *([_XATTR] if records.xattrs else []), *([b"GNU.sparse."] if records.segments else [])]
    for key in keys:
        if key.startswith(_OF_ONE_ENTRY):
            name = key.decode(errors="replace")
            raise InvalidRequest(f'The tarball sets "{name}" for all its entries, which isn\'t accepted')


def _add_xattr(records: Records, name: bytes, value: bytes, limits: Limits) -> None:
    if len(value) > limits.xattr_bytes:
        raise TooLarge(f"The tarball has an extended attribute of more than {limits.xattr_bytes} bytes")
    text = name.decode("utf-8", "surrogateescape")
    if not text or "\0" in text or len(name) > 255:
        raise InvalidRequest("The tarball has an extended attribute with an impossible name")
    if text in records.xattrs:
        raise InvalidRequest("The tarball has an extended attribute twice for one entry")
    records.xattrs[text] = value


def whole(value: bytes) -> int:
    """A decimal number, not negative."""
    if not _NUMBER.fullmatch(value):
        raise _malformed()
    return int(value)


def nanoseconds(value: bytes) -> int:
    """Seconds with an optional fraction, as nanoseconds."""
    match = _SECONDS.fullmatch(value)
    if match is None:
        raise _malformed()
    total = int(match[2]) * 1_000_000_000 + int((match[3] or b"").ljust(9, b"0")[:9])
    return -total if match[1] else total


def _malformed() -> InvalidRequest:
    return InvalidRequest("The tarball is damaged: an extended header is malformed")
