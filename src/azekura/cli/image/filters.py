"""Filters of ``lxc image list``: which go to the server, and what the others match."""

from __future__ import annotations

import re

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from azekura.client.envelope import Record

FIELDS = frozenset(
    (
        "architecture",
        "auto_update",
        "cached",
        "created_at",
        "expires_at",
        "filename",
        "fingerprint",
        "last_used_at",
        "public",
        "size",
        "type",
        "uploaded_at",
    )
)


def server_filter(words: list[str]) -> tuple[str, list[str]]:
    """The expression for ``?filter=`` made of the conditions on fields, and the words that are left to us."""
    clauses, left = [], []
    for word in words:
        key, equals, value = word.partition("=")
        if equals and key in FIELDS and "," not in value and value:
            clauses.append(f"{key} eq {value}")
        else:
            left.append(word)
    return " and ".join(clauses), left


def matching(images: list[Record], words: list[str], *, fields: bool) -> list[Record]:
    """The images that every word matches. ``fields``: conditions on fields are looked at here too."""
    return [image for image in images if all(_matches(image, word, fields=fields) for word in words)]


def _matches(image: Record, word: str, *, fields: bool) -> bool:
    key, equals, value = word.partition("=")
    if not equals:
        names = (str(alias["name"]) for alias in image.get("aliases") or ())
        return word in str(image["fingerprint"]) or any(word in name for name in names)
    properties = image.get("properties") or {}
    if any(_key_matches(key, str(name)) and _value_matches(value, str(properties[name])) for name in properties):
        return True
    return fields and key in FIELDS and _as_text(image.get(key)) == value


def _key_matches(wanted: str, key: str) -> bool:
    """``o`` stands for ``os``, ``s.p`` for ``security.privileged``: each piece may be cut short."""
    wanted_parts, parts = wanted.split("."), key.split(".")
    return len(wanted_parts) == len(parts) and all(
        part.startswith(piece) for piece, part in zip(wanted_parts, parts, strict=True)
    )


def _value_matches(pattern: str, value: str) -> bool:
    """A regular expression for the whole value, unless it has anchors of its own; one that is none is plain text."""
    if "^" not in pattern and "$" not in pattern:
        pattern = f"^{pattern}$"
    try:
        return re.search(pattern, value) is not None
    except re.error:
        return pattern[1:-1] == value or pattern == value


def _as_text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
