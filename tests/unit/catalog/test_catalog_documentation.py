"""docs/catalog.md names every table and every column."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from azekura.catalog.schema import metadata

PAGE = Path(__file__).parents[3] / "docs" / "catalog.md"


def sections() -> dict[str, str]:
    """Table -> the text that describes it, from headings such as ``### images`` or ``### blobs, blob_references``."""
    found = {}
    for part in PAGE.read_text().split("\n### ")[1:]:
        heading, _, text = part.partition("\n")
        for table in heading.split(", "):
            found[table] = text.partition("\n## ")[0]
    return found


def test_every_table_is_described_and_no_other() -> None:
    assert sorted(sections()) == sorted(metadata.tables)


@pytest.mark.parametrize("table", sorted(metadata.tables))
def test_every_column_is_described(table: str) -> None:
    named = set(re.findall(r"`([a-z0-9_]+)`", sections()[table]))
    assert {column.name for column in metadata.tables[table].c} - named == set()
