"""``{% comment %}``: its content is cut into tokens, but not parsed."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from azekura.templates.cursor import TokenCursor
    from azekura.templates.parser import TemplateParser
    from azekura.templates.tokens import Token


def parse(parser: TemplateParser, tag: Token, arguments: TokenCursor) -> None:
    arguments.finish("Tag 'comment' does not take any argument.")
    parser.skip_until(tag, b"endcomment")
