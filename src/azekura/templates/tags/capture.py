"""``{% filter %}`` and ``{% spaceless %}``: tags that change what is printed within them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from azekura.templates.blocks import OpenBlock
from azekura.templates.program import Instruction, WriteValue
from azekura.templates.tokens import Token

if TYPE_CHECKING:
    from azekura.templates.cursor import TokenCursor
    from azekura.templates.machine import Machine
    from azekura.templates.parser import TemplateParser

_JUNCTION = re.compile(rb">[\t\n\v\f\r ]+<")


@dataclass(frozen=True, slots=True)
class BeginCapture(Instruction):
    """Keep what is printed from here on."""

    def run(self, machine: Machine) -> None:
        machine.capture()


@dataclass(frozen=True, slots=True)
class EndCapture(Instruction):
    """Put what was printed since on the stack."""

    def run(self, machine: Machine) -> None:
        machine.stack.append(machine.captured())


@dataclass(frozen=True, slots=True)
class _Spaceless(Instruction):
    def run(self, machine: Machine) -> None:
        text = machine.captured()
        machine.budget.handle(len(text))
        machine.write(spaceless(text))


def spaceless(text: bytes) -> bytes:
    """``text`` without the blanks between tags.

    Blanks go if they lie between ``>`` and ``<``, if the line of the former has a ``<`` before it, and that of the
    latter a ``>`` after it. One pass does what LXD's regular expression needs many for: when such blanks go, neither
    condition changes for others.
    """
    result: list[bytes] = []
    done = 0
    seen, first = 0, -1  # up to where the text was searched; the first "<" of the line with the ">"
    line_end, last = -1, -1  # of the line with the "<", and its last ">"
    for junction in _JUNCTION.finditer(text):
        closing, opening = junction.start(), junction.end() - 1
        newline = text.rfind(b"\n", seen, closing)
        if newline >= 0:
            seen, first = newline, -1
        if first < 0:
            first = text.find(b"<", seen, closing)
        seen = closing
        if line_end < opening:
            line_end = text.find(b"\n", opening)
            line_end = len(text) if line_end < 0 else line_end
            last = text.rfind(b">", opening, line_end)
        if first >= 0 and last > opening:
            result.append(text[done : closing + 1])
            done = opening
    return b"".join(result) + text[done:]


class _Filter(OpenBlock):
    """Its arguments are parsed at the end: their code follows that of the content."""

    def __init__(self, tag: Token, chain: TokenCursor) -> None:
        super().__init__(tag, b"endfilter")
        self._chain = chain

    def clause(self, parser: TemplateParser, tag: Token, arguments: TokenCursor) -> bool:  # noqa: ARG002  LXD ignores them
        parser.program.emit(EndCapture(), tag.position)
        if self._chain.remaining:
            parser.expressions(self._chain).filters()
            self._chain.finish("Malformed filter-tag arguments.")
        parser.program.emit(WriteValue(safe=True), tag.position)
        return True


def parse_filter(parser: TemplateParser, tag: Token, arguments: TokenCursor) -> None:
    parser.program.emit(BeginCapture(), tag.position)
    parser.open(_Filter(tag, arguments))


class _OpenSpaceless(OpenBlock):
    def clause(self, parser: TemplateParser, tag: Token, arguments: TokenCursor) -> bool:  # noqa: ARG002  LXD ignores them
        parser.program.emit(_Spaceless(), tag.position)
        return True


def parse_spaceless(parser: TemplateParser, tag: Token, arguments: TokenCursor) -> None:
    arguments.finish("Malformed spaceless-tag arguments.")
    parser.program.emit(BeginCapture(), tag.position)
    parser.open(_OpenSpaceless(tag, b"endspaceless"))
