"""Spans such as ``2w 3d``, by which LXD's settings say how long something lives (``GetExpiry`` in LXD's ``shared``)."""

from __future__ import annotations

import re
from datetime import datetime, timedelta

from azekura.errors import InvalidRequest

_PART = re.compile(r"([0-9]{1,9})([SMHdwmy])")


def end_of(text: str, start: datetime) -> datetime | None:
    """``start`` and the spans in ``text``: Seconds, Minutes, Hours, days, weeks, months, years; None for no text.

    Raises:
        InvalidRequest: not such spans, one unit twice, or past the last date there is; in LXD's words.
    """
    if not text.strip():
        return None
    spans: dict[str, int] = {}
    for word in text.split():
        match = _PART.fullmatch(word)
        if match is None or match[2] in spans:
            raise InvalidRequest("Invalid expiry expression")
        spans[match[2]] = int(match[1])
    try:
        return _months_later(start, 12 * spans.get("y", 0) + spans.get("m", 0)) + timedelta(
            weeks=spans.get("w", 0),
            days=spans.get("d", 0),
            hours=spans.get("H", 0),
            minutes=spans.get("M", 0),
            seconds=spans.get("S", 0),
        )
    except (OverflowError, ValueError) as exc:
        raise InvalidRequest("Invalid expiry expression") from exc


def _months_later(moment: datetime, months: int) -> datetime:
    """As Go counts: a month after 31 January is 3 March, or 2 in a leap year."""
    year, month = divmod(moment.year * 12 + moment.month - 1 + months, 12)
    return moment.replace(year=year, month=month + 1, day=1) + timedelta(days=moment.day - 1)
