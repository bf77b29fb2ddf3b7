"""``{% set %}`` and ``{% with %}``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from azekura.templates.blocks import NO_ARGUMENTS, OpenBlock
from azekura.templates.program import Instruction
from azekura.templates.tokens import Kind, Token

if TYPE_CHECKING:
    from azekura.templates.cursor import TokenCursor
    from azekura.templates.machine import Machine
    from azekura.templates.parser import TemplateParser


@dataclass(frozen=True, slots=True)
class _Assign(Instruction):
    name: bytes

    def run(self, machine: Machine) -> None:
        machine.scope.names[self.name] = machine.stack.pop()


@dataclass(frozen=True, slots=True)
class _Enter(Instruction):
    """Open a scope with the values on the stack, which were evaluated outside of it."""

    names: tuple[bytes, ...]

    def run(self, machine: Machine) -> None:
        values = machine.take_many(len(self.names))
        machine.enter().names.update(zip(self.names, values, strict=True))


@dataclass(frozen=True, slots=True)
class _Leave(Instruction):
    def run(self, machine: Machine) -> None:
        machine.leave()


class _With(OpenBlock):
    def clause(self, parser: TemplateParser, tag: Token, arguments: TokenCursor) -> bool:
        arguments.finish(NO_ARGUMENTS)
        parser.program.emit(_Leave(), tag.position)
        return True


def parse_set(parser: TemplateParser, tag: Token, arguments: TokenCursor) -> None:
    name = arguments.expect(Kind.NAME, "Expected an identifier.").value
    if not arguments.symbol(b"="):
        raise arguments.fault("Expected '='.")
    parser.expressions(arguments).parse()
    arguments.finish("Malformed 'set'-tag arguments.")
    parser.program.emit(_Assign(name), tag.position)


def parse_with(parser: TemplateParser, tag: Token, arguments: TokenCursor) -> None:
    if not arguments.remaining:
        raise arguments.fault("Tag 'with' requires at least one argument.")
    expressions = parser.expressions(arguments)
    names: list[bytes] = []
    value_first = arguments.any_keyword(b"as")
    while arguments.remaining:
        if value_first:
            expressions.parse()
            if not arguments.keyword(b"as"):
                raise arguments.fault("Expected 'as' keyword.")
            names.append(arguments.expect(Kind.NAME, "Expected an identifier").value)
        else:
            names.append(arguments.expect(Kind.NAME, "Expected an identifier").value)
            if not arguments.symbol(b"="):
                raise arguments.fault("Expected '='.")
            expressions.parse()
    parser.program.emit(_Enter(tuple(names)), tag.position)
    parser.open(_With(tag, b"endwith"))
