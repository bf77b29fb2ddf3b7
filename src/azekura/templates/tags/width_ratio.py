"""``{% widthratio value maximum width [as name] %}``: LXD's is one too high, and kept so."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from azekura.templates import numbers
from azekura.templates.conversions import as_float
from azekura.templates.program import Instruction
from azekura.templates.tokens import Kind, Token

if TYPE_CHECKING:
    from azekura.templates.cursor import TokenCursor
    from azekura.templates.machine import Machine
    from azekura.templates.parser import TemplateParser


@dataclass(frozen=True, slots=True)
class _Ratio(Instruction):
    name: bytes | None

    def run(self, machine: Machine) -> None:
        value, maximum, width = map(as_float, machine.take_many(3))
        result = numbers.ceiling(numbers.divide(value, maximum) * width + 0.5)
        if self.name is None:
            machine.write(b"%d" % result)
        else:
            machine.scope.names[self.name] = result


def parse(parser: TemplateParser, tag: Token, arguments: TokenCursor) -> None:
    expressions = parser.expressions(arguments)
    for _ in range(3):
        expressions.parse()
    name = None
    if arguments.keyword(b"as"):
        name = arguments.expect(Kind.NAME, "Expected name (identifier).").value
    arguments.finish("Malformed widthratio-tag arguments.")
    parser.program.emit(_Ratio(name), tag.position)
