"""Reading tokens one after the other."""

from __future__ import annotations

from azekura.templates.failure import Fault
from azekura.templates.tokens import Kind, Token


class TokenCursor:
    """A place in a list of tokens, up to ``end``. ``before`` is the token that errors point to where there is none."""

    __slots__ = ("_before", "_end", "_tokens", "index")

    def __init__(self, tokens: list[Token], start: int, end: int, before: Token) -> None:
        self._tokens = tokens
        self._end = end
        self._before = before
        self.index = start

    @property
    def current(self) -> Token | None:
        """The next token, not yet taken."""
        return self._tokens[self.index] if self.index < self._end else None

    @property
    def remaining(self) -> int:
        """How many tokens are left."""
        return self._end - self.index

    def take(self) -> Token | None:
        """The next token, whatever it is; None at the end."""
        token = self.current
        if token is not None:
            self._before = token
            self.index += 1
        return token

    def match(self, kind: Kind, *values: bytes) -> Token | None:
        """Take the next token if it is of that kind and, if values are given, one of them."""
        token = self.current
        if token is None or token.kind is not kind or (values and token.value not in values):
            return None
        return self.take()

    def symbol(self, *values: bytes) -> Token | None:
        """Take the next token if it is one of these symbols."""
        return self.match(Kind.SYMBOL, *values)

    def keyword(self, *values: bytes) -> Token | None:
        """Take the next token if it is one of these keywords."""
        return self.match(Kind.KEYWORD, *values)

    def expect(self, kind: Kind, reason: str) -> Token:
        """Take the next token, which must be of that kind.

        Raises:
            Fault: with ``reason``, if it isn't.
        """
        token = self.match(kind)
        if token is None:
            raise self.fault(reason)
        return token

    def finish(self, reason: str) -> None:
        """Make sure that nothing is left.

        Raises:
            Fault: with ``reason``, if something is.
        """
        if self.current is not None:
            raise self.fault(reason)

    def fault(self, reason: str, token: Token | None = None) -> Fault:
        """An error at ``token``, by default the next one or, at the end, the last one."""
        return Fault(reason, (token or self.current or self._before).position)

    def any_keyword(self, value: bytes) -> bool:
        """Whether this keyword is anywhere among the tokens that are left."""
        return any(token.is_keyword(value) for token in self._tokens[self.index : self._end])
