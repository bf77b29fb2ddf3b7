"""Tarballs as no honest program writes them: every field can be set, checksums are right unless asked otherwise."""

from __future__ import annotations

from collections.abc import Iterable

BLOCK = 512
END = bytes(2 * BLOCK)
GOOD_YAML = b"architecture: x86_64\ncreation_date: 1700000000\nproperties:\n  os: Test\n"

FILE, LINK, SYMLINK, CHARACTER, DEVICE, FOLDER, FIFO = b"0", b"1", b"2", b"3", b"4", b"5", b"6"


def octal(value: int, width: int) -> bytes:
    return b"%0*o\0" % (width - 1, value)


def header(
    name: bytes,
    flag: bytes = FILE,
    *,
    size: int | bytes = 0,
    mode: int = 0o644,
    uid: int | bytes = 0,
    gid: int = 0,
    mtime: int | bytes = 1_600_000_000,
    link: bytes = b"",
    major: int = 0,
    minor: int = 0,
    magic: bytes = b"ustar\x0000",
    prefix: bytes = b"",
    tail: bytes = b"",
    checksum: bytes | None = None,
) -> bytes:
    """One block. Bytes are put as they are; ``tail`` replaces what begins at the prefix field."""
    fields = b"".join(
        (
            name[:100].ljust(100, b"\0"),
            octal(mode, 8),
            uid if isinstance(uid, bytes) else octal(uid, 8),
            octal(gid, 8),
            size if isinstance(size, bytes) else octal(size, 12),
            mtime if isinstance(mtime, bytes) else octal(mtime, 12),
            b" " * 8,
            flag,
            link[:100].ljust(100, b"\0"),
            magic,
            bytes(64),
            octal(major, 8),
            octal(minor, 8),
            (tail or prefix.ljust(155, b"\0")).ljust(167, b"\0"),
        )
    )
    assert len(fields) == BLOCK, len(fields)
    total = checksum if checksum is not None else b"%06o\0 " % sum(fields)
    return fields[:148] + total + fields[156:]


def padded(data: bytes) -> bytes:
    return data + bytes(-len(data) % BLOCK)


def file(name: bytes, data: bytes = b"", **fields: object) -> bytes:
    return header(name, size=len(data), **fields) + padded(data)  # type: ignore[arg-type]


def folder(name: bytes, mode: int = 0o755) -> bytes:
    return header(name, FOLDER, mode=mode)


def symlink(name: bytes, target: bytes) -> bytes:
    return header(name, SYMLINK, mode=0o777, link=target)


def hardlink(name: bytes, target: bytes) -> bytes:
    return header(name, LINK, link=target)


def record(key: bytes, value: bytes) -> bytes:
    """One PAX record."""
    length = len(key) + len(value) + 3
    digits = len(str(length))
    while len(str(length + digits)) != digits:
        digits += 1
    return b"%d %s=%s\n" % (length + digits, key, value)


def pax(records: Iterable[tuple[bytes, bytes]] | dict[bytes, bytes], flag: bytes = b"x") -> bytes:
    """An extended header for the entry behind it."""
    pairs = records.items() if isinstance(records, dict) else records
    body = b"".join(record(key, value) for key, value in pairs)
    return header(b"PaxHeaders/x", flag, size=len(body)) + padded(body)


def gnu_long(data: bytes, flag: bytes = b"L") -> bytes:
    """GNU's long name (``L``) or long link (``K``) for the entry behind it."""
    return header(b"././@LongLink", flag, size=len(data) + 1) + padded(data + b"\0")


def tarball(*parts: bytes) -> bytes:
    return b"".join(parts) + END


def image(*parts: bytes, metadata: bytes = GOOD_YAML) -> bytes:
    """A unified tarball: good metadata, a minimal rootfs, then ``parts``."""
    return tarball(file(b"metadata.yaml", metadata), *rootfs_parts(b"rootfs/"), *parts)


def rootfs_parts(prefix: bytes) -> list[bytes]:
    return [
        folder(prefix),
        folder(prefix + b"etc/"),
        file(prefix + b"etc/hostname", b"box\n"),
        folder(prefix + b"sbin/"),
        file(prefix + b"sbin/init", b"#!/bin/sh\n", mode=0o755),
    ]
