"""ETags as LXD computes them: sha256 over Go's JSON of the fields that can change (``lxd/util/http.go``)."""

from __future__ import annotations

import hashlib
import json
from typing import Any

_GO_ESCAPES = {"<": "\\u003c", ">": "\\u003e", "&": "\\u0026", "\u2028": "\\u2028", "\u2029": "\\u2029"}


def go_json(value: Any) -> str:
    """``value`` as Go's ``json.Encoder`` writes it: keys sorted, no blanks, ``<>&`` escaped, a newline at the end."""
    text = json.dumps(value, separators=(",", ":"), sort_keys=True, ensure_ascii=False)
    for char, escape in _GO_ESCAPES.items():
        text = text.replace(char, escape)
    return text + "\n"


def etag_of(fields: list[Any]) -> str:
    """The ETag (64 hex digits, unquoted) of a record's changeable fields."""
    return hashlib.sha256(go_json(fields).encode("utf-8", "surrogatepass")).hexdigest()


def etag_matches(if_match: str, etag: str) -> bool:
    """Whether a request's ``If-Match`` names ``etag``; quotes are optional, as LXD has it."""
    return if_match.strip().strip('"') == etag
