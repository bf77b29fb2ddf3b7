"""What a template is made of, to the parser."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto

from azekura.templates.failure import Position


class Kind(Enum):
    """Kinds of token."""

    TEXT = auto()  # everything outside of tags
    SYMBOL = auto()
    KEYWORD = auto()
    NAME = auto()
    NUMBER = auto()
    STRING = auto()


KEYWORDS = frozenset({b"in", b"and", b"or", b"not", b"true", b"false", b"as", b"export"})


@dataclass(frozen=True, slots=True)
class Token:
    """A piece of a template. ``trim``: a ``{{-`` or its like, which takes the blanks of the text it touches."""

    kind: Kind
    value: bytes
    position: Position
    trim: bool = False

    def is_symbol(self, *values: bytes) -> bool:
        """Whether this is one of these symbols."""
        return self.kind is Kind.SYMBOL and self.value in values

    def is_keyword(self, *values: bytes) -> bool:
        """Whether this is one of these keywords."""
        return self.kind is Kind.KEYWORD and self.value in values
