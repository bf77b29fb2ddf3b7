"""Lists on the screen: ``table``, ``compact``, ``csv``, ``json`` and ``yaml``, in LXD's exact form."""

from __future__ import annotations

from azekura.cli.output import json_line, printable
from azekura.errors import InvalidRequest

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

FORMATS = ("table", "compact", "csv", "json", "yaml")


def render(form: str, header: list[str], rows: list[list[str]], raw: Any) -> str:
    """The list as text with its final newline. ``raw`` is what json and yaml show instead of the rows.

    Raises:
        InvalidRequest: no such format.
    """
    if form == "table":
        return _table(header, rows)
    if form == "csv":
        return "".join(",".join(_csv_field(cell) for cell in row) + "\n" for row in rows)
    if form == "json":
        return json_line(raw)
    if form == "yaml":
        from azekura.cli.yaml_output import dump

        return dump(raw)
    if form == "compact":
        return _compact(header, rows)
    raise InvalidRequest(f'Invalid format "{form}"')


def _csv_field(text: str) -> str:
    if text and (text[0].isspace() or text == "\\." or any(mark in text for mark in ',"\r\n')):
        return '"' + text.replace('"', '""') + '"'
    return text


def display_width(text: str) -> int:
    """Columns on a terminal; East Asian wide characters take two, combining ones none."""
    if text.isascii():
        return len(text)
    from unicodedata import combining, east_asian_width

    return sum(0 if combining(char) else 2 if east_asian_width(char) in "WF" else 1 for char in text)


def _title(text: str) -> str:
    """A column's name as a header: upper case, underscores and the dots between words as blanks."""
    chars = list(text)
    for at, char in enumerate(chars):
        if char == "_":
            chars[at] = " "
        elif char == ".":
            before = text[at - 1] if at else "0"
            after = text[at + 1] if at + 1 < len(text) else "0"
            if not (before.isdigit() or before == " ") or not (after.isdigit() or after == " "):
                chars[at] = " "
    return "".join(chars).strip().upper()


def _left(text: str, width: int) -> str:
    return text + " " * (width - display_width(text))


def _center(text: str, width: int) -> str:
    gap = max(0, width - display_width(text))
    return " " * (gap // 2) + text + " " * (gap - gap // 2)


def _layout(header: list[str], rows: list[list[str]]) -> tuple[list[str], list[list[list[str]]], list[int]]:
    titles = [_title(name) for name in header]
    widths = [display_width(title) for title in titles]
    lines = [[printable(cell).split("\n") for cell in row] for row in rows]
    for row in lines:
        for column, cell in enumerate(row):
            for line in cell:
                widths[column] = max(widths[column], display_width(line))
    return titles, lines, widths


def _table(header: list[str], rows: list[list[str]]) -> str:
    titles, cells, widths = _layout(header, rows)
    rule = "+" + "+".join("-" * (width + 2) for width in widths) + "+\n"
    out = [rule, "|", *(f" {_center(title, width)} |" for title, width in zip(titles, widths, strict=True)), "\n", rule]
    for row in cells:
        for number in range(max(len(cell) for cell in row)):
            out.append("|")
            for cell, width in zip(row, widths, strict=True):
                out.append(f" {_left(cell[number] if number < len(cell) else '', width)} |")
            out.append("\n")
        out.append(rule)
    return "".join(out)


def _compact(header: list[str], rows: list[list[str]]) -> str:
    titles, cells, widths = _layout(header, rows)
    out = ["  " + "  ".join(_center(title, width) for title, width in zip(titles, widths, strict=True)) + "  \n"]
    for row in cells:
        for number in range(max(len(cell) for cell in row)):
            line = (
                _left(cell[number] if number < len(cell) else "", width)
                for cell, width in zip(row, widths, strict=True)
            )
            out.append("  " + "  ".join(line) + "  \n")
    return "".join(out)
