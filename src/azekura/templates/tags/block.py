"""``{% block name %}``: prints its content in place, since nothing can be extended here."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from azekura.templates.blocks import OpenBlock
from azekura.templates.failure import quoted
from azekura.templates.program import Instruction
from azekura.templates.tokens import Kind, Token
from azekura.templates.values import Block

if TYPE_CHECKING:
    from azekura.templates.cursor import TokenCursor
    from azekura.templates.machine import Machine
    from azekura.templates.parser import TemplateParser


@dataclass(frozen=True, slots=True)
class _Announce(Instruction):
    """Sets the variable ``block``, which stays after the tag's end."""

    def run(self, machine: Machine) -> None:
        machine.scope.names[b"block"] = Block()


class _OpenBlock(OpenBlock):
    name = b""

    def clause(self, parser: TemplateParser, tag: Token, arguments: TokenCursor) -> bool:  # noqa: ARG002  emits nothing
        name = arguments.match(Kind.NAME)
        if name is not None and name.value != self.name:
            own, other = quoted(self.name), quoted(name.value)
            raise arguments.fault(f"Name for 'endblock' must equal to 'block'-tag's name ('{own}' != '{other}').", name)
        arguments.finish("Either no or only one argument (identifier) allowed for 'endblock'.")
        return True


def parse(parser: TemplateParser, tag: Token, arguments: TokenCursor) -> None:
    if not arguments.remaining:
        raise arguments.fault("Tag 'block' requires an identifier.")
    name = arguments.expect(Kind.NAME, "First argument for tag 'block' must be an identifier.")
    arguments.finish("Tag 'block' takes exactly 1 argument (an identifier).")
    if name.value in parser.blocks:
        raise arguments.fault(f"Block named '{quoted(name.value)}' already defined", name)
    parser.blocks.add(name.value)
    parser.program.emit(_Announce(), tag.position)
    block = _OpenBlock(tag, b"endblock")
    block.name = name.value
    parser.open(block)
