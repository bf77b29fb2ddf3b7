"""A parsed template: a flat list of instructions for the machine.

Flat, because a template's nesting is a stranger's choice and Python's own stack is short: neither parsing nor running
a template recurses, so that every depth limit is one of ours, with a message.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from azekura.templates.failure import Position
    from azekura.templates.machine import Machine
    from azekura.templates.values import Value


class Instruction(ABC):
    """One thing the machine does. Instructions are shared by all renderings of a program, so they hold no state."""

    __slots__ = ()

    @abstractmethod
    def run(self, machine: Machine) -> None:
        """Do it. A ``Fault`` without a position gets this instruction's."""


_I = TypeVar("_I", bound=Instruction)


class Program:
    """Instructions, and where in the template each of them comes from."""

    __slots__ = ("instructions", "macros", "positions", "slots")

    def __init__(self) -> None:
        self.instructions: list[Instruction] = []
        self.positions: list[Position] = []
        self.slots = 0
        self.macros: dict[bytes, Position] = {}  # exported ones: their names must not be those of the context

    @property
    def here(self) -> int:
        """The address of the next instruction."""
        return len(self.instructions)

    def emit(self, instruction: _I, position: Position) -> _I:
        """Append an instruction and return it, so that a jump can be given its target later."""
        self.instructions.append(instruction)
        self.positions.append(position)
        return instruction

    def slot(self) -> int:
        """A place for what a tag remembers from one execution to the next (cycle, ifchanged)."""
        self.slots += 1
        return self.slots - 1


@dataclass(slots=True)
class Jump(Instruction):
    """Go on elsewhere. ``target`` is set once its address is known."""

    target: int = -1

    def run(self, machine: Machine) -> None:
        machine.address = self.target


@dataclass(slots=True)
class JumpIfFalse(Instruction):
    """Take a value; go on elsewhere if it isn't true."""

    target: int = -1

    def run(self, machine: Machine) -> None:
        if not machine.take_truth():
            machine.address = self.target


@dataclass(frozen=True, slots=True)
class Push(Instruction):
    """Put a literal on the stack."""

    value: Value

    def run(self, machine: Machine) -> None:
        machine.stack.append(self.value)


@dataclass(frozen=True, slots=True)
class WriteText(Instruction):
    """Print the template's own text."""

    text: bytes

    def run(self, machine: Machine) -> None:
        machine.write(self.text)


@dataclass(frozen=True, slots=True)
class WriteValue(Instruction):
    """Print a value. ``safe``: the expression has the filter of that name."""

    safe: bool

    def run(self, machine: Machine) -> None:
        machine.write_value(machine.stack.pop(), escape=not self.safe)


@dataclass(frozen=True, slots=True)
class Fail(Instruction):
    """What the template must not reach."""

    reason: str

    def run(self, machine: Machine) -> None:
        machine.fail(self.reason)
