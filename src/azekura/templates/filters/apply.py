"""What a filter is to the rest of the package."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, TypeAlias

from azekura.templates.budget import Budget
from azekura.templates.conversions import as_text
from azekura.templates.program import Instruction
from azekura.templates.values import Items, Value

if TYPE_CHECKING:
    from azekura.templates.machine import Machine


class Resources(Protocol):
    """What filters may use beside their value and argument."""

    budget: Budget
    chance: random.Random


# value, argument (nil if none is given) → value. Must ask the budget before it makes something large.
Filter: TypeAlias = Callable[[Value, Value, Resources], Value]


@dataclass(frozen=True, slots=True)
class ApplyFilter(Instruction):
    """Put the value on the stack, or the one below its argument, through a filter."""

    function: Filter
    has_argument: bool

    def run(self, machine: Machine) -> None:
        argument = machine.stack.pop() if self.has_argument else None
        value = machine.stack.pop()
        budget = machine.budget
        budget.handle(_size(value) + _size(argument))
        result = self.function(value, argument, machine)
        size = _size(result)
        budget.fits(size)
        budget.handle(size)
        machine.stack.append(result)


def _size(value: Value) -> int:
    if isinstance(value, bytes):
        return len(value)
    return 8 * len(value.members) if isinstance(value, Items) else 8


def on_text(function: Callable[[bytes], Value]) -> Filter:
    """A filter of the printed value that takes no argument."""
    return lambda value, _argument, _resources: function(as_text(value))


def on_value(function: Callable[[Value], Value]) -> Filter:
    """A filter of the value that takes no argument."""
    return lambda value, _argument, _resources: function(value)


def with_argument(function: Callable[[Value, Value], Value]) -> Filter:
    """A filter that makes nothing much larger than its value."""
    return lambda value, argument, _resources: function(value, argument)
