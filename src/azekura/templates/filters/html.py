"""Filters that write or remove markup, or escape text for another language."""

from __future__ import annotations

import re

from azekura.templates import runes
from azekura.templates.conversions import as_text, length
from azekura.templates.escaping import escape
from azekura.templates.filters.apply import Filter, Resources, on_text, on_value
from azekura.templates.values import Value

_TAG = re.compile(rb"<[^>]*>")
_QUOTES = re.compile(rb"[\\\"']")


def addslashes(text: bytes) -> Value:
    """A backslash before backslashes and quotes."""
    return _QUOTES.sub(rb"\\\g<0>", text)


def escapejs(text: bytes) -> Value:
    r"""All but ASCII letters, blank and slash as ``\uXXXX``. The two characters ``\n`` count as one newline."""
    result: list[str] = []
    characters = runes.decode(text)
    at = 0
    while at < len(characters):
        char = characters[at]
        at += 1
        if char == "\\" and characters[at : at + 1] in ("n", "r"):
            result.append("\\u000A" if characters[at] == "n" else "\\u000D")
            at += 1
        elif char in " /" or (char.isascii() and char.isalpha()):
            result.append(char)
        elif char != runes.REPLACEMENT:
            result.append(f"\\u{ord(char):04X}")
    return "".join(result).encode()


def linebreaks(value: Value) -> Value:
    """Paragraphs as ``<p>``, lines within them with ``<br />``."""
    if not length(value):
        return value
    result: list[bytes] = []
    lines = as_text(value).split(b"\n")
    opened = False
    for number, line in enumerate(lines, 1):
        if not opened:
            result.append(b"<p>")
            opened = True
        result.append(line)
        if number < len(lines) and runes.trim(line):
            if runes.trim(lines[number]):
                result.append(b"<br />")
            else:
                result.append(b"</p>")
                opened = False
    if opened:
        result.append(b"</p>")
    return b"".join(result)


def linenumbers(text: bytes) -> Value:
    """Every line with its number."""
    return b"\n".join(b"%d. %b" % numbered for numbered in enumerate(text.split(b"\n"), 1))


def removetags(value: Value, names: Value, resources: Resources) -> Value:
    """Without ``<name>``, ``</name>`` and ``<name/>``, for names with commas between them.

    LXD takes the names for regular expressions, which would let a template choose its own run time.
    """
    text = as_text(value)
    for name in as_text(names).split(b","):
        resources.budget.handle(len(text) + 8)
        text = re.sub(rb"</?" + re.escape(name) + rb"/?>", b"", text)
    return runes.trim(text)


def striptags(text: bytes) -> Value:
    """Without anything in angle brackets."""
    return runes.trim(remove_tags(text))


def remove_tags(text: bytes) -> bytes:
    """Cut ``<…>`` out. What follows the last ``>`` can't be a tag, and isn't searched again and again for its end."""
    end = text.rfind(b">") + 1
    return _TAG.sub(b"", text[:end]) + text[end:]


FILTERS: dict[bytes, Filter] = {
    b"addslashes": on_text(addslashes),
    b"escape": on_text(escape),
    b"escapejs": on_text(escapejs),
    b"linebreaks": on_value(linebreaks),
    b"linebreaksbr": on_text(lambda text: text.replace(b"\n", b"<br />")),
    b"linenumbers": on_text(linenumbers),
    b"removetags": removetags,
    b"safe": on_value(lambda value: value),
    b"striptags": on_text(striptags),
}
