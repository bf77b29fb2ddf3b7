"""Filters that make lists, or take something out of a list or text."""

from __future__ import annotations

from azekura.templates import runes
from azekura.templates.conversions import as_integer, as_text, length, text_of
from azekura.templates.failure import Fault
from azekura.templates.filters.apply import Filter, Resources, on_text, on_value, with_argument
from azekura.templates.values import Items, Value


def _members(value: Value) -> tuple[Value, ...] | None:
    """A list's items or a text's characters; None for anything else."""
    if isinstance(value, Items):
        return value.members
    text = text_of(value)
    return None if text is None else tuple(c.encode() for c in runes.decode(text))


def first(value: Value) -> Value:
    """The first item or character; empty if there is none."""
    if isinstance(value, Items):
        return value.members[0] if value.members else b""
    return runes.decode(text_of(value) or b"")[:1].encode()


def last(value: Value) -> Value:
    """The last item or character; empty if there is none."""
    if isinstance(value, Items):
        return value.members[-1] if value.members else b""
    return runes.decode(text_of(value) or b"")[-1:].encode()


def random_member(value: Value, _argument: Value, resources: Resources) -> Value:
    """Any item or character."""
    members = _members(value)
    return resources.chance.choice(members) if members else value


def join(value: Value, separator: Value, resources: Resources) -> Value:
    """The items or characters as one text."""
    members = _members(value)
    if members is None:
        return value
    texts = [as_text(member) for member in members]
    between = as_text(separator)
    resources.budget.fits(sum(map(len, texts)) + len(between) * max(len(texts) - 1, 0))
    return between.join(texts)


def split(value: Value, separator: Value) -> Value:
    """The pieces between separators; the characters if the separator is empty."""
    text, between = as_text(value), as_text(separator)
    return Items(tuple(text.split(between) if between else runes.pieces(text)))


def make_list(text: bytes) -> Value:
    """The characters of the printed value."""
    return Items(tuple(c.encode() for c in runes.decode(text)))


def slice_(value: Value, bounds: Value) -> Value:
    """Items or characters ``from:to``. ``to`` counts only if it lies between ``from`` and the end."""
    parts = as_text(bounds).split(b":", 2)
    if len(parts) != 2:
        raise Fault("Slice string must have the format 'from:to' [from/to can be omitted, but the ':' is required]")
    size = length(value)
    is_list = isinstance(value, Items)
    if not is_list and text_of(value) is None:
        return value
    start = min(as_integer(parts[0]), size)
    wanted = as_integer(parts[1])
    end = wanted if start <= wanted <= size else size
    if start < 0:
        raise Fault(f"slice bounds out of range: 'from' must not be negative (it is {start})")
    if isinstance(value, Items):
        return Items(value.members[start:end], value.go_type)
    return runes.decode(text_of(value) or b"")[start:end].encode()


def wordwrap(value: Value, width: Value) -> Value:
    """Lines of that many words."""
    count = as_integer(width)
    if count <= 0:
        return value
    words = runes.words(as_text(value))
    if len(words) % count >= 2:
        raise Fault(f"'wordwrap' can't put {len(words)} words on lines of {count}: at most one may be left over")
    return b"\n".join(b" ".join(words[at : at + count]) for at in range(0, len(words), count))


FILTERS: dict[bytes, Filter] = {
    b"first": on_value(first),
    b"last": on_value(last),
    b"random": random_member,
    b"join": join,
    b"split": with_argument(split),
    b"make_list": on_text(make_list),
    b"slice": with_argument(slice_),
    b"length": on_value(length),
    b"length_is": with_argument(lambda value, wanted: length(value) == as_integer(wanted)),
    b"wordcount": on_text(lambda text: len(runes.words(text))),
    b"wordwrap": with_argument(wordwrap),
    b"cut": with_argument(lambda value, piece: _cut(as_text(value), as_text(piece))),
}


def _cut(text: bytes, piece: bytes) -> bytes:
    return text.replace(piece, b"") if piece else text
