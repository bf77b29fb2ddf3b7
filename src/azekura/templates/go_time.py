"""Go's time layouts, as ``{% now %}`` takes them: the time is shown as 2 January 2006, 15:04:05 would be.

Source: documentation of Go's package ``time``; checked against LXD 5.0.2.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime

_DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_MONTHS = (
    "January", "February", "March", "April", "May", "June",
    "July", "August", "September", "October", "November", "December",
)  # fmt: skip

# Longest first where one is the beginning of another
_ELEMENT = re.compile(
    r"January|Jan(?![a-z])|Monday|Mon(?![a-z])|MST"
    r"|002|0[1-6]|15|1|2006|__2|_2006|_2|2|3|4|5|PM|pm"
    r"|Z070000|Z07:00:00|Z0700|Z07:00|Z07|-070000|-07:00:00|-0700|-07:00|-07"
    r"|[.,](?:0+|9+)(?![0-9])"
)


def render(moment: datetime, layout: bytes) -> bytes:
    """``moment``, which must know its time zone, by ``layout``."""
    text = layout.decode("utf-8", "surrogateescape")
    shown = _ELEMENT.sub(lambda element: _element(moment, element.group()), text)
    return shown.encode("utf-8", "surrogateescape")


def _element(moment: datetime, element: str) -> str:
    if element[0] in ".,":
        return _fraction(moment, element)
    if element[0] in "Z-":
        return _offset(moment, element)
    return _SIMPLE[element](moment)


_SIMPLE: dict[str, Callable[[datetime], str]] = {
    "January": lambda t: _MONTHS[t.month - 1],
    "Jan": lambda t: _MONTHS[t.month - 1][:3],
    "1": lambda t: f"{t.month}",
    "01": lambda t: f"{t.month:02}",
    "Monday": lambda t: _DAYS[t.weekday()],
    "Mon": lambda t: _DAYS[t.weekday()][:3],
    "2": lambda t: f"{t.day}",
    "_2": lambda t: f"{t.day:2}",
    "02": lambda t: f"{t.day:02}",
    "__2": lambda t: f"{t.timetuple().tm_yday:3}",
    "002": lambda t: f"{t.timetuple().tm_yday:03}",
    "15": lambda t: f"{t.hour:02}",
    "3": lambda t: f"{t.hour % 12 or 12}",
    "03": lambda t: f"{t.hour % 12 or 12:02}",
    "4": lambda t: f"{t.minute}",
    "04": lambda t: f"{t.minute:02}",
    "5": lambda t: f"{t.second}",
    "05": lambda t: f"{t.second:02}",
    "2006": lambda t: f"{t.year:04}",
    "_2006": lambda t: f"_{t.year:04}",
    "06": lambda t: f"{t.year % 100:02}",
    "PM": lambda t: "PM" if t.hour >= 12 else "AM",
    "pm": lambda t: "pm" if t.hour >= 12 else "am",
    "MST": lambda t: t.tzname() or "",
}


def _fraction(moment: datetime, element: str) -> str:
    digits = f"{moment.microsecond:06}000"[: len(element) - 1]
    if element[1] == "0":
        return element[0] + digits
    digits = digits.rstrip("0")
    return element[0] + digits if digits else ""


def _offset(moment: datetime, element: str) -> str:
    offset = moment.utcoffset()
    seconds = round(offset.total_seconds()) if offset else 0
    if element[0] == "Z" and not seconds:
        return "Z"
    sign = "-" if seconds < 0 else "+"
    minutes, second = divmod(abs(seconds), 60)
    hour, minute = divmod(minutes, 60)
    parts = [f"{hour:02}", f"{minute:02}", f"{second:02}"]
    digits = sum(char.isdigit() for char in element)
    return sign + (":" if ":" in element else "").join(parts[: digits // 2])
