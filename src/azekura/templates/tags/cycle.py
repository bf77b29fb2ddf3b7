"""``{% cycle a b … [as name [silent]] %}``: its arguments in turn, one at each execution."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from azekura.templates.conversions import as_text
from azekura.templates.program import Instruction
from azekura.templates.tokens import Kind, Token
from azekura.templates.values import Cycle, CycleNode

if TYPE_CHECKING:
    from azekura.templates.cursor import TokenCursor
    from azekura.templates.machine import Machine
    from azekura.templates.parser import TemplateParser


def _evaluate_next(machine: Machine, node: CycleNode, then: int) -> None:
    """Go to the code of the argument whose turn it is; it ends with ``_Resume``, which goes on at ``then``."""
    turn = machine.memory.setdefault(node.slot, [0])
    index = turn[0] if isinstance(turn[0], int) else 0
    turn[0] = (index + 1) % len(node.entries)
    machine.cycles.append(then)
    machine.address = node.entries[index]


@dataclass(slots=True)
class _Begin(Instruction):
    node: CycleNode
    then: int = -1

    def run(self, machine: Machine) -> None:
        _evaluate_next(machine, self.node, self.then)


@dataclass(frozen=True, slots=True)
class _Resume(Instruction):
    def run(self, machine: Machine) -> None:
        machine.address = machine.cycles.pop()


@dataclass(slots=True)
class _Show(Instruction):
    """Print the argument's value. If that is what another cycle has named, that one's turn comes first."""

    node: CycleNode
    name: bytes | None
    end: int = -1

    def run(self, machine: Machine) -> None:
        value = machine.stack[-1]
        if isinstance(value, Cycle):
            _evaluate_next(machine, value.node, machine.address)
            return
        text = as_text(machine.stack.pop())
        if self.name is not None:
            machine.scope.names[self.name] = Cycle(self.node, text)
        if not self.node.silent:
            machine.write(text)
        machine.address = self.end


@dataclass(frozen=True, slots=True)
class _Advance(Instruction):
    """Print the next value of the cycle on the stack below it."""

    def run(self, machine: Machine) -> None:
        text = as_text(machine.stack.pop())
        cycle = machine.stack.pop()
        if isinstance(cycle, Cycle):  # _Show has made sure
            cycle.text = text
            if not cycle.node.silent:
                machine.write(text)


def parse(parser: TemplateParser, tag: Token, arguments: TokenCursor) -> None:
    program = parser.program
    node = CycleNode(program.slot())
    begin = program.emit(_Begin(node), tag.position)
    expressions = parser.expressions(arguments)
    name: bytes | None = None
    while arguments.remaining:
        node.entries.append(program.here)
        expressions.parse()
        program.emit(_Resume(), tag.position)
        if arguments.keyword(b"as"):
            name = arguments.expect(Kind.NAME, "Name (identifier) expected after 'as'.").value
            node.silent = arguments.match(Kind.NAME, b"silent") is not None
            break
    arguments.finish("Malformed cycle-tag.")
    if not node.entries:
        raise arguments.fault("Tag 'cycle' requires at least one argument.")
    begin.then = program.here
    show = program.emit(_Show(node, name), tag.position)
    program.emit(_Advance(), tag.position)
    show.end = program.here
