"""Text as Go sees it: bytes that are read as UTF-8 where a filter works on characters.

Source: Go's ``unicode/utf8``, ``strings`` and ``unicode`` packages as LXD 5.0.2 uses them. Python's own methods differ:
``str.upper`` makes SS of ß, ``str.lower`` makes two characters of İ and a final sigma, ``str.split`` takes U+001C to
U+001F for blanks, and ``errors="replace"`` makes one U+FFFD of several bad bytes.
"""

from __future__ import annotations

import codecs
import re

REPLACEMENT = "\ufffd"
SPACES = "\t\n\v\f\r \x85\xa0\u1680" + "".join(map(chr, range(0x2000, 0x200B))) + "\u2028\u2029\u202f\u205f\u3000"
_SPACE_RUN = re.compile(
    rb"(?:[\t-\r ]|\xc2[\x85\xa0]|\xe1\x9a\x80|\xe2\x80[\x80-\x8a\xa8\xa9\xaf]|\xe2\x81\x9f|\xe3\x80\x80)+"
)


def _one_replacement_per_byte(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeDecodeError):
        raise error
    return REPLACEMENT * (error.end - error.start), error.end


_REPLACE = "azekura-go-replace"
codecs.register_error(_REPLACE, _one_replacement_per_byte)


def decode(text: bytes) -> str:
    """The characters of ``text``; every byte that is not UTF-8 counts as one U+FFFD."""
    return text.decode("utf-8", _REPLACE)


def encode(characters: str) -> bytes:
    """The reverse of :func:`decode` (what was not UTF-8 has become U+FFFD)."""
    return characters.encode("utf-8", "replace")


def from_host(text: str) -> bytes:
    """A string of the host as bytes. Surrogate escapes, which stand for bad bytes, become those bytes again."""
    try:
        return text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:  # a lone surrogate of another kind
        return text.encode("utf-8", "replace")


def count(text: bytes) -> int:
    """How many characters ``text`` has."""
    return len(text) if text.isascii() else len(decode(text))


def pieces(text: bytes) -> list[bytes]:
    """``text`` cut into its characters; bad bytes stay as they are, one piece each."""
    if text.isascii():
        return [text[i : i + 1] for i in range(len(text))]
    return [c.encode("utf-8", "surrogateescape") for c in text.decode("utf-8", "surrogateescape")]


def words(text: bytes) -> list[bytes]:
    """``text`` cut at runs of blanks."""
    return [word for word in _SPACE_RUN.split(text) if word]


def trim(text: bytes) -> bytes:
    """``text`` without blanks at its ends."""
    return text.decode("utf-8", "surrogateescape").strip(SPACES).encode("utf-8", "surrogateescape")


def _upper(char: str) -> str:
    """Unicode's simple upper case: one character for one."""
    full = char.upper()
    if len(full) == 1:
        return full
    title = char.title()  # the simple mapping of ᾀ and its like is their title case
    return title if len(title) == 1 else char


def _title(char: str) -> str:
    full = char.title()
    return full if len(full) == 1 else char


def _lower(char: str) -> str:
    return "i" if char == "\u0130" else char.lower()


def upper(text: bytes) -> bytes:
    """Every character in upper case, one for one."""
    return text.upper() if text.isascii() else encode("".join(map(_upper, decode(text))))


def lower(text: bytes) -> bytes:
    """Every character in lower case, one for one."""
    return text.lower() if text.isascii() else encode("".join(map(_lower, decode(text))))


def upper_first(text: bytes) -> bytes:
    """The first character in upper case, the rest as it is."""
    if not text:
        return text
    first = decode(text[:4])[0]
    width = 1 if first == REPLACEMENT and not text.startswith(b"\xef\xbf\xbd") else len(first.encode())
    return encode(_upper(first)) + text[width:]


def title(text: bytes) -> bytes:
    """A title-case letter after every separator: blanks, and all ASCII signs but the underscore."""
    result = []
    after_separator = True
    for char in decode(text):
        result.append(_title(char) if after_separator else char)
        after_separator = char in SPACES or (char.isascii() and char != "_" and not char.isalnum())
    return encode("".join(result))
