"""``{% macro name(a, b=e) [export] %}``: text with parameters, that sees the variables of where it is defined."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from azekura.templates.blocks import NO_ARGUMENTS, OpenBlock
from azekura.templates.failure import quoted
from azekura.templates.program import Instruction
from azekura.templates.tokens import Kind, Token
from azekura.templates.values import Macro

if TYPE_CHECKING:
    from azekura.templates.cursor import TokenCursor
    from azekura.templates.machine import Machine
    from azekura.templates.parser import TemplateParser


@dataclass(slots=True)
class _Define(Instruction):
    """Define the macro and jump over its code. That begins with the defaults of its parameters."""

    name: bytes
    parameters: tuple[bytes, ...] = ()
    end: int = -1

    def run(self, machine: Machine) -> None:
        machine.scope.names[self.name] = Macro(self.name, self.parameters, machine.address, machine.scope)
        machine.address = self.end


@dataclass(frozen=True, slots=True)
class _Begin(Instruction):
    defaulted: tuple[bytes, ...]

    def run(self, machine: Machine) -> None:
        machine.begin_body(self.defaulted)


@dataclass(frozen=True, slots=True)
class _Return(Instruction):
    def run(self, machine: Machine) -> None:
        machine.end_body()


class _Body(OpenBlock):
    def __init__(self, tag: Token, definition: _Define) -> None:
        super().__init__(tag, b"endmacro")
        self._definition = definition

    def clause(self, parser: TemplateParser, tag: Token, arguments: TokenCursor) -> bool:
        arguments.finish(NO_ARGUMENTS)
        parser.program.emit(_Return(), tag.position)
        self._definition.end = parser.program.here
        return True


def parse(parser: TemplateParser, tag: Token, arguments: TokenCursor) -> None:
    program = parser.program
    name = arguments.expect(Kind.NAME, "Macro-tag needs at least an identifier as name.")
    definition = program.emit(_Define(name.value), tag.position)
    definition.parameters, defaulted = _parameters(parser, arguments)
    if arguments.keyword(b"export"):
        if name.value in program.macros:
            raise arguments.fault(f"another macro with name '{quoted(name.value)}' already exported", tag)
        program.macros[name.value] = tag.position
    arguments.finish("Malformed macro-tag.")
    program.emit(_Begin(defaulted), tag.position)
    parser.open(_Body(tag, definition))


def _parameters(parser: TemplateParser, arguments: TokenCursor) -> tuple[tuple[bytes, ...], tuple[bytes, ...]]:
    """All parameters, and those whose defaults the code emitted here leaves on the stack."""
    if not arguments.symbol(b"("):
        raise arguments.fault("Expected '('.")
    names: list[bytes] = []
    defaulted: list[bytes] = []
    while not arguments.symbol(b")"):
        name = arguments.expect(Kind.NAME, "Expected argument name as identifier.").value
        names.append(name)
        if arguments.symbol(b"="):
            parser.expressions(arguments).parse()
            defaulted.append(name)
        if arguments.symbol(b")"):
            break
        if not arguments.symbol(b","):
            raise arguments.fault("Expected ',' or ')'.")
    return tuple(names), tuple(defaulted)
