"""The order of rows in lists: column by column, digits as numbers, empty cells last (LXD's ``lxc/utils/sort.go``)."""

from __future__ import annotations

import re

_DIGITS = re.compile(r"([0-9]+)")


def natural_key(text: str) -> tuple[int, tuple[tuple[str, int], ...]]:
    """A sort key for one cell."""
    if not text:
        return 1, ()
    chunks = _DIGITS.split(text)
    # a text chunk begins with no digit, so that "0" compares with it as any digit would
    return 0, tuple(("0", int(chunk)) if number % 2 else (chunk, 0) for number, chunk in enumerate(chunks) if chunk)


def sort_rows(rows: list[list[str]]) -> None:
    """Sort in place."""
    rows.sort(key=lambda row: [natural_key(cell) for cell in row])
