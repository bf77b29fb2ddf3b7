"""Names that become paths: checked here before they do."""

from __future__ import annotations

import re
from dataclasses import dataclass

from azekura.errors import InvalidRequest
from azekura.model.fingerprint import Fingerprint

_CONTAINER = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,126}", re.ASCII)
# LXD allows nearly everything in a snapshot's name; a dot in front is ours (temporary names).
_SNAPSHOT = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.:@+=,~-]{0,126}", re.ASCII)


@dataclass(frozen=True, slots=True)
class VolumeName:
    """A container's volume (``c1``) or one of its snapshots (``c1/snap0``)."""

    container: str
    snapshot: str | None = None

    @classmethod
    def parse(cls, text: str) -> VolumeName:
        """Read ``c1`` or ``c1/snap0``.

        Raises:
            InvalidRequest: a character, or a length, that a folder's name here may not have.
        """
        container, slash, snapshot = text.partition("/")
        check_container(container)
        if not slash:
            return cls(container)
        check_snapshot(snapshot)
        return cls(container, snapshot)

    def __str__(self) -> str:
        return self.container if self.snapshot is None else f"{self.container}/{self.snapshot}"


def check_container(name: str) -> str:
    """Return ``name`` if it may be a container's volume, else raise InvalidRequest."""
    if not _CONTAINER.fullmatch(name):
        raise InvalidRequest(f"Invalid volume name {name[:80]!r}: letters, digits, - and _ only, at most 127")
    return name


def check_snapshot(name: str) -> str:
    """Return ``name`` if it may be a snapshot, else raise InvalidRequest."""
    if not _SNAPSHOT.fullmatch(name):
        raise InvalidRequest(f"Invalid snapshot name {name[:80]!r}: letters, digits and _ - . : @ + = , ~ only")
    return name


def check_fingerprint(text: str) -> str:
    """Return ``text`` if it is a full fingerprint, else raise InvalidRequest."""
    return Fingerprint.parse(text).value
