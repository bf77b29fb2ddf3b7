"""Filters that choose between values."""

from __future__ import annotations

from azekura.templates.conversions import as_integer, as_text, is_number, is_true, length
from azekura.templates.failure import Fault, quoted
from azekura.templates.filters.apply import Filter, with_argument
from azekura.templates.values import Value


def default(value: Value, fallback: Value) -> Value:
    """``fallback`` for what is not true: nil, an empty text, 0, false."""
    return value if is_true(value) else fallback


def default_if_none(value: Value, fallback: Value) -> Value:
    """``fallback`` for nil alone."""
    return fallback if value is None else value


def yesno(value: Value, words: Value) -> Value:
    """Words for true, false and nil; two or three of them, with commas."""
    text = as_text(words)
    chosen = [b"yes", b"no", b"maybe"]
    if text:
        own = text.split(b",", 3)
        if len(own) > 3:
            raise Fault(f"You cannot pass more than 3 options to the 'yesno'-filter (got: '{quoted(text)}').")
        if len(own) < 2:
            raise Fault(
                f"You must pass either no or at least 2 arguments to the 'yesno'-filter (got: '{quoted(text)}')."
            )
        chosen[: len(own)] = own
    if value is None:
        return chosen[2]
    return chosen[0] if is_true(value) else chosen[1]


def pluralize(value: Value, endings: Value) -> Value:
    """The ending for a number: nothing or ``s``, nothing or the given one, the first or the second of two."""
    if not is_number(value):
        raise Fault("filter 'pluralize' does only work on numbers")
    one, many = b"", b"s"
    if length(endings):
        own = as_text(endings).split(b",", 2)
        if len(own) > 2:
            raise Fault("you cannot pass more than 2 arguments to filter 'pluralize'")
        one, many = own if len(own) == 2 else (b"", own[0])
    return one if as_integer(value) == 1 else many


FILTERS: dict[bytes, Filter] = {
    b"default": with_argument(default),
    b"default_if_none": with_argument(default_if_none),
    b"yesno": with_argument(yesno),
    b"pluralize": with_argument(pluralize),
}
