"""Instructions for the operators."""

from __future__ import annotations

import operator
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from azekura.templates import conversions, numbers
from azekura.templates.conversions import as_float, as_integer
from azekura.templates.failure import Fault
from azekura.templates.program import Instruction
from azekura.templates.values import Items, Value

if TYPE_CHECKING:
    from azekura.templates.machine import Machine

_LONG_TEXT = 64


def _take_two(machine: Machine) -> tuple[Value, Value]:
    right = machine.stack.pop()
    left = machine.stack.pop()
    for value in (left, right):
        if isinstance(value, bytes) and len(value) > _LONG_TEXT:
            machine.budget.handle(len(value))
    return left, right


@dataclass(frozen=True, slots=True)
class Arithmetic(Instruction):
    """``+ - *``: on floats if either side is one, else on 64-bit integers. Text counts as the number it spells."""

    operation: Callable[[Any, Any], Any]

    def run(self, machine: Machine) -> None:
        left, right = _take_two(machine)
        if isinstance(left, float) or isinstance(right, float):
            machine.stack.append(self.operation(as_float(left), as_float(right)))
        else:
            machine.stack.append(numbers.wrap(self.operation(as_integer(left), as_integer(right))))


@dataclass(frozen=True, slots=True)
class Divide(Instruction):
    """``/``"""

    def run(self, machine: Machine) -> None:
        left, right = _take_two(machine)
        if isinstance(left, float) or isinstance(right, float):
            machine.stack.append(numbers.divide(as_float(left), as_float(right)))
        else:
            machine.stack.append(numbers.quotient(as_integer(left), _divisor(right)))


@dataclass(frozen=True, slots=True)
class Remainder(Instruction):
    """``%``, always on integers."""

    def run(self, machine: Machine) -> None:
        left, right = _take_two(machine)
        machine.stack.append(numbers.remainder(as_integer(left), _divisor(right)))


def _divisor(value: Value) -> int:
    divisor = as_integer(value)
    if divisor == 0:
        raise Fault("integer divide by zero")
    return divisor


@dataclass(frozen=True, slots=True)
class Power(Instruction):
    """``^``, always on floats."""

    def run(self, machine: Machine) -> None:
        left, right = _take_two(machine)
        machine.stack.append(numbers.power(as_float(left), as_float(right)))


@dataclass(frozen=True, slots=True)
class Compare(Instruction):
    """``< <= > >=``: as numbers, whatever the sides are."""

    operation: Callable[[Any, Any], bool]

    def run(self, machine: Machine) -> None:
        left, right = _take_two(machine)
        if isinstance(left, float) or isinstance(right, float):
            machine.stack.append(self.operation(as_float(left), as_float(right)))
        else:
            machine.stack.append(self.operation(as_integer(left), as_integer(right)))


@dataclass(frozen=True, slots=True)
class Equal(Instruction):
    """``==`` and, with ``wanted`` false, ``!=``."""

    wanted: bool = True

    def run(self, machine: Machine) -> None:
        left, right = _take_two(machine)
        machine.stack.append(conversions.equal(left, right) is self.wanted)


@dataclass(frozen=True, slots=True)
class Contains(Instruction):
    """``in``"""

    def run(self, machine: Machine) -> None:
        left, right = _take_two(machine)
        if isinstance(right, Items):
            machine.budget.spend(len(right.members))
        machine.stack.append(conversions.contains(right, left))


@dataclass(frozen=True, slots=True)
class Negate(Instruction):
    """The sign ``-``"""

    def run(self, machine: Machine) -> None:
        value = machine.stack.pop()
        if isinstance(value, float):
            machine.stack.append(-value)
        elif conversions.is_integer(value):
            machine.stack.append(numbers.wrap(-as_integer(value)))
        else:
            raise Fault("Negative sign on a non-number expression")


@dataclass(frozen=True, slots=True)
class Not(Instruction):
    """``not`` and ``!``"""

    def run(self, machine: Machine) -> None:
        machine.stack.append(conversions.negated(machine.stack.pop()))


@dataclass(slots=True)
class ShortCircuit(Instruction):
    """The left side of ``and`` and ``or``: if that ``decides``, go on after the right side."""

    decides: bool
    target: int = -1

    def run(self, machine: Machine) -> None:
        if machine.take_truth() is self.decides:
            machine.stack.append(self.decides)
            machine.address = self.target


@dataclass(frozen=True, slots=True)
class ToBool(Instruction):
    """The right side of ``and`` and ``or``."""

    def run(self, machine: Machine) -> None:
        machine.stack.append(machine.take_truth())


BINARY: dict[bytes, Instruction] = {
    b"+": Arithmetic(operator.add),
    b"-": Arithmetic(operator.sub),
    b"*": Arithmetic(operator.mul),
    b"/": Divide(),
    b"%": Remainder(),
    b"^": Power(),
    b"==": Equal(),
    b"!=": Equal(wanted=False),
    b"<>": Equal(wanted=False),
    b"<": Compare(operator.lt),
    b"<=": Compare(operator.le),
    b">": Compare(operator.gt),
    b">=": Compare(operator.ge),
    b"in": Contains(),
}
