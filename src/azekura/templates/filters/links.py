"""Filters that make links of addresses in a text.

Written as scanners: as regular expressions, the two patterns take time quadratic in the length of a hostile text.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from azekura.templates import runes
from azekura.templates.conversions import as_integer, as_text
from azekura.templates.escaping import escape
from azekura.templates.filters.apply import Filter, with_argument
from azekura.templates.filters.urls import iriencode
from azekura.templates.values import Value

_BEGINNING = re.compile(rb"https?://|www\.|(?:\A|[ ])[0-9A-Za-z_\-]+\.(?:com|net|org|info|biz|de)")
_BLANKS = re.compile(rb"[ ]+")
_MAIL_HOST = re.compile(rb"[0-9A-Za-z_]+\.[0-9A-Za-z_]{2,4}")


def urlize(value: Value, autoescape: Value) -> Value:
    """Addresses and mail addresses as links; their text is escaped unless the argument is false."""
    return _link(as_text(value), escaped=autoescape if isinstance(autoescape, bool) else True, limit=-1)


def urlizetrunc(value: Value, limit: Value) -> Value:
    """The same, with the links' text cut to ``limit`` bytes, the last three of them dots."""
    return _link(as_text(value), escaped=True, limit=as_integer(limit))


def _link(text: bytes, *, escaped: bool, limit: int) -> bytes:
    result: list[bytes] = []
    done = 0
    for start, end in _addresses(text):
        result += (text[done:start], _address(text[start:end], escaped=escaped, limit=limit))
        done = end
    return _link_mail(b"".join(result) + text[done:], limit)


def _addresses(text: bytes) -> Iterator[tuple[int, int]]:
    """Where addresses begin and end: they reach to the next blanks, which must come before the end of the line."""
    at = line_end = 0
    while beginning := _BEGINNING.search(text, at):
        if line_end < beginning.end():
            line_end = text.find(b"\n", beginning.end())
            line_end = len(text) if line_end < 0 else line_end
        blanks = _BLANKS.search(text, beginning.end(), line_end)
        at = blanks.end() if blanks else line_end
        if blanks or line_end == len(text):  # else nothing on this line is an address
            yield beginning.start(), at


def _address(raw: bytes, *, escaped: bool, limit: int) -> bytes:
    before = b" " if raw.startswith(b" ") else b""
    after = b" " if raw.endswith(b" ") else b""
    raw = runes.trim(raw)
    url = iriencode(raw)
    if not url.startswith(b"http"):
        url = b"http://" + url
    title = _shortened(raw, limit)
    return b'%b<a href="%b" rel="nofollow">%b</a>%b' % (before, url, escape(title) if escaped else title, after)


def _link_mail(text: bytes, limit: int) -> bytes:
    result: list[bytes] = []
    done = 0
    at = text.find(b"@")
    while at >= 0:
        host = _MAIL_HOST.match(text, at + 1)
        start = _word_start(text, done, at)
        if host and start < at:
            mail = text[start : host.end()]
            result += (text[done:start], b'<a href="mailto:%b">%b</a>' % (mail, _shortened(mail, limit)))
            done = host.end()
        at = text.find(b"@", max(at + 1, done))
    return b"".join(result) + text[done:]


def _word_start(text: bytes, low: int, at: int) -> int:
    while at > low and (text[at - 1 : at].isalnum() or text[at - 1] == 0x5F):
        at -= 1
    return at


def _shortened(title: bytes, limit: int) -> bytes:
    return title[: limit - 3] + b"..." if 3 < limit < len(title) else title


FILTERS: dict[bytes, Filter] = {b"urlize": with_argument(urlize), b"urlizetrunc": with_argument(urlizetrunc)}
