"""One member of an archive, whichever format it came from."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import Enum
from types import MappingProxyType
from typing import Protocol

_NO_XATTRS: Mapping[str, bytes] = MappingProxyType({})

Content = Iterator[tuple[int, bytes]]
"""A file's data as (offset, bytes) in ascending order; what lies between is a hole."""


class Kind(Enum):
    """What a member is; the value is the word for users."""

    FILE = "file"
    DIRECTORY = "directory"
    SYMLINK = "symbolic link"
    HARDLINK = "hard link"
    CHARACTER = "character device"
    BLOCK = "block device"
    FIFO = "fifo"
    SOCKET = "socket"

    # identity is all that is needed, and much faster than Enum's own hash in dictionaries of a million
    __hash__ = object.__hash__


@dataclass(frozen=True, slots=True)
class Entry:
    """``path`` has no leading or trailing slash, no empty, ``.`` or ``..`` part; ``b""`` is the root itself.

    (A reader yields names as the archive spells them; :mod:`azekura.formats.rules` makes paths of them.)
    Names are bytes, as Linux has them. ``target``: a symbolic link's text, or the path a hard link repeats.
    ``size`` is the apparent size in bytes, ``sparse`` the data areas (offset, length) of a file with holes.
    """

    path: bytes
    kind: Kind
    mode: int = 0o644  # permission bits, set-id and sticky included
    uid: int = 0
    gid: int = 0
    mtime_ns: int = 0  # nanoseconds since 1970
    size: int = 0
    target: bytes = b""
    major: int = 0
    minor: int = 0
    xattrs: Mapping[str, bytes] = field(default_factory=lambda: _NO_XATTRS)
    sparse: tuple[tuple[int, int], ...] | None = None

    @property
    def stored(self) -> int:
        """Bytes of data, holes not counted."""
        return self.size if self.sparse is None else sum(length for _, length in self.sparse)

    def at(self, path: bytes, target: bytes, xattrs: Mapping[str, bytes]) -> Entry:
        """The same entry under another path (``dataclasses.replace`` takes three times as long)."""
        return Entry(
            path,
            self.kind,
            self.mode,
            self.uid,
            self.gid,
            self.mtime_ns,
            self.size,
            target,
            self.major,
            self.minor,
            xattrs,
            self.sparse,
        )


class EntrySink(Protocol):
    """Where a root file system's entries go. Parents come before children, or not at all (then they are made)."""

    def add(self, entry: Entry, content: Content) -> None:
        """Take one entry that all rules have passed. ``content`` is empty but for files, and need not be used up."""
        ...

    def finish(self) -> None:
        """No more entries will come: the archive was read to its end and is complete."""
        ...


def shown(name: bytes, limit: int = 200) -> str:
    """``name`` for a message: no control characters (a terminal would obey them), not endless."""
    text = name.decode("utf-8", "backslashreplace")
    if not text.isprintable():
        text = text.encode("unicode_escape").decode("ascii")
    return text if len(text) <= limit else text[: limit - 1] + "…"
