"""Values as LXD's client prints them: JSON on one line, sizes, dates."""

from __future__ import annotations

import time

from azekura.client.json_text import dumps

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


def json_line(value: Any) -> str:
    """As Go's encoder writes it: no blanks, ``<``, ``>`` and ``&`` escaped, one newline."""
    text = dumps(value, ascii_only=False)
    for char in "<>&\u2028\u2029":
        if char in text:
            text = text.replace(char, f"\\u{ord(char):04x}")
    return text + "\n"


def printable(text: str) -> str:
    """Text from elsewhere for a terminal: what is no printable character shows as ``\\x1b``; line ends stay."""
    if text.isprintable():
        return text
    return "".join(
        char if char.isprintable() or char == "\n" else char.encode("unicode_escape", "surrogatepass").decode()
        for char in text
    )


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


def decimal_size(size: int) -> str:
    """``1.40MB`` of 1000² bytes. LXD's ``units.GetByteSizeString``."""
    if size < 1000:
        return f"{size}B"
    value = float(size)
    units = ["EB", "PB", "TB", "GB", "MB", "kB"]
    while value >= 1000 and units:
        value /= 1000
        unit = units.pop()
    return f"{value:.2f}{unit}"


def seconds_of(stamp: str) -> int:
    """Seconds since 1970 of an RFC 3339 time; a malformed or missing one counts as never (0)."""
    try:
        if stamp.endswith("Z"):
            days = _days_since_1970(int(stamp[0:4]), int(stamp[5:7]), int(stamp[8:10]))
            return days * 86400 + int(stamp[11:13]) * 3600 + int(stamp[14:16]) * 60 + int(stamp[17:19])
        from datetime import datetime

        return int(datetime.fromisoformat(stamp).timestamp())
    except (ValueError, OverflowError):
        return 0


def _days_since_1970(year: int, month: int, day: int) -> int:
    """In the Gregorian calendar, counted in years that begin in March (``calendar.timegm`` takes 2 ms to import)."""
    if month <= 2:
        year, month = year - 1, month + 12
    leap_days = year // 4 - year // 100 + year // 400
    return 365 * year + leap_days + (153 * (month - 3) + 2) // 5 + day - 719469


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
