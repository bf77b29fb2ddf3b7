"""Squashfs images as no honest program writes them: uncompressed, every inode and name as asked.

Only what evil images need: directories, files, symbolic links, devices, attributes; one block per table.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, field

_NONE = 0xFFFFFFFF
_ABSENT = (1 << 64) - 1
_PREFIXES = {"user": 0, "trusted": 1, "security": 2}


@dataclass
class Node:
    """``kind``: d, f, l, c or b. ``children``: (name, node) pairs, which may repeat names and share nodes."""

    kind: str
    data: bytes = b""
    children: list[tuple[bytes, Node]] = field(default_factory=list)
    mode: int = 0o755
    device: tuple[int, int] = (0, 0)
    xattrs: dict[str, bytes] = field(default_factory=dict)
    size: int | None = None  # of a file, if it shall lie
    words: list[int] | None = None  # sizes of a file's blocks, likewise


def folder(*children: tuple[bytes, Node]) -> Node:
    return Node("d", children=list(children))


def file(data: bytes = b"", mode: int = 0o644) -> Node:
    return Node("f", data, mode=mode)


def symlink(target: bytes) -> Node:
    return Node("l", target, mode=0o777)


def device(major: int, minor: int) -> Node:
    return Node("c", device=(major, minor))


def with_xattr(node: Node, name: str, value: bytes) -> Node:
    node.xattrs[name] = value
    return node


def rootfs(*more: tuple[bytes, Node]) -> Node:
    """A minimal root file system, and ``more`` in its root."""
    return folder(
        (b"etc", folder((b"hostname", file(b"box\n")))),
        (b"sbin", folder((b"init", file(b"#!/bin/sh\n", 0o755)))),
        *more,
    )


class _Image:
    def __init__(self) -> None:
        self.data = bytearray(96)
        self.inodes = bytearray()
        self.listings = bytearray()
        self.references: dict[int, int] = {}
        self.kv = bytearray()
        self.xattr_ids = bytearray()

    def add(self, node: Node) -> int:
        """The reference of the node's inode."""
        known = self.references.get(id(node))
        if known is not None:
            return known
        listing = self._listing(node) if node.kind == "d" else (0, 0)
        xattr = self._xattrs(node)
        at = len(self.inodes)
        number = len(self.references) + 1
        kind = {"d": 8, "f": 9, "l": 10, "b": 11, "c": 12}[node.kind]
        self.inodes += struct.pack("<4H2I", kind, node.mode, 0, 0, 1_600_000_000, number)
        if node.kind == "d":
            size, offset = listing
            self.inodes += struct.pack("<4I2HI", 2, size + 3, 0, 1, 0, offset, xattr)
        elif node.kind == "f":
            start = len(self.data)
            self.data += node.data
            size = len(node.data) if node.size is None else node.size
            words = node.words
            if words is None:
                words = [
                    len(node.data[position : position + 4096]) | 1 << 24 for position in range(0, len(node.data), 4096)
                ]
            self.inodes += struct.pack("<3Q4I", start, size, 0, 1, _NONE, 0, xattr)
            self.inodes += struct.pack(f"<{len(words)}I", *words)
        elif node.kind == "l":
            self.inodes += struct.pack("<2I", 1, len(node.data)) + node.data + struct.pack("<I", xattr)
        else:
            major, minor = node.device
            self.inodes += struct.pack("<3I", 1, minor & 0xFF | major << 8 | (minor & ~0xFF) << 12, xattr)
        self.references[id(node)] = at
        return at

    def _listing(self, node: Node) -> tuple[int, int]:
        body = b""
        for name, child in node.children:
            reference = self.add(child)
            body += struct.pack("<3I", 0, 0, 1) + struct.pack("<HhHH", reference, 0, 1, len(name) - 1) + name
        offset = len(self.listings)
        self.listings += body
        return len(body), offset

    def _xattrs(self, node: Node) -> int:
        if not node.xattrs:
            return _NONE
        start = len(self.kv)
        for name, value in node.xattrs.items():
            prefix, _, suffix = name.partition(".")
            self.kv += struct.pack("<2H", _PREFIXES[prefix], len(suffix)) + suffix.encode()
            self.kv += struct.pack("<I", len(value)) + value
        self.xattr_ids += struct.pack("<Q2I", start, len(node.xattrs), len(self.kv) - start)
        return len(self.xattr_ids) // 16 - 1


def squashfs(root: Node) -> bytes:
    """The image, with a block size of 4096."""
    image = _Image()
    reference = image.add(root)
    out = image.data

    def block(data: bytes) -> int:
        assert len(data) <= 8192, "one block per table"
        at = len(out)
        out.extend(struct.pack("<H", len(data) | 0x8000) + data)
        return at

    inode_table = block(bytes(image.inodes))
    directory_table = block(bytes(image.listings) or b"\0")
    ids = block(struct.pack("<I", 0))
    id_table = len(out)
    out += struct.pack("<Q", ids)
    xattr_table = _ABSENT
    if image.xattr_ids:
        keys = block(bytes(image.kv))
        lookup = block(bytes(image.xattr_ids))
        xattr_table = len(out)
        out += struct.pack("<Q2IQ", keys, len(image.xattr_ids) // 16, 0, lookup)
    out[:96] = struct.pack(
        "<5I6H8Q",
        0x73717368,
        len(image.references),
        1_600_000_000,
        4096,
        0,
        1,
        12,
        0x0001 | 0x0002 | 0x0008 | 0x0010,
        1,
        4,
        0,
        reference,
        len(out),
        id_table,
        xattr_table,
        inode_table,
        directory_table,
        _ABSENT,
        _ABSENT,
    )
    return bytes(out) + bytes(-len(out) % 4096)
