"""Runs a program: a stack of values, scopes, buffers and calls, all of them explicit and bounded."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import NoReturn

from azekura.templates import conversions, escaping
from azekura.templates.budget import Budget
from azekura.templates.failure import Fault, quoted
from azekura.templates.iteration import Iteration
from azekura.templates.limits import Limits
from azekura.templates.program import Program
from azekura.templates.scope import Scope
from azekura.templates.values import Function, Macro, SafeText, Value


@dataclass(frozen=True, slots=True)
class _Call:
    """A macro that is running: where to go on after it, and with which scope."""

    address: int
    scope: Scope
    macro: Macro
    arguments: list[Value]


class Machine:
    """One rendering of a program.

    Args:
        public: what the host gives the template; ``set`` and its like only ever hide it.
        now: the time that ``{% now %}`` prints.
        chance: the source of ``random``.
    """

    __slots__ = (
        "address",
        "budget",
        "calls",
        "chance",
        "cycles",
        "loops",
        "memory",
        "modes",
        "now",
        "outputs",
        "program",
        "public",
        "scope",
        "scopes",
        "stack",
    )

    def __init__(
        self, program: Program, public: Mapping[bytes, Value], limits: Limits, now: datetime, chance: random.Random
    ) -> None:
        self.program = program
        self.public = public
        self.budget = Budget(limits)
        self.now = now
        self.chance = chance
        self.address = 0
        self.stack: list[Value] = []
        self.scope = Scope()
        self.scopes: list[Scope] = []
        self.calls: list[_Call] = []
        self.outputs: list[bytearray] = [bytearray()]
        self.loops: list[Iteration] = []
        self.modes: list[bool] = []  # autoescape's former states
        self.cycles: list[int] = []  # where to go on after an argument of cycle has been evaluated
        self.memory: dict[int, list[Value]] = {}  # by slot

    def run(self) -> bytes:
        """Run to the end and return the output.

        Raises:
            Fault: with the position of the instruction that failed.
        """
        instructions = self.program.instructions
        end = len(instructions)
        at = 0
        try:
            while (at := self.address) < end:
                self.address = at + 1
                self.budget.spend(1)
                instructions[at].run(self)
        except Fault as fault:
            fault.position = fault.position or self.program.positions[at]
            raise
        return bytes(self.outputs[0])

    def fail(self, reason: str) -> NoReturn:
        """Stop with ``reason``, at the instruction that is being run."""
        raise Fault(reason)

    # values

    def take_truth(self) -> bool:
        """Take a value off the stack and say whether it is true."""
        return conversions.is_true(self.stack.pop())

    def take_many(self, count: int) -> list[Value]:
        """Take the last ``count`` values off the stack, in the order they were put there."""
        if not count:
            return []
        values = self.stack[-count:]
        del self.stack[-count:]
        return values

    # output

    def write(self, text: bytes) -> None:
        """Print ``text`` as it is."""
        output = self.outputs[-1]
        size = len(text)
        self.budget.handle(size)
        if len(self.outputs) > 1:
            self.budget.fits(len(output) + size)
        elif len(output) + size > self.budget.limits.output_bytes:
            raise Fault(f"The output is larger than the {self.budget.limits.output_bytes} bytes it is allowed")
        output += text

    def write_value(self, value: Value, *, escape: bool) -> None:
        """Print a value; text is escaped first if that is switched on, wanted and needed."""
        text = conversions.as_text(value)
        if (
            escape
            and self.scope.autoescape
            and conversions.text_of(value) is not None
            and not isinstance(value, SafeText)
        ):
            text = escaping.escape(text)
        self.write(text)

    def capture(self) -> None:
        """From now on keep what is printed, until :meth:`captured`."""
        self.outputs.append(bytearray())

    def captured(self) -> bytes:
        """What was printed since the last :meth:`capture`."""
        return bytes(self.outputs.pop())

    # scopes

    def enter(self) -> Scope:
        """Open an inner scope."""
        self.scopes.append(self.scope)
        self.scope = Scope(self.scope)
        return self.scope

    def leave(self) -> None:
        """Go back to the outer scope."""
        self.scope = self.scopes.pop()

    def look_up(self, name: bytes) -> Value:
        """What ``name`` stands for; nil if nothing."""
        holder = self.scope.holder(name)
        return self.public.get(name) if holder is None else holder[name]

    # calls

    def invoke(self, callee: Function | Macro, arguments: list[Value]) -> None:
        """Call; the result will be on the stack, for a macro once its body has run."""
        if isinstance(callee, Function):
            self.stack.append(callee.call(arguments))
            return
        if len(arguments) > len(callee.parameters):
            raise Fault(
                f"Macro '{quoted(callee.name)}' called with too many arguments "
                f"({len(arguments)} instead of {len(callee.parameters)})."
            )
        if len(self.calls) >= self.budget.limits.call_depth:
            raise Fault(f"Macros call each other more than {self.budget.limits.call_depth} deep")
        self.calls.append(_Call(self.address, self.scope, callee, arguments))
        self.scope = callee.scope
        self.address = callee.entry

    def begin_body(self, names: tuple[bytes, ...]) -> None:
        """The defaults of ``names`` have been evaluated where the macro was defined: now bind the arguments."""
        call = self.calls[-1]
        defaults = self.take_many(len(names))
        self.scope = Scope(call.macro.scope)
        bound: dict[bytes, Value] = dict.fromkeys(call.macro.parameters)
        bound.update(zip(names, defaults, strict=True))
        for name, value in zip(call.macro.parameters, call.arguments, strict=False):
            bound[name] = bytes(value) if isinstance(value, SafeText) else value
        self.scope.names.update(bound)
        self.capture()

    def end_body(self) -> None:
        """The macro has run: its output is the value of the call."""
        call = self.calls.pop()
        self.address, self.scope = call.address, call.scope
        self.stack.append(SafeText(self.captured()))
