"""An image's name for ever: the sha256 of its bytes."""

from __future__ import annotations

import re
from dataclasses import dataclass

from azekura.errors import InvalidRequest

_FULL = re.compile(r"[0-9a-f]{64}", re.ASCII)
_PREFIX = re.compile(r"[0-9a-f]{1,64}", re.ASCII)


@dataclass(frozen=True, slots=True, order=True)
class Fingerprint:
    """sha256, as 64 lower-case hex digits, of a unified tarball or of metadata followed by rootfs.

    Build one with :meth:`parse`: since a fingerprint becomes a file name, nothing else may ever be in it.
    """

    value: str

    @classmethod
    def parse(cls, text: str) -> Fingerprint:
        """Return the fingerprint that ``text`` spells out in full.

        Raises:
            InvalidRequest: not exactly 64 lower-case hex digits.
        """
        if not _FULL.fullmatch(text):
            raise InvalidRequest(f"Invalid image fingerprint {text[:80]!r}: it takes 64 lower-case hex digits")
        return cls(text)

    @property
    def short(self) -> str:
        """The first 12 digits, as lists show them."""
        return self.value[:12]

    def __str__(self) -> str:
        return self.value


def is_prefix(text: str) -> bool:
    """Whether ``text`` can be the beginning of a fingerprint (1 to 64 lower-case hex digits)."""
    return _PREFIX.fullmatch(text) is not None
