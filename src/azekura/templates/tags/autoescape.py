"""``{% autoescape on|off %}``: whether ``{{ }}`` escapes text for HTML."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from azekura.templates.blocks import OpenBlock
from azekura.templates.program import Instruction
from azekura.templates.tokens import Kind, Token

if TYPE_CHECKING:
    from azekura.templates.cursor import TokenCursor
    from azekura.templates.machine import Machine
    from azekura.templates.parser import TemplateParser


@dataclass(frozen=True, slots=True)
class _Switch(Instruction):
    on: bool

    def run(self, machine: Machine) -> None:
        machine.modes.append(machine.scope.autoescape)
        machine.scope.autoescape = self.on


@dataclass(frozen=True, slots=True)
class _SwitchBack(Instruction):
    def run(self, machine: Machine) -> None:
        machine.scope.autoescape = machine.modes.pop()


class _Autoescape(OpenBlock):
    def clause(self, parser: TemplateParser, tag: Token, arguments: TokenCursor) -> bool:  # noqa: ARG002  LXD ignores them
        parser.program.emit(_SwitchBack(), tag.position)
        return True


def parse(parser: TemplateParser, tag: Token, arguments: TokenCursor) -> None:
    mode = arguments.expect(Kind.NAME, "A mode is required for autoescape-tag.")
    if mode.value not in (b"on", b"off"):
        raise arguments.fault("Only 'on' or 'off' is valid as an autoescape-mode.", mode)
    arguments.finish("Malformed autoescape-tag arguments.")
    parser.program.emit(_Switch(mode.value == b"on"), tag.position)
    parser.open(_Autoescape(tag, b"endautoescape"))
