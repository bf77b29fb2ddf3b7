"""Spans such as ``2w 3d``."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from azekura.errors import InvalidRequest
from azekura.model.lifespan import end_of

START = datetime(2024, 1, 31, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "end"),
    [
        ("5S", datetime(2024, 1, 31, 12, 0, 5, tzinfo=UTC)),
        ("1M 2H", datetime(2024, 1, 31, 14, 1, tzinfo=UTC)),
        ("1w 1d", datetime(2024, 2, 8, 12, tzinfo=UTC)),
        ("1m", datetime(2024, 3, 2, 12, tzinfo=UTC)),
        ("1y", datetime(2025, 1, 31, 12, tzinfo=UTC)),
        ("0d", START),
    ],
)
def test_spans_are_added(text: str, end: datetime) -> None:
    assert end_of(text, START) == end


def test_no_text_is_no_end() -> None:
    assert end_of(" ", START) is None


@pytest.mark.parametrize(
    "text", ["x", "5", "5s", "-1d", "1.5d", "1d 2d", "1d,2H", "9999y", "999999999y", "1" * 10 + "d"]
)
def test_what_is_no_span_is_refused(text: str) -> None:
    with pytest.raises(InvalidRequest, match="Invalid expiry expression"):
        end_of(text, START)
