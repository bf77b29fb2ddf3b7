"""Values as LXD's client prints them: JSON on one line, sizes, dates."""

from __future__ import annotations

import json
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


def json_line(value: Any) -> str:
    """As Go's encoder writes it: no blanks, ``<``, ``>`` and ``&`` escaped, one newline."""
    text = json.dumps(value, separators=(",", ":"), ensure_ascii=False)
    for char in "<>&\u2028\u2029":
        if char in text:
            text = text.replace(char, f"\\u{ord(char):04x}")
    return text + "\n"


def megabytes(size: int) -> str:
    """An image's size: MB of 1024² bytes, as LXD has always called them."""
    return f"{size / 1024 / 1024:.2f}MB"


def byte_size(size: int, precision: int = 2) -> str:
    """``852.00KiB``; bytes without a fraction. LXD's ``units.GetByteSizeStringIEC``."""
    if size < 1024:
        return f"{size}B"
    value = float(size)
    units = ["EiB", "PiB", "TiB", "GiB", "MiB", "KiB"]
    while value >= 1024 and units:
        value /= 1024
        unit = units.pop()
    return f"{value:.{precision}f}{unit}"


def seconds_of(stamp: str) -> int:
    """Seconds since 1970 of an RFC 3339 time; a malformed or missing one counts as never (0)."""
    try:
        if stamp.endswith("Z"):
            import calendar

            parts = (int(stamp[0:4]), int(stamp[5:7]), int(stamp[8:10]), int(stamp[11:13]), int(stamp[14:16]))
            return calendar.timegm((*parts, int(stamp[17:19]), 0, 0, 0))
        from datetime import datetime

        return int(datetime.fromisoformat(stamp).timestamp())
    except (ValueError, OverflowError):
        return 0


def is_set(stamp: str | None) -> bool:
    """Whether a time means something: LXD says never by the years 1 and 1970."""
    return bool(stamp) and seconds_of(str(stamp)) > 0


def short_date(stamp: str, *, local: bool = False) -> str:
    """``2026/11/24 04:33 UTC``."""
    moment = time.localtime(seconds_of(stamp)) if local else time.gmtime(seconds_of(stamp))
    return time.strftime("%Y/%m/%d %H:%M ", moment) + (moment.tm_zone if local else "UTC")


def upload_date(stamp: str) -> str:
    """``Nov 24, 2026 at 4:46am (UTC)``."""
    moment = time.gmtime(seconds_of(stamp))
    hour = moment.tm_hour % 12 or 12
    half = "pm" if moment.tm_hour >= 12 else "am"
    month = _MONTHS[moment.tm_mon - 1]
    return f"{month} {moment.tm_mday}, {moment.tm_year} at {hour}:{moment.tm_min:02}{half} (UTC)"


def yes_no(value: bool) -> str:
    return "YES" if value else "NO"
