"""Going over a value round by round, for ``{% for %}``."""

from __future__ import annotations

from dataclasses import dataclass

from azekura.templates import conversions
from azekura.templates.budget import Budget
from azekura.templates.failure import Fault
from azekura.templates.values import Items, Loop, Table, TypedText, Value


@dataclass(slots=True)
class Iteration:
    """A running loop: what it goes over, in which order, and its ``forloop``.

    ``second`` are the values of a map; lists and text have none.
    """

    loop: Loop
    first: tuple[Value, ...] | list[bytes] | bytes = ()
    second: Table | None = None
    text_type: str | None = None
    order: range = range(0)
    round: int = 0

    def begin(self, value: Value, *, backwards: bool, ordered: bool, budget: Budget) -> bool:
        """Go over ``value``; False if there is nothing to go over.

        Text is cut into bytes, not characters, and backwards its index (so its counter) runs down: LXD's ways.
        """
        match value:
            case Table():
                names = sorted(value.entries, reverse=backwards and ordered)
                self.first, self.second = names, value
                self.order = range(len(names))
            case Items():
                members = list(value.members)
                if ordered:
                    members.sort(key=conversions.as_text, reverse=backwards)
                elif backwards:
                    members.reverse()
                self.first = tuple(members)
                self.order = range(len(members))
            case bytes() | TypedText():
                self._begin_text(value, backwards=backwards, ordered=ordered)
        budget.handle(len(self.order))
        return bool(self.order)

    def _begin_text(self, value: bytes | TypedText, *, backwards: bool, ordered: bool) -> None:
        if ordered:
            raise Fault("The characters of a text can't be sorted: cut it first, with split or make_list")
        if isinstance(value, TypedText):
            self.text_type = value.go_type
            value = value.text
        self.first = bytes(value)
        self.order = range(len(value) - 1, -1, -1) if backwards else range(len(value))

    def advance(self) -> tuple[Value, Value] | None:
        """The next key (or item) and value (None if there is none); None at the end."""
        if self.round >= len(self.order):
            return None
        index = self.order[self.round]
        self.round += 1
        self.loop.advance(index, len(self.order))
        if isinstance(self.first, bytes):
            item = self.first[index : index + 1]
            return (item if self.text_type is None else TypedText(item, self.text_type)), None
        key = self.first[index]
        if self.second is not None and isinstance(key, bytes):
            return key, self.second.entries[key]
        return key, None
