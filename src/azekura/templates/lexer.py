"""Cuts a template into tokens.

Source: measured on LXD 5.0.2. Deliberate differences: U+0001 is text like any other, a final ``{`` too, and an empty
``{% verbatim %}`` ends where it says.
"""

from __future__ import annotations

import re
from bisect import bisect_right

from azekura.templates.failure import Fault, Position, quoted
from azekura.templates.tokens import KEYWORDS, Kind, Token

_OPENING = re.compile(rb"\{[{%#]")
_VERBATIM = b"{% verbatim %}"
_END_VERBATIM = b"{% endverbatim %}"
_BLANKS = re.compile(rb"[ \t\r]*")
_WORD = re.compile(rb"[A-Za-z_][A-Za-z0-9_]*|[0-9]+(?:[A-Za-z_][A-Za-z0-9_]*)?")
_SYMBOL = re.compile(
    rb"\{\{-|-\}\}|\{%-|-%\}"
    rb"|==|>=|<=|&&|\|\||\{\{|\}\}|\{%|%\}|!=|<>"
    rb"|[()+\-*<>/^,.!|:=%]"
)
_STRING_BODY = {
    b'"': re.compile(rb'[^"\\\n]*(?:\\["\\][^"\\\n]*)*'),
    b"'": re.compile(rb"[^'\\\n]*(?:\\[\"\\][^'\\\n]*)*"),
}
_ESCAPE = re.compile(rb'\\(["\\])')


def lex(source: bytes) -> list[Token]:
    """The tokens of a template.

    Raises:
        Fault: an unclosed comment, verbatim block or string, a newline within a tag, an unknown escape.
    """
    return _Lexer(source).run()


class _Lexer:
    def __init__(self, source: bytes) -> None:
        self._source = source
        self._lines = [0, *(m.end() for m in re.finditer(rb"\n", source))]
        self._tokens: list[Token] = []

    def position(self, offset: int) -> Position:
        """Line and column of an offset."""
        line = bisect_right(self._lines, offset)
        return Position(line, offset - self._lines[line - 1] + 1)

    def run(self) -> list[Token]:
        at: int | None = 0
        while at is not None:
            at = self._text(at)
            if at is not None:
                at = self._code(at)
        return self._tokens

    def _emit(self, kind: Kind, value: bytes, offset: int, *, trim: bool = False) -> None:
        self._tokens.append(Token(kind, value, self.position(offset), trim))

    def _emit_text(self, start: int, end: int) -> None:
        if end > start:
            self._emit(Kind.TEXT, self._source[start:end], start)

    def _text(self, start: int) -> int | None:
        """Read up to the next tag and return where it begins; None at the end."""
        source, at = self._source, start
        while opening := _OPENING.search(source, at):
            at = opening.start()
            if source.startswith(_VERBATIM, at):
                body = at + len(_VERBATIM)
                end = source.find(_END_VERBATIM, body)
                if end < 0:
                    raise Fault("verbatim-tag not closed, got EOF.", self.position(at))
                self._emit_text(start, at)
                self._emit_text(body, end)
                start = at = end + len(_END_VERBATIM)
            elif opening.group() == b"{#":
                self._emit_text(start, at)
                start = at = self._after_comment(at)
            else:
                self._emit_text(start, at)
                return at
        self._emit_text(start, len(source))
        return None

    def _after_comment(self, at: int) -> int:
        end = self._source.find(b"#}", at + 2)
        if self._source.find(b"\n", at, len(self._source) if end < 0 else end) >= 0:
            raise Fault("Newline not permitted in a single-line comment.", self.position(at))
        if end < 0:
            raise Fault("Single-line comment not closed.", self.position(at))
        return end + 2

    def _code(self, at: int) -> int | None:
        """Read a tag and return where the text after it begins; None at the end.

        A character that means nothing in a tag ends it: the parser will miss the tag's end and say so.
        """
        source = self._source
        while True:
            blanks = _BLANKS.match(source, at)
            at = blanks.end() if blanks else at
            if at >= len(source):
                return None
            char = source[at : at + 1]
            if char == b"\n":
                raise Fault("Newline not allowed within tag/variable.", self.position(at))
            if char in _STRING_BODY:
                at = self._string(at, char)
            elif word := _WORD.match(source, at):
                self._emit(_kind_of_word(word.group()), word.group(), at)
                at = word.end()
            elif symbol := _SYMBOL.match(source, at):
                value = symbol.group()
                trim = len(value) == 3
                value = value.strip(b"-") if trim else value
                self._emit(Kind.SYMBOL, value, at, trim=trim)
                at = symbol.end()
                if value in (b"}}", b"%}"):
                    return at
            else:
                return at

    def _string(self, at: int, quote: bytes) -> int:
        source = self._source
        body = _STRING_BODY[quote].match(source, at + 1)
        end = body.end() if body else at + 1
        stop = source[end : end + 1]
        if stop == quote:
            self._emit(Kind.STRING, _ESCAPE.sub(rb"\1", source[at + 1 : end]), at)
            return end + 1
        if stop == b"\n":
            raise Fault("Newline in string is not allowed.", self.position(at))
        if stop == b"\\" and end + 1 < len(source):
            escaped = quoted(source[end + 1 : end + 5])[:1]
            raise Fault(f"Unknown escape sequence: \\{escaped}", self.position(at))
        raise Fault("Unexpected EOF, string not closed.", self.position(at))


def _kind_of_word(word: bytes) -> Kind:
    if word in KEYWORDS:
        return Kind.KEYWORD
    return Kind.NUMBER if word.isdigit() else Kind.NAME
