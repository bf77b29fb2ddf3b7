"""``{% templatetag openblock %}``: the signs that tags are made of."""

from __future__ import annotations

from typing import TYPE_CHECKING

from azekura.templates.program import WriteText
from azekura.templates.tokens import Kind, Token

if TYPE_CHECKING:
    from azekura.templates.cursor import TokenCursor
    from azekura.templates.parser import TemplateParser

_SIGNS = {
    b"openblock": b"{%",
    b"closeblock": b"%}",
    b"openvariable": b"{{",
    b"closevariable": b"}}",
    b"openbrace": b"{",
    b"closebrace": b"}",
    b"opencomment": b"{#",
    b"closecomment": b"#}",
}


def parse(parser: TemplateParser, tag: Token, arguments: TokenCursor) -> None:
    name = arguments.expect(Kind.NAME, "Identifier expected.")
    if name.value not in _SIGNS:
        raise arguments.fault("Argument not found", name)
    arguments.finish("Malformed templatetag-tag argument.")
    parser.program.emit(WriteText(_SIGNS[name.value]), tag.position)
