"""docs/field-suites.md names what runs, and why what was changed was changed."""

from __future__ import annotations

from pathlib import Path

from tests.field.lxd_suites import EVERYWHERE, RUNS

TEXT = (Path(__file__).parents[2] / "docs" / "field-suites.md").read_text()
TEXT = " ".join(TEXT.split())


def test_every_function_that_runs_is_in_the_document() -> None:
    assert [name for run in RUNS for name in run.functions if f"`{name}`" not in TEXT] == []


def test_every_reason_for_a_change_is_in_the_document() -> None:
    reasons = {change.reason for run in RUNS for change in run.changes} | {change.reason for change in EVERYWHERE}
    assert sorted(reason for reason in reasons if reason not in TEXT) == []
