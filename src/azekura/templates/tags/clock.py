"""``{% now "layout" [fake] %}``: the time, in Go's layouts."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from azekura.templates import go_time
from azekura.templates.program import Instruction
from azekura.templates.tokens import Kind, Token

if TYPE_CHECKING:
    from azekura.templates.cursor import TokenCursor
    from azekura.templates.machine import Machine
    from azekura.templates.parser import TemplateParser

_FAKE = datetime(2014, 2, 5, 18, 31, 45, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class _Now(Instruction):
    layout: bytes
    fake: bool

    def run(self, machine: Machine) -> None:
        machine.budget.handle(len(self.layout) * 4)
        machine.write(go_time.render(_FAKE if self.fake else machine.now, self.layout))


def parse(parser: TemplateParser, tag: Token, arguments: TokenCursor) -> None:
    layout = arguments.expect(Kind.STRING, "Expected a format string.")
    fake = arguments.match(Kind.NAME, b"fake") is not None
    arguments.finish("Malformed now-tag arguments.")
    parser.program.emit(_Now(layout.value, fake), tag.position)
