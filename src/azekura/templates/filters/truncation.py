"""Filters that shorten text."""

from __future__ import annotations

from dataclasses import dataclass, field

from azekura.templates import runes
from azekura.templates.conversions import as_integer, as_text
from azekura.templates.failure import Fault
from azekura.templates.filters.apply import Filter, with_argument
from azekura.templates.values import SafeText, Value

_ELLIPSIS = "..."


def truncatechars(value: Value, limit: Value) -> Value:
    """At most so many characters, the last three of them dots if something was cut."""
    count = as_integer(limit)
    characters = runes.decode(as_text(value))
    if count >= len(characters):
        return characters.encode()
    if count < 0:
        raise Fault(f"slice bounds out of range: 'truncatechars' needs a length, not {count}")
    return (characters[: count - 3] + _ELLIPSIS if count >= 3 else characters[:count]).encode()


def truncatewords(value: Value, limit: Value) -> Value:
    """At most so many words, with dots if something was cut."""
    count = as_integer(limit)
    if count <= 0:
        return b""
    words = runes.words(as_text(value))
    return b" ".join(words[:count] + ([_ELLIPSIS.encode()] if count < len(words) else []))


@dataclass(slots=True)
class _Markup:
    """Copies marked-up text while it keeps track of the tags that are open. What isn't UTF-8 is dropped."""

    characters: str
    at: int = 0
    result: list[str] = field(default_factory=list)
    open: list[str] = field(default_factory=list)

    def tag(self) -> None:
        """Copy a ``<``, and the tag if it is one."""
        self.result.append("<")
        self.at += 1
        if self.at + 1 >= len(self.characters):
            return
        end = self.characters.find(">", self.at)
        closed = end >= 0
        body = self.characters[self.at : end if closed else None]
        self.at += len(body) + closed
        if body.startswith("/"):
            name = body[1:]
            self.result += ("/", name, ">")
            self._forget(name)
        else:
            self.result += (body, ">" if closed else "")
            self.open.append(body.partition(" ")[0])

    def _forget(self, name: str) -> None:
        """Take the innermost open tag of that name off. The last one takes its place, as in LXD."""
        for index in range(len(self.open) - 1, -1, -1):
            if self.open[index] == name:
                self.open[index] = self.open[-1]
                self.open.pop()
                return

    def finish(self, *, cut: bool) -> Value:
        """The copy, with dots if it was cut, and with every open tag closed."""
        self.result += (_ELLIPSIS if cut else "", *(f"</{name}>" for name in reversed(self.open)))
        return SafeText("".join(self.result).encode())


def truncatechars_html(value: Value, limit: Value) -> Value:
    """At most so many characters of text, tags not counted."""
    text = as_text(value)
    wanted = max(as_integer(limit) - 3, 0)
    markup = _Markup(runes.decode(text).replace(runes.REPLACEMENT, ""))
    counted = 0
    while markup.at < len(markup.characters) and counted < wanted:
        char = markup.characters[markup.at]
        if char == "<":
            markup.tag()
        else:
            markup.result.append(char)
            markup.at += 1
            counted += 1
    return markup.finish(cut=counted >= wanted and counted < runes.count(text))


def truncatewords_html(value: Value, limit: Value) -> Value:
    """At most so many words of text. A word counts only if a blank or one of ``.,;`` ends it."""
    wanted = max(as_integer(limit), 0)
    markup = _Markup(runes.decode(as_text(value)).replace(runes.REPLACEMENT, ""))
    counted = 0
    while markup.at < len(markup.characters) and counted < wanted:
        if markup.characters[markup.at] == "<":
            markup.tag()
        else:
            counted += _copy_word(markup)
    return markup.finish(cut=counted >= wanted)


def _copy_word(markup: _Markup) -> bool:
    """Copy up to the end of a word or to a tag; whether a whole word was copied."""
    characters, start = markup.characters, markup.at
    at = start
    while at < len(characters) and characters[at] != "<":
        at += 1
        if characters[at - 1] in " .,;":
            break
    markup.result.append(characters[start:at])
    markup.at = at
    word = at - start > 1 or characters[start] not in " .,;"
    return word and not (at < len(characters) and characters[at] == "<" and characters[at - 1] not in " .,;")


FILTERS: dict[bytes, Filter] = {
    b"truncatechars": with_argument(truncatechars),
    b"truncatechars_html": with_argument(truncatechars_html),
    b"truncatewords": with_argument(truncatewords),
    b"truncatewords_html": with_argument(truncatewords_html),
}
