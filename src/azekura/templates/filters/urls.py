"""Filters that escape text for an address."""

from __future__ import annotations

from urllib.parse import quote_plus

from azekura.templates import runes
from azekura.templates.filters.apply import Filter, on_text

_IRI_CHARACTERS = "/#%[]=:;$&()+,!?*@'~"


def urlencode(text: bytes) -> bytes:
    """Everything but letters, digits and ``-_.~`` as ``%XX``, blanks as ``+``."""
    return quote_plus(text).encode()


def iriencode(text: bytes) -> bytes:
    """The same, but what has a meaning in an address is kept."""
    return quote_plus(runes.encode(runes.decode(text)), safe=_IRI_CHARACTERS).encode()


FILTERS: dict[bytes, Filter] = {b"urlencode": on_text(urlencode), b"iriencode": on_text(iriencode)}
