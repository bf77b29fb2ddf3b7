"""How users name images and instances: ``[remote:]name``."""

from __future__ import annotations

import re
from dataclasses import dataclass

from azekura.errors import InvalidRequest

_INSTANCE = re.compile(r"[A-Za-z](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?", re.ASCII)
_NAME_CHARACTERS = re.compile(r"[A-Za-z0-9-]+", re.ASCII)
ALIAS_LIMIT = 256  # characters


@dataclass(frozen=True, slots=True)
class Reference:
    """``remote`` is empty for the default remote."""

    remote: str
    name: str

    @classmethod
    def parse(cls, text: str) -> Reference:
        """Split at the first colon, as LXD does."""
        remote, colon, name = text.partition(":")
        return cls(remote, name) if colon else cls("", text)


def check_instance_name(name: str) -> str:
    """Return ``name`` if it can name an instance.

    Raises:
        InvalidRequest: in LXD's words (rules: RFC 1123 label, letter first).
    """
    reason = ""
    if not name:
        reason = "Instance name is mandatory"
    elif len(name) > 63:
        reason = "Name must be 1-63 characters long"
    elif not _NAME_CHARACTERS.fullmatch(name):
        reason = "Name can only contain alphanumeric and hyphen characters"
    elif name[0].isdigit() or name[0] == "-":
        reason = (
            'Name must not start with "-" character or number'
            if name[0] == "-"
            else "Name must not start with a number"
        )
    elif not _INSTANCE.fullmatch(name):
        reason = 'Name must not end with "-" character'
    if reason:
        raise InvalidRequest(f"Invalid instance name: {reason}")
    return name


def check_alias_name(name: str) -> str:
    """Return ``name`` if it can be an image alias: any printable text up to 256 characters, ``/`` allowed.

    Raises:
        InvalidRequest: empty, too long, with control characters, or with empty parts between slashes.
    """
    if not name:
        raise InvalidRequest("Alias name missing")
    if len(name) > ALIAS_LIMIT:
        raise InvalidRequest(f"Invalid alias name: longer than {ALIAS_LIMIT} characters")
    if not name.isprintable() or name.strip() != name:
        raise InvalidRequest(
            f"Invalid alias name {name[:80]!r}: control characters and blanks at its ends are not allowed"
        )
    if any(part in ("", ".", "..") for part in name.split("/")):
        raise InvalidRequest(f'Invalid alias name "{name}": empty, "." and ".." parts are not allowed')
    return name
