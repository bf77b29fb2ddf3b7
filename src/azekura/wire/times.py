"""Dates in LXD's JSON: RFC 3339 as Go writes it, nanoseconds only where there are any."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, timezone

from azekura.errors import InvalidRequest
from azekura.model.image import NEVER

_RFC3339 = re.compile(r"(\d{4})-(\d\d)-(\d\d)[Tt](\d\d):(\d\d):(\d\d)(?:\.(\d{1,9}))?([Zz]|[+-]\d\d:\d\d)", re.ASCII)


def format_time(moment: datetime) -> str:
    """``moment`` (timezone-aware) as RFC 3339 in UTC, without trailing zeros in the fraction."""
    if moment.tzinfo is not UTC:
        moment = moment.astimezone(UTC)
    text = moment.isoformat()[:-6]  # less its +00:00; a list of images has forty thousand dates
    return (text.rstrip("0") if moment.microsecond else text) + "Z"


def parse_time(text: str) -> datetime:
    """The date that ``text`` (RFC 3339) spells; an empty text is Go's zero time.

    Raises:
        InvalidRequest: not such a date.
    """
    if not text:
        return NEVER
    match = _RFC3339.fullmatch(text)
    if match is None:
        raise InvalidRequest(f"Invalid date {text[:60]!r}: expected the form 2006-01-02T15:04:05Z")
    year, month, day, hour, minute, second = (int(part) for part in match.groups()[:6])
    micro = int((match[7] or "0").ljust(9, "0")[:6])
    zone = match[8]
    offset = timedelta(0)
    if zone not in "Zz":
        offset = timedelta(hours=int(zone[1:3]), minutes=int(zone[4:6])) * (-1 if zone[0] == "-" else 1)
    try:
        moment = datetime(year, month, day, hour, minute, second, micro, tzinfo=timezone(offset))
        return moment.astimezone(UTC)
    except (ValueError, OverflowError) as exc:
        raise InvalidRequest(f"Invalid date {text[:60]!r}: {exc}") from exc
