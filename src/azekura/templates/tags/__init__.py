"""The tags, by name. Each module holds what its tags parse and the instructions they emit."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, TypeAlias

from azekura.templates.tags import (
    autoescape,
    block,
    branch,
    capture,
    clock,
    comment,
    cycle,
    first_of,
    if_changed,
    loop,
    lorem,
    macro,
    template_tag,
    variables,
    width_ratio,
)

if TYPE_CHECKING:
    from azekura.templates.cursor import TokenCursor
    from azekura.templates.parser import TemplateParser
    from azekura.templates.tokens import Token

# parser, the tag's name, its arguments
Opener: TypeAlias = "Callable[[TemplateParser, Token, TokenCursor], None]"

TAGS: dict[bytes, Opener] = {
    b"autoescape": autoescape.parse,
    b"block": block.parse,
    b"comment": comment.parse,
    b"cycle": cycle.parse,
    b"filter": capture.parse_filter,
    b"firstof": first_of.parse,
    b"for": loop.parse,
    b"if": branch.parse_if,
    b"ifchanged": if_changed.parse,
    b"ifequal": branch.parse_ifequal,
    b"ifnotequal": branch.parse_ifnotequal,
    b"lorem": lorem.parse,
    b"macro": macro.parse,
    b"now": clock.parse,
    b"set": variables.parse_set,
    b"spaceless": capture.parse_spaceless,
    b"templatetag": template_tag.parse,
    b"widthratio": width_ratio.parse,
    b"with": variables.parse_with,
}
