"""What goes wrong with a template, and where."""

from __future__ import annotations

from typing import NamedTuple

from azekura.errors import InvalidRequest
from azekura.templates import runes


class Position(NamedTuple):
    """A place in a template: lines and columns count from 1, columns in bytes."""

    line: int
    column: int


class TemplateFailed(InvalidRequest):
    """A template could not be parsed or rendered; nothing of its output may be used.

    ``reason`` is LXD's text where LXD has one for the case.
    """

    def __init__(self, template: str, line: int, column: int, reason: str) -> None:
        super().__init__(f'Template "{printable(template, 200)}" line {line}: {reason}')
        self.template = template
        self.line = line
        self.column = column
        self.reason = reason


class Fault(Exception):
    """The package's own signal for a failure; ``render`` and ``check`` turn it into :class:`TemplateFailed`.

    A fault without a position is one of the instruction that is being run: the machine adds the place.
    """

    def __init__(self, reason: str, position: Position | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.position = position


def quoted(text: bytes) -> str:
    """A piece of a template as a message may show it: one line, no control characters, not too long."""
    return printable(runes.decode(text[:400]), 80)


def printable(text: str, limit: int) -> str:
    """``text`` without control characters, cut to ``limit`` characters."""
    shown = "".join(c if c.isprintable() else "\ufffd" for c in text[: limit + 1])
    return shown if len(shown) <= limit else shown[: limit - 3] + "..."
