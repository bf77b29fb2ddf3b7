from __future__ import annotations

from datetime import UTC, datetime

import pytest

from azekura.errors import InvalidRequest
from azekura.model.image import NEVER
from azekura.services.instances.config_keys import check_config
from azekura.services.instances.snapshot_plans import expiry, is_due, snapshot_name

NOW = datetime(2026, 1, 31, 12, 30, 15, tzinfo=UTC)  # a Saturday


@pytest.mark.parametrize(
    ("text", "end"),
    [
        ("", NEVER),
        ("1M", NOW.replace(minute=31)),
        ("2H", NOW.replace(hour=14)),
        ("1d 1H", datetime(2026, 2, 1, 13, 30, 15, tzinfo=UTC)),
        ("2w", datetime(2026, 2, 14, 12, 30, 15, tzinfo=UTC)),
        ("1m", datetime(2026, 3, 3, 12, 30, 15, tzinfo=UTC)),
        ("1y", NOW.replace(year=2027)),
    ],
)
def test_an_expiry_counts_from_the_snapshot(text: str, end: datetime) -> None:
    assert expiry(text, NOW) == end


@pytest.mark.parametrize("text", ["1", "d", "1x", "1d,2H", "-1d", "999999y"])
def test_an_expiry_that_cannot_be_is_refused(text: str) -> None:
    with pytest.raises(InvalidRequest, match="Invalid expiry expression"):
        expiry(text, NOW)


def test_the_next_number_is_above_all_that_are_there() -> None:
    assert snapshot_name("", NOW, []) == "snap0"
    assert snapshot_name("", NOW, ["snap0", "snap4", "snapx", "other9"]) == "snap5"
    assert snapshot_name("daily-%d", NOW, ["daily-0"]) == "daily-1"


def test_a_pattern_may_name_the_date_and_gets_a_number_when_it_must() -> None:
    pattern = "{{ creation_date|date:'2006-01-02_15-04' }}"
    assert snapshot_name(pattern, NOW, []) == "2026-01-31_12-30"
    assert snapshot_name(pattern, NOW, ["2026-01-31_12-30"]) == "2026-01-31_12-30-0"
    assert snapshot_name(pattern, NOW, ["2026-01-31_12-30", "2026-01-31_12-30-0"]) == "2026-01-31_12-30-1"


@pytest.mark.parametrize("pattern", ["%d-%d", "{{ now }}", "{% include 'x' %}"])
def test_a_pattern_that_cannot_be_is_refused(pattern: str) -> None:
    with pytest.raises(InvalidRequest):
        snapshot_name(pattern, NOW, [])


@pytest.mark.parametrize(
    "text",
    [
        "* * * * *",
        "30 12 * * *",
        "*/15 * * * *",
        "0-40/10 12 31 jan *",
        "30 12 * * sat",
        "30 12 1 * 6",
        "30 12 * * 0-6",
    ],
)
def test_a_schedule_is_due_in_its_minutes(text: str) -> None:
    check_config({"snapshots.schedule": text})
    assert is_due(text, NOW)


@pytest.mark.parametrize(
    "text", ["31 12 * * *", "30 12 * * sun", "30 12 1 * *", "30 12 * feb *", "@hourly", "@daily, @weekly", "@never", ""]
)
def test_a_schedule_is_not_due_in_other_minutes(text: str) -> None:
    check_config({"snapshots.schedule": text})
    assert not is_due(text, NOW)


def test_names_of_schedules_are_cron_lines() -> None:
    midnight = NOW.replace(hour=0, minute=0)
    assert is_due("@hourly", NOW.replace(minute=0))
    assert is_due("@daily", midnight)
    assert is_due("@weekly, @monthly", midnight.replace(day=1))
    assert is_due("0 0 * * 7", midnight.replace(day=25))  # a Sunday


@pytest.mark.parametrize(
    "text", ["* * * *", "61 * * * *", "* 24 * * *", "5-1 * * * *", "*/0 * * * *", "@sometimes", "a b c d e", "1" * 5000]
)
def test_a_schedule_that_cannot_be_is_refused(text: str) -> None:
    with pytest.raises(InvalidRequest):
        check_config({"snapshots.schedule": text})
