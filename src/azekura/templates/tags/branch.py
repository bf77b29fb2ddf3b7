"""``{% if %}``, ``{% ifequal %}``, ``{% ifnotequal %}``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from azekura.templates.blocks import NO_ARGUMENTS, OpenBlock
from azekura.templates.operators import Equal
from azekura.templates.program import Jump, JumpIfFalse
from azekura.templates.tokens import Token

if TYPE_CHECKING:
    from azekura.templates.cursor import TokenCursor
    from azekura.templates.parser import TemplateParser


class _Branches(OpenBlock):
    """The branch that is being read; ``otherwise`` leads to the next one.

    LXD accepts several ``else``, also before ``elif``, and then takes one that nobody would expect. They are refused.
    """

    def __init__(self, tag: Token, otherwise: JumpIfFalse, *expected: bytes) -> None:
        super().__init__(tag, *expected)
        self._otherwise: JumpIfFalse | None = otherwise
        self._ends: list[Jump] = []

    def clause(self, parser: TemplateParser, tag: Token, arguments: TokenCursor) -> bool:
        program = parser.program
        if tag.value == self.expected[-1]:
            arguments.finish(NO_ARGUMENTS)
            for jump in self._ends:
                jump.target = program.here
            self._begin_next(program.here)
            return True
        if self._otherwise is None:
            raise arguments.fault(f"Tag '{tag.value.decode('ascii')}' is not allowed after 'else'", tag)
        self._ends.append(program.emit(Jump(), tag.position))
        self._begin_next(program.here)
        if tag.value == b"elif":
            parser.expressions(arguments).parse()
            arguments.finish("Elif-condition is malformed.")
            self._otherwise = program.emit(JumpIfFalse(), tag.position)
        else:
            arguments.finish(NO_ARGUMENTS)
        return False

    def _begin_next(self, address: int) -> None:
        if self._otherwise is not None:
            self._otherwise.target = address
            self._otherwise = None


def parse_if(parser: TemplateParser, tag: Token, arguments: TokenCursor) -> None:
    parser.expressions(arguments).parse()
    arguments.finish("If-condition is malformed.")
    otherwise = parser.program.emit(JumpIfFalse(), tag.position)
    parser.open(_Branches(tag, otherwise, b"elif", b"else", b"endif"))


def parse_ifequal(parser: TemplateParser, tag: Token, arguments: TokenCursor) -> None:
    _parse_equality(parser, tag, arguments, wanted=True)


def parse_ifnotequal(parser: TemplateParser, tag: Token, arguments: TokenCursor) -> None:
    _parse_equality(parser, tag, arguments, wanted=False)


def _parse_equality(parser: TemplateParser, tag: Token, arguments: TokenCursor, *, wanted: bool) -> None:
    expressions = parser.expressions(arguments)
    expressions.parse()
    expressions.parse()
    name = tag.value.decode("ascii")
    arguments.finish(f"{name} only takes 2 arguments.")
    parser.program.emit(Equal(wanted), tag.position)
    otherwise = parser.program.emit(JumpIfFalse(), tag.position)
    parser.open(_Branches(tag, otherwise, b"else", b"end" + tag.value))
