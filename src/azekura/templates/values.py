"""The closed set of things a template can hold. No other Python object ever gets in.

====================  ===========================================================================
``None``              nil: every undefined name
``bool int float``    numbers; integers are 64 bits wide (:mod:`azekura.templates.numbers`)
``Byte``              an integer that came from indexing text
``bytes``             text, UTF-8 by custom but not by force
``SafeText``          text that automatic escaping leaves alone: what a macro printed
``TypedText``         ``trigger``, where LXD's own type for it is asked for
``Items``             a list: pieces of a text, or the devices in order
``Table``             a map from text
``Device``            one item of ``devices.Sorted``
``Loop Block Cycle``  ``forloop``, ``block``, and what ``cycle … as`` names
``Function Macro``    what can be called; never printed or compared, since naming one calls it
====================  ===========================================================================
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

from azekura.templates.scope import Scope


class Byte(int):
    """Go's ``uint8``: counts as an integer, but is no key of a map."""

    __slots__ = ()


class SafeText(bytes):
    """Text that ``{% autoescape on %}`` prints as it is. Whatever a filter makes of it is plain text again."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class TypedText:
    """Text of a Go type of its own: prints like text, is never equal to it."""

    text: bytes
    go_type: str = "instance.TemplateTrigger"


@dataclass(frozen=True, slots=True, eq=False)
class Items:
    """A list."""

    members: tuple[Value, ...]
    go_type: str = "[]string"


@dataclass(frozen=True, slots=True, eq=False)
class Table:
    """A map. It is iterated in the order of its keys' bytes."""

    entries: Mapping[bytes, Value]
    go_type: str = "map[string]string"


@dataclass(frozen=True, slots=True, eq=False)
class Device:
    """A device with its name, as ``devices.Sorted`` lists it."""

    name: bytes
    config: Table


@dataclass(slots=True, eq=False)
class Loop:
    """``forloop``. One object per loop, which changes from round to round."""

    parent: Loop | None
    counter: int = 0
    counter0: int = 0
    revcounter: int = 0
    revcounter0: int = 0
    first: bool = True
    last: bool = False

    def advance(self, index: int, count: int) -> None:
        """Begin round ``index`` (from 0) of ``count``. ``first`` ends at index 1, ``last`` never ends once true."""
        self.counter, self.counter0 = index + 1, index
        self.revcounter, self.revcounter0 = count - index, count - index - 1
        if index == 1:
            self.first = False
        if index + 1 == count:
            self.last = True


@dataclass(frozen=True, slots=True, eq=False)
class Block:
    """``block``, within and after ``{% block %}``."""


@dataclass(slots=True, eq=False)
class Cycle:
    """What ``{% cycle … as name %}`` gives a name: prints as its latest value."""

    node: CycleNode
    text: bytes


@dataclass(slots=True, eq=False)
class CycleNode:
    """A ``{% cycle %}`` in the template: where the code of each of its arguments begins."""

    slot: int
    silent: bool = False
    entries: list[int] = field(default_factory=list)


@dataclass(frozen=True, slots=True, eq=False)
class Function:
    """A function that the host provides, with a fixed number of arguments."""

    arity: int
    call: Callable[[list[Value]], Value]


@dataclass(frozen=True, slots=True, eq=False)
class Macro:
    """A macro and the scope it was defined in, whose variables it sees."""

    name: bytes
    parameters: tuple[bytes, ...]
    entry: int
    scope: Scope


Value: TypeAlias = (
    None | bool | int | float | bytes | TypedText | Items | Table | Device | Loop | Block | Cycle | Function | Macro
)
