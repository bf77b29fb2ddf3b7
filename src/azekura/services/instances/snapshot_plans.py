"""What an instance's ``snapshots.*`` keys say: when to take one, how to call it, when it ends.

The forms are LXD's: ``snapshots.schedule`` is cron's five fields or names such as ``@daily``, ``snapshots.pattern`` a
name with ``%d`` or ``{{ creation_date|date:'2006-01-02' }}`` in it, ``snapshots.expiry`` spans such as ``2w 3d``.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime

from azekura.errors import InvalidRequest
from azekura.model.image import NEVER
from azekura.model.lifespan import end_of
from azekura.templates.go_time import render

_DATE = re.compile(r"""\{\{\s*creation_date\s*\|\s*date\s*:\s*(?:'([^'{}]*)'|"([^"{}]*)")\s*\}\}""")
_NAMES = {
    "@hourly": "0 * * * *",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@weekly": "0 0 * * 0",
    "@monthly": "0 0 1 * *",
    "@annually": "0 0 1 1 *",
    "@yearly": "0 0 1 1 *",
}
_NEVER = "@never"
_RANGES = ((0, 59), (0, 23), (1, 31), (1, 12), (0, 7))
_MONTHS = "jan feb mar apr may jun jul aug sep oct nov dec".split()
_DAYS = "sun mon tue wed thu fri sat".split()
DEFAULT_PATTERN = "snap%d"


def expiry(text: str, start: datetime) -> datetime:
    """When a snapshot of ``start`` ends; NEVER for no text, or spans of nothing.

    Raises:
        InvalidRequest: not such spans, in LXD's words.
    """
    end = end_of(text, start)
    return NEVER if end is None or end == start else end


def snapshot_name(pattern: str, now: datetime, taken: Iterable[str]) -> str:
    """The name of the next snapshot: ``%d`` is one more than the highest number in use.

    Raises:
        InvalidRequest: a pattern that can't be.
    """
    taken = set(taken)
    name = _DATE.sub(
        lambda match: render(now, (match[1] or match[2] or "").encode()).decode(), pattern or DEFAULT_PATTERN
    )
    if "{{" in name or "{%" in name:
        raise InvalidRequest("Invalid snapshot pattern: the date is written {{ creation_date|date:'2006-01-02' }}")
    if name.count("%d") > 1:
        raise InvalidRequest("Snapshot pattern may contain '%d' only once")
    if "%d" not in name:
        if name not in taken:
            return name
        name += "-%d"
    before, _, after = name.partition("%d")
    shape = re.compile(rf"{re.escape(before)}(\d{{1,9}}){re.escape(after)}", re.ASCII)
    numbers = [int(match[1]) for one in taken if (match := shape.fullmatch(one))]
    return f"{before}{max(numbers, default=-1) + 1}{after}"


def check_schedule(text: str) -> None:
    """Raises:
    ValueError: not a schedule.
    """
    for part in _parts(text):
        _fields(part)


def is_due(text: str, now: datetime) -> bool:
    """Whether the minute of ``now`` is one in which ``text`` wants a snapshot. Local time is for the caller to give."""
    return any(_matches(_fields(part), now) for part in _parts(text))


def _parts(text: str) -> Iterator[str]:
    """Names may be listed with commas; five fields stand alone, as commas mean something in them."""
    text = text.strip()
    if text.startswith("@"):
        for word in text.split(","):
            name = word.strip()
            if name == _NEVER:
                continue
            if name not in _NAMES:
                raise ValueError(f"Unexpected alias {name[:40]!r} (there are {', '.join((*_NAMES, _NEVER))})")
            yield _NAMES[name]
    elif text:
        yield text


def _fields(text: str) -> list[set[int]]:
    words = text.split()
    if len(words) != 5:
        raise ValueError("Schedule must be of the form: <minute> <hour> <day-of-month> <month> <day-of-week>")
    names: list[list[str]] = [[], [], [], _MONTHS, _DAYS]
    found = [_field(word, *limits, names=known) for word, limits, known in zip(words, _RANGES, names, strict=True)]
    if 7 in found[4]:
        found[4].add(0)
    return found


def _field(text: str, low: int, high: int, *, names: list[str]) -> set[int]:
    number: Callable[[str], int] = lambda word: _number(word, low, high, names)  # noqa: E731  used four times below
    found: set[int] = set()
    for part in text.split(","):
        span, slash, step = part.partition("/")
        first, dash, last = span.partition("-")
        if span == "*":
            start, end = low, high
        else:
            start = number(first)
            end = number(last) if dash else high if slash else start
        if slash and not (step.isdecimal() and len(step) < 4 and int(step) > 0):
            raise ValueError(f"Invalid step in a schedule: {part[:40]}")
        if start > end:
            raise ValueError(f"Invalid range in a schedule: {part[:40]}")
        found.update(range(start, end + 1, int(step) if slash else 1))
    return found


def _number(word: str, low: int, high: int, names: list[str]) -> int:
    if word.lower() in names:
        return names.index(word.lower()) + (1 if names is _MONTHS else 0)
    if not word.isdecimal() or len(word) > 2 or not low <= int(word) <= high:
        raise ValueError(f"Invalid number in a schedule: {word[:40]}")
    return int(word)


def _matches(fields: list[set[int]], now: datetime) -> bool:
    minutes, hours, days, months, weekdays = fields
    if now.minute not in minutes or now.hour not in hours or now.month not in months:
        return False
    by_day, by_weekday = now.day in days, (now.weekday() + 1) % 7 in weekdays
    every_day, every_weekday = len(days) == 31, weekdays >= set(range(7))
    if every_day or every_weekday:
        return by_day and by_weekday
    return by_day or by_weekday  # as cron: where both are restricted, either
