"""``{% ifchanged [e …] %}``: prints its content if that, or one of the values, differs from the last time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from azekura.templates.blocks import NO_ARGUMENTS, OpenBlock
from azekura.templates.conversions import equal
from azekura.templates.program import Fail, Instruction, Jump
from azekura.templates.tags.capture import BeginCapture
from azekura.templates.tokens import Token

if TYPE_CHECKING:
    from azekura.templates.cursor import TokenCursor
    from azekura.templates.machine import Machine
    from azekura.templates.parser import TemplateParser


@dataclass(frozen=True, slots=True)
class _WriteIfChanged(Instruction):
    """Compares the content."""

    slot: int

    def run(self, machine: Machine) -> None:
        text = machine.captured()
        if machine.memory.get(self.slot, [b""]) != [text]:
            machine.memory[self.slot] = [text]
            machine.write(text)


@dataclass(slots=True)
class _JumpIfUnchanged(Instruction):
    """Compares values."""

    slot: int
    count: int
    target: int = -1

    def run(self, machine: Machine) -> None:
        now = machine.take_many(self.count)
        before = machine.memory.get(self.slot)
        machine.memory[self.slot] = now
        for value in now:
            machine.budget.handle(len(value) if isinstance(value, bytes) else 0)
        if before is not None and all(map(equal, before, now)):
            machine.address = self.target


class _Content(OpenBlock):
    """Compares its content; an ``else`` is read, but never printed."""

    def __init__(self, tag: Token, slot: int) -> None:
        super().__init__(tag, b"else", b"endifchanged")
        self._slot = slot
        self._end: Jump | None = None

    def clause(self, parser: TemplateParser, tag: Token, arguments: TokenCursor) -> bool:
        arguments.finish(NO_ARGUMENTS)
        program = parser.program
        if self._end is None:
            program.emit(_WriteIfChanged(self._slot), tag.position)
        if tag.value == b"else":
            self._end = program.emit(Jump(), tag.position)
            self.expected = (b"endifchanged",)
            return False
        if self._end is not None:
            self._end.target = program.here
        return True


class _Values(OpenBlock):
    """Compares values."""

    def __init__(self, tag: Token, unchanged: _JumpIfUnchanged) -> None:
        super().__init__(tag, b"else", b"endifchanged")
        self._unchanged = unchanged
        self._end: Jump | None = None

    def clause(self, parser: TemplateParser, tag: Token, arguments: TokenCursor) -> bool:
        arguments.finish(NO_ARGUMENTS)
        program = parser.program
        if self._end is None:
            self._end = program.emit(Jump(), tag.position)
            self._unchanged.target = program.here
            if tag.value == b"else":
                self.expected = (b"endifchanged",)
                return False
            program.emit(
                Fail("Tag 'ifchanged' with arguments needs an 'else' for when nothing has changed"), self.tag.position
            )
        self._end.target = program.here
        return True


def parse(parser: TemplateParser, tag: Token, arguments: TokenCursor) -> None:
    program = parser.program
    if not arguments.remaining:
        program.emit(BeginCapture(), tag.position)
        parser.open(_Content(tag, program.slot()))
        return
    expressions = parser.expressions(arguments)
    count = 0
    while arguments.remaining:
        expressions.parse()
        count += 1
    parser.open(_Values(tag, program.emit(_JumpIfUnchanged(program.slot(), count), tag.position)))
