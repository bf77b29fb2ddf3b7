"""``{% firstof a b … %}``: the first of them that is true."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from azekura.templates import escaping
from azekura.templates.conversions import as_text, is_true
from azekura.templates.program import Instruction

if TYPE_CHECKING:
    from azekura.templates.cursor import TokenCursor
    from azekura.templates.machine import Machine
    from azekura.templates.parser import TemplateParser
    from azekura.templates.tokens import Token


@dataclass(slots=True)
class _WriteIfTrue(Instruction):
    safe: bool
    end: int = -1

    def run(self, machine: Machine) -> None:
        value = machine.stack.pop()
        if is_true(value):
            text = as_text(value)
            machine.write(escaping.escape(text) if machine.scope.autoescape and not self.safe else text)
            machine.address = self.end


def parse(parser: TemplateParser, tag: Token, arguments: TokenCursor) -> None:
    expressions = parser.expressions(arguments)
    candidates = []
    while arguments.remaining:
        safe = expressions.parse()
        candidates.append(parser.program.emit(_WriteIfTrue(safe), tag.position))
    for candidate in candidates:
        candidate.end = parser.program.here
