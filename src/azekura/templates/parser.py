"""Parses a template into a program: text, ``{{ }}``, and tags. What a tag does is in :mod:`azekura.templates.tags`."""

from __future__ import annotations

from azekura.templates.blocks import NO_ARGUMENTS, OpenBlock
from azekura.templates.cursor import TokenCursor
from azekura.templates.expressions import ExpressionParser
from azekura.templates.failure import Fault, Position, quoted
from azekura.templates.lexer import lex
from azekura.templates.limits import Limits
from azekura.templates.program import Program, WriteText, WriteValue
from azekura.templates.tags import TAGS
from azekura.templates.tokens import Kind, Token

_BLANKS = b" \t\r\n"
_BANNED = frozenset({b"include", b"extends", b"import", b"ssi"})


class TemplateParser:
    """One parse of one template.

    LXD renders every template between ``{% autoescape off %}`` and ``{% endautoescape %}``. These two tags are added
    here as tokens, so that a template may close and reopen them as it can there, while lines and columns stay those of
    the template.
    """

    def __init__(self, source: bytes, limits: Limits) -> None:
        if len(source) > limits.source_bytes:
            raise Fault(f"The template is larger than the {limits.source_bytes} bytes it is allowed", Position(1, 1))
        self._tokens = _wrapped(lex(source), source)
        self._own = range(4, len(self._tokens) - 3)  # the indices of the template's own tokens
        self._limits = limits
        self._cursor = TokenCursor(self._tokens, 0, len(self._tokens), self._tokens[0])
        self._open: list[OpenBlock] = []
        self._closer: Token | None = None  # the tag that closed LXD's own {% autoescape off %}
        self.program = Program()
        self.blocks: set[bytes] = set()

    def parse(self) -> Program:
        """Parse all of it.

        Raises:
            Fault: whatever is wrong first.
        """
        while token := self._cursor.take():
            if token.kind is Kind.TEXT:
                self._text(token)
            elif token.is_symbol(b"{{"):
                self._variable()
            else:
                self._tag()
        if self._open:
            raise _unclosed(self._open[-1])
        return self.program

    def _text(self, token: Token) -> None:
        at = self._cursor.index - 1
        text = token.value
        if self._tokens[at - 1].trim:
            text = text.lstrip(_BLANKS)
        if self._tokens[at + 1].trim:
            text = text.rstrip(_BLANKS)
        if text:
            self.program.emit(WriteText(text), token.position)

    def _variable(self) -> None:
        position = (self._cursor.current or self._tokens[0]).position
        safe = self.expressions(self._cursor).parse()
        if not self._cursor.symbol(b"}}"):
            raise self._cursor.fault("'}}' expected")
        self.program.emit(WriteValue(safe), position)

    def expressions(self, cursor: TokenCursor) -> ExpressionParser:
        """A parser of the expressions that begin at ``cursor``."""
        return ExpressionParser(cursor, self.program, self._limits.nesting)

    def open(self, block: OpenBlock) -> None:
        """Take what follows for the content of ``block``."""
        if len(self._open) > self._limits.nesting:
            raise Fault(f"Tags are nested more than {self._limits.nesting} deep", block.tag.position)
        self._open.append(block)

    def _tag(self) -> None:
        start = self._cursor.index
        name = self._cursor.expect(Kind.NAME, "Tag name must be an identifier.")
        own = start in self._own
        block = self._open[-1] if self._open else None
        if block is not None and name.value in block.expected:
            self._clause(block, name, own)
            return
        if not own and name.value == b"endautoescape":
            raise _unclosed(block) if block else self._not_found(self._closer or name)
        opener = TAGS.get(name.value)
        if name.value in _BANNED:
            text = name.value.decode("ascii")
            raise Fault(f"Usage of tag '{text}' is not allowed (sandbox restriction active).", name.position)
        if opener is None:
            raise self._not_found(name)
        opener(self, name, self._arguments(name, own))

    def _clause(self, block: OpenBlock, name: Token, own: bool) -> None:
        arguments = self._arguments(name, own)
        if not block.clause(self, name, arguments):
            return
        self._open.pop()
        if own and not self._open:
            self._closer = name
        elif not own and self._open:
            raise _unclosed(block)  # it was closed by LXD's own tag, which closes nothing else now

    def _not_found(self, name: Token) -> Fault:
        return Fault(f"Tag '{quoted(name.value)}' not found (or beginning tag not provided)", name.position)

    def _arguments(self, name: Token, own: bool) -> TokenCursor:
        """The tokens up to the end of the tag, taken off."""
        start = self._cursor.index
        while (token := self._cursor.take()) is not None and not token.is_symbol(b"%}"):
            pass
        end = self._cursor.index - 1
        if token is None or (own and end not in self._own):
            raise Fault(f"Tag '{quoted(name.value)}' is not ended: '%}}' expected", name.position)
        return TokenCursor(self._tokens, start, end, name)

    def skip_until(self, name: Token, end: bytes) -> None:
        """Take tokens off up to and with the tag ``end``, whatever they are."""
        cursor = self._cursor
        while opening := cursor.take():
            following = cursor.current
            if following is None or not opening.is_symbol(b"{%"):
                continue
            if following.kind is Kind.NAME and following.value == end:
                cursor.take()
                self._arguments(following, own=True).finish(NO_ARGUMENTS)
                return
        raise Fault(f"Unexpected EOF, expected tag {end.decode('ascii')}.", name.position)


def _wrapped(tokens: list[Token], source: bytes) -> list[Token]:
    start = Position(1, 1)
    end = Position(source.count(b"\n") + 1, len(source) - source.rfind(b"\n"))
    return [
        Token(Kind.SYMBOL, b"{%", start),
        Token(Kind.NAME, b"autoescape", start),
        Token(Kind.NAME, b"off", start),
        Token(Kind.SYMBOL, b"%}", start),
        *tokens,
        Token(Kind.SYMBOL, b"{%", end),
        Token(Kind.NAME, b"endautoescape", end),
        Token(Kind.SYMBOL, b"%}", end),
    ]


def _unclosed(block: OpenBlock) -> Fault:
    name, end = quoted(block.tag.value), block.expected[-1].decode("ascii")
    return Fault(f"Tag '{name}' is not closed, expected tag '{end}'", block.tag.position)
