"""Go's quoted strings and characters, as ``%q`` prints them. Source: Go's ``strconv``."""

from __future__ import annotations

_SHORT = {"\a": "a", "\b": "b", "\f": "f", "\n": "n", "\r": "r", "\t": "t", "\v": "v"}


def quote(text: bytes, mark: str, *, ascii_only: bool) -> bytes:
    """``text`` between marks, with everything unprintable escaped; bytes that aren't UTF-8 as ``\\xNN``."""
    characters = text.decode("utf-8", "surrogateescape")
    return (mark + "".join(_escaped(c, mark, ascii_only) for c in characters) + mark).encode()


def _escaped(char: str, mark: str, ascii_only: bool) -> str:
    if char in (mark, "\\"):
        return "\\" + char
    if char.isprintable() and (char.isascii() or not ascii_only):
        return char
    if char in _SHORT:
        return "\\" + _SHORT[char]
    code = ord(char)
    if 0xDC80 <= code <= 0xDCFF:  # a byte that isn't UTF-8
        return f"\\x{code - 0xDC00:02x}"
    if code < 0x20 or code == 0x7F:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def can_backquote(text: bytes) -> bool:
    """Whether `text` can stand between backquotes as it is."""
    try:
        characters = text.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return not any((c < " " and c != "\t") or c in "`\x7f\ufeff" for c in characters)
