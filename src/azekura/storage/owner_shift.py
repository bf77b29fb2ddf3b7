"""Rewriting owners while a tree is copied, where the file system can't map ids by itself.

Besides a file's owner and group, two extended attributes hold ids: POSIX access lists (linux/posix_acl_xattr.h) and
file capabilities, whose third version names the user that is root for them (linux/capability.h).
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

from azekura.storage.port import IdMap

_NOBODY = 65534
_CAPABILITY = "security.capability"
_ACCESS_LISTS = ("system.posix_acl_access", "system.posix_acl_default")
_ACL_USER, _ACL_GROUP = 0x02, 0x08
_REVISION_MASK, _REVISION_2, _REVISION_3 = 0xFF000000, 0x02000000, 0x03000000


@dataclass(frozen=True, slots=True)
class OwnerShift:
    """From how the ids of a tree are on disk (None: the image's own) to how they shall be."""

    source: IdMap | None
    target: IdMap | None

    def id(self, number: int) -> int:
        """The new id; what is outside the map becomes nobody."""
        if self.source is not None:
            number -= self.source.base
            if not 0 <= number < self.source.count:
                number = _NOBODY
        if self.target is not None:
            if number >= self.target.count:
                number = min(_NOBODY, self.target.count - 1)
            number += self.target.base
        return number

    def attribute(self, name: str, value: bytes) -> bytes:
        """The extended attribute's new value. What isn't understood stays as it is."""
        if name == _CAPABILITY:
            return self._capability(value)
        if name in _ACCESS_LISTS:
            return self._access_list(value)
        return value

    def _capability(self, value: bytes) -> bytes:
        if len(value) not in (20, 24):
            return value
        magic = int.from_bytes(value[:4], "little")
        flags = magic & ~_REVISION_MASK
        root = int.from_bytes(value[20:24], "little") if magic & _REVISION_MASK == _REVISION_3 else 0
        root = self.id(root)
        if root == 0:
            return struct.pack("<I", flags | _REVISION_2) + value[4:20]
        return struct.pack("<I", flags | _REVISION_3) + value[4:20] + struct.pack("<I", root)

    def _access_list(self, value: bytes) -> bytes:
        if len(value) % 8 != 4:
            return value
        entries = [
            struct.pack("<HHI", tag, permissions, self.id(number) if tag in (_ACL_USER, _ACL_GROUP) else number)
            for tag, permissions, number in struct.iter_unpack("<HHI", value[4:])
        ]
        return value[:4] + b"".join(entries)


UNCHANGED = OwnerShift(None, None)
