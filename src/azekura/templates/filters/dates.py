"""Filters of times. A template can't get hold of a time, so they always fail, as they do in LXD."""

from __future__ import annotations

from typing import NoReturn

from azekura.templates.failure import Fault
from azekura.templates.filters.apply import Filter, on_value
from azekura.templates.values import Value


def date(_value: Value) -> NoReturn:
    """Refuse: no value is a time."""
    raise Fault("filter input argument must be of type 'time.Time'")


FILTERS: dict[bytes, Filter] = {b"date": on_value(date), b"time": on_value(date)}
