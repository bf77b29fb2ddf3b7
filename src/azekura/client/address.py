"""Building the addresses of requests: percent-encoding and query strings (RFC 3986), without ``urllib.parse``."""

from __future__ import annotations

_PLAIN = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~")


def quote(text: str) -> str:
    """Percent-encode everything but unreserved characters, ``/`` included: one path segment or query value."""
    return "".join(chr(byte) if byte in _PLAIN else f"%{byte:02X}" for byte in text.encode("utf-8", "surrogateescape"))


def encode_query(pairs: dict[str, str] | list[tuple[str, str]]) -> str:
    """``key=value&…`` in the order given; the empty string for no pairs."""
    items = pairs.items() if isinstance(pairs, dict) else pairs
    return "&".join(f"{quote(key)}={quote(value)}" for key, value in items)


def with_query(path: str, pairs: dict[str, str] | list[tuple[str, str]]) -> str:
    """Add ``pairs`` to a path that may have a query already."""
    query = encode_query(pairs)
    if not query:
        return path
    return f"{path}{'&' if '?' in path else '?'}{query}"
