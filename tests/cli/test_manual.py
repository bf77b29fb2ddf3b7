"""docs/cli.md has every command, in the commands' own words."""

from __future__ import annotations

from pathlib import Path

from azekura.cli.manual import OWN, manual

PAGE = Path(__file__).parents[2] / "docs/cli.md"


def test_the_page_is_what_the_commands_say() -> None:
    assert PAGE.read_text() == manual(), "run: .venv/bin/python scripts/cli-docs > docs/cli.md"


def test_the_commands_marked_as_ours_are_there() -> None:
    for name in OWN:
        assert f"## lxc {name} *\n" in manual()
