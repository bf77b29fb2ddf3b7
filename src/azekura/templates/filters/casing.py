"""Filters that change letters."""

from __future__ import annotations

from azekura.templates import runes
from azekura.templates.conversions import as_text, length, text_of
from azekura.templates.filters.apply import Filter, on_text, on_value
from azekura.templates.values import Value

_KEYPAD = bytes.maketrans(b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ", b"22233344455566677778889999" * 2)


def title(value: Value) -> Value:
    """Every word with a capital, the rest in lower case; empty for what isn't text."""
    text = text_of(value)
    return b"" if text is None else runes.title(runes.lower(text))


def capfirst(value: Value) -> Value:
    """The first letter as a capital; empty for what has no length."""
    return runes.upper_first(as_text(value)) if length(value) else b""


FILTERS: dict[bytes, Filter] = {
    b"upper": on_text(runes.upper),
    b"lower": on_text(runes.lower),
    b"title": on_value(title),
    b"capfirst": on_value(capfirst),
    b"phone2numeric": on_text(lambda text: text.translate(_KEYPAD)),
}
