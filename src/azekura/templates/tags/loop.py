"""``{% for x in e [reversed] [sorted] %}``, ``{% for k, v in e %}``, ``{% empty %}``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from azekura.templates.blocks import NO_ARGUMENTS, OpenBlock
from azekura.templates.iteration import Iteration
from azekura.templates.program import Instruction, Jump
from azekura.templates.tokens import Kind, Token
from azekura.templates.values import Loop

if TYPE_CHECKING:
    from azekura.templates.cursor import TokenCursor
    from azekura.templates.machine import Machine
    from azekura.templates.parser import TemplateParser


@dataclass(frozen=True, slots=True)
class _Enter(Instruction):
    """Open the loop's scope. What the loop goes over is evaluated within it, with ``forloop`` already set."""

    def run(self, machine: Machine) -> None:
        holder = machine.scope.holder(b"forloop")
        outer = holder[b"forloop"] if holder else None
        if outer is not None and not isinstance(outer, Loop):
            machine.fail("'for' can't run where 'forloop' has been set to something else")
        loop = Loop(outer)
        machine.enter().names[b"forloop"] = loop
        machine.loops.append(Iteration(loop))


@dataclass(slots=True)
class _Begin(Instruction):
    backwards: bool = False
    ordered: bool = False
    nothing: int = -1

    def run(self, machine: Machine) -> None:
        value = machine.stack.pop()
        iteration = machine.loops[-1]
        if not iteration.begin(value, backwards=self.backwards, ordered=self.ordered, budget=machine.budget):
            machine.address = self.nothing


@dataclass(slots=True)
class _Next(Instruction):
    key: bytes
    value: bytes | None = None
    end: int = -1

    def run(self, machine: Machine) -> None:
        round_ = machine.loops[-1].advance()
        if round_ is None:
            machine.address = self.end
            return
        names = machine.scope.names
        names[self.key], value = round_
        if value is not None and self.value is not None:
            names[self.value] = value


@dataclass(frozen=True, slots=True)
class _Leave(Instruction):
    def run(self, machine: Machine) -> None:
        machine.loops.pop()
        machine.leave()


class _For(OpenBlock):
    def __init__(self, tag: Token, begin: _Begin, advance: _Next, start: int) -> None:
        super().__init__(tag, b"empty", b"endfor")
        self._begin = begin
        self._advance = advance
        self._start = start
        self._end: Jump | None = None

    def clause(self, parser: TemplateParser, tag: Token, arguments: TokenCursor) -> bool:
        arguments.finish(NO_ARGUMENTS)
        program = parser.program
        if self._end is None:
            program.emit(Jump(self._start), tag.position)
            self._advance.end = program.here
            self._end = program.emit(Jump(), tag.position)
            self._begin.nothing = program.here
        if tag.value == b"empty":
            self.expected = (b"endfor",)
            return False
        self._end.target = program.here
        program.emit(_Leave(), tag.position)
        return True


def parse(parser: TemplateParser, tag: Token, arguments: TokenCursor) -> None:
    program = parser.program
    key = arguments.expect(Kind.NAME, "Expected an key identifier as first argument for 'for'-tag").value
    value = None
    if arguments.symbol(b","):
        value = arguments.expect(Kind.NAME, "Value name must be an identifier.").value
    if not arguments.keyword(b"in"):
        raise arguments.fault("Expected keyword 'in'.")
    program.emit(_Enter(), tag.position)
    parser.expressions(arguments).parse()
    backwards = arguments.match(Kind.NAME, b"reversed") is not None
    ordered = arguments.match(Kind.NAME, b"sorted") is not None
    arguments.finish("Malformed for-loop arguments.")
    begin = program.emit(_Begin(backwards, ordered), tag.position)
    start = program.here
    advance = program.emit(_Next(key, value), tag.position)
    parser.open(_For(tag, begin, advance, start))
