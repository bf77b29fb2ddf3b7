"""Inodes and extended attributes of squashfs 4.0 (format: the kernel's ``fs/squashfs/squashfs_fs.h``)."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass

from azekura.errors import TooLarge
from azekura.formats.entry import Kind
from azekura.formats.limits import Limits
from azekura.formats.squashfs_blocks import NO_FRAGMENT, Blocks, Cursor, Superblock, damaged

_HEADER = struct.Struct("<4H2I")
_FOLDER = struct.Struct("<2I2HI")
_FOLDER_X = struct.Struct("<4I2HI")
_FILE = struct.Struct("<4I")
_FILE_X = struct.Struct("<3Q4I")
_SPECIAL = struct.Struct("<2I")
_XATTR_ID = struct.Struct("<Q2I")
_XATTR_KEY = struct.Struct("<2H")

_KINDS = (
    Kind.DIRECTORY,
    Kind.FILE,
    Kind.SYMLINK,
    Kind.BLOCK,
    Kind.CHARACTER,
    Kind.FIFO,
    Kind.SOCKET,
)
_PREFIXES = ("user.", "trusted.", "security.")
_NO_XATTR = 0xFFFFFFFF
_XATTRS_BYTES = 1024 * 1024  # most bytes of attributes read for one inode


@dataclass(frozen=True, slots=True)
class Inode:
    """``listing`` (folders): reference into the directory table; ``size`` is then that of the listing.

    Files: ``start`` is where the first block lies; ``words`` gives the blocks' sizes (a cursor, for it may be long).
    """

    kind: Kind
    reference: int  # tells inodes apart; the serial number inside may be anything
    mode: int
    uid: int
    gid: int
    mtime: int
    size: int = 0
    listing: int = 0
    start: int = 0
    fragment: int = NO_FRAGMENT
    fragment_offset: int = 0
    words: Cursor | None = None
    target: bytes = b""
    device: int = 0
    links: int = 1
    xattr: int = _NO_XATTR

    @property
    def major(self) -> int:
        return self.device >> 8 & 0xFFF

    @property
    def minor(self) -> int:
        return self.device & 0xFF | self.device >> 12 & 0xFFF00


class Inodes:
    """Looks inodes up by reference."""

    def __init__(self, blocks: Blocks, head: Superblock, limits: Limits) -> None:
        self._blocks = blocks
        self._head = head
        self._limits = limits
        self._ids = self._read_ids()

    def _read_ids(self) -> tuple[int, ...]:
        count = self._head.ids
        pointers = struct.unpack(f"<{-(-count // 2048)}Q", self._blocks.raw(self._head.id_table, -(-count // 2048) * 8))
        data = b"".join(self._blocks.metadata(pointer)[0] for pointer in pointers)
        if len(data) < 4 * count:
            raise damaged("its table of owners is too short")
        return struct.unpack(f"<{count}I", data[: 4 * count])

    def _owner(self, index: int) -> int:
        if index >= len(self._ids):
            raise damaged("an owner is not in its table")
        return self._ids[index]

    def read(self, reference: int) -> Inode:
        """The inode at ``reference``.

        Raises:
            InvalidRequest: damaged.
            TooLarge: a file beyond the limits.
        """
        cursor = self._blocks.cursor(self._head.inode_table, reference)
        number, mode, uid, gid, mtime, _ = _HEADER.unpack(cursor.read(_HEADER.size))
        if not 1 <= number <= 14:
            raise damaged("an inode has an unknown type")
        extended = number > 7
        kind = _KINDS[(number - 1) % 7]
        common = (kind, reference, mode & 0o7777, self._owner(uid), self._owner(gid), mtime)
        if kind is Kind.DIRECTORY:
            return self._folder(common, cursor, extended)
        if kind is Kind.FILE:
            return self._file(common, cursor, extended)
        if kind is Kind.SYMLINK:
            return self._symlink(common, cursor, extended)
        if kind in (Kind.BLOCK, Kind.CHARACTER):
            links, device = _SPECIAL.unpack(cursor.read(8))
            return Inode(*common, device=device, links=links, xattr=_word(cursor) if extended else _NO_XATTR)
        links = _word(cursor)
        return Inode(*common, links=links, xattr=_word(cursor) if extended else _NO_XATTR)

    @staticmethod
    def _folder(common: tuple[Kind, int, int, int, int, int], cursor: Cursor, extended: bool) -> Inode:
        if extended:
            _, size, block, _, _, offset, xattr = _FOLDER_X.unpack(cursor.read(_FOLDER_X.size))
        else:
            block, _, size, offset, _ = _FOLDER.unpack(cursor.read(_FOLDER.size))
            xattr = _NO_XATTR
        # the size counts three bytes that aren't there ("." and "..")
        return Inode(*common, size=max(size - 3, 0), listing=block << 16 | offset, xattr=xattr)

    def _file(self, common: tuple[Kind, int, int, int, int, int], cursor: Cursor, extended: bool) -> Inode:
        if extended:
            start, size, _, links, fragment, offset, xattr = _FILE_X.unpack(cursor.read(_FILE_X.size))
        else:
            start, fragment, offset, size = _FILE.unpack(cursor.read(_FILE.size))
            links, xattr = 1, _NO_XATTR
        if size > self._limits.file_bytes:
            raise TooLarge(f"The squashfs has a file of more than {self._limits.file_bytes} bytes")
        return Inode(
            *common,
            size=size,
            start=start,
            fragment=fragment,
            fragment_offset=offset,
            words=cursor,
            links=links,
            xattr=xattr,
        )

    @staticmethod
    def _symlink(common: tuple[Kind, int, int, int, int, int], cursor: Cursor, extended: bool) -> Inode:
        links, size = _SPECIAL.unpack(cursor.read(8))
        if not 0 < size <= 4095:
            raise damaged("a symbolic link has an impossible length")
        target = cursor.read(size)
        return Inode(*common, target=target, links=links, xattr=_word(cursor) if extended else _NO_XATTR)


class Xattrs:
    """Looks extended attributes up by the index inodes have."""

    def __init__(self, blocks: Blocks, head: Superblock, limits: Limits) -> None:
        self._blocks = blocks
        self._limits = limits
        self._table = head.xattr_table
        self._keys = self._count = 0
        if self._table is not None:
            self._keys, self._count, _ = _XATTR_ID.unpack(blocks.raw(self._table, 16))

    def read(self, index: int) -> Mapping[str, bytes]:
        """The attributes, by full name."""
        if index == _NO_XATTR:
            return {}
        if self._table is None or index >= self._count:
            raise damaged("an inode's attributes are not in their table")
        pointer = int.from_bytes(self._blocks.raw(self._table + 16 + index // 512 * 8, 8), "little")
        ids = Cursor(self._blocks, pointer, index % 512 * 16)
        reference, count, size = _XATTR_ID.unpack(ids.read(16))
        if size > _XATTRS_BYTES or count > size // 8:
            raise damaged("an inode has too many attributes")
        cursor = self._blocks.cursor(self._keys, reference)
        found: dict[str, bytes] = {}
        for _ in range(count):
            kind, length = _XATTR_KEY.unpack(cursor.read(4))
            suffix = cursor.read(length)
            value = self._value(cursor)
            if kind & 0x100:  # the value is a reference to where it is
                if len(value) != 8:
                    raise damaged("an attribute's reference is impossible")
                value = self._value(self._blocks.cursor(self._keys, int.from_bytes(value, "little")))
            if kind & 0xFF >= len(_PREFIXES) or not suffix or b"\0" in suffix or length > 255:
                raise damaged("an attribute has an impossible name")
            name = _PREFIXES[kind & 0xFF] + suffix.decode("utf-8", "surrogateescape")
            if name in found:
                raise damaged("an inode has an attribute twice")
            found[name] = value
        return found

    def _value(self, cursor: Cursor) -> bytes:
        size = _word(cursor)
        if size > self._limits.xattr_bytes:
            raise TooLarge(f"The squashfs has an extended attribute of more than {self._limits.xattr_bytes} bytes")
        return cursor.read(size)


def _word(cursor: Cursor) -> int:
    return int.from_bytes(cursor.read(4), "little")
