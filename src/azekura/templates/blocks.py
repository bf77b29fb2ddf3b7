"""Tags that have content."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from azekura.templates.cursor import TokenCursor
    from azekura.templates.parser import TemplateParser
    from azekura.templates.tokens import Token

NO_ARGUMENTS = "Arguments not allowed here."


class OpenBlock(ABC):
    """A tag that has been opened and not yet closed. It emits its code piece by piece, as its clauses come.

    Args:
        tag: the name token of the opening tag.
        expected: the tags that may come next on this level; the last one closes the block.
    """

    def __init__(self, tag: Token, *expected: bytes) -> None:
        self.tag = tag
        self.expected = expected

    @abstractmethod
    def clause(self, parser: TemplateParser, tag: Token, arguments: TokenCursor) -> bool:
        """Handle one of the expected tags; True if it closes the block."""
