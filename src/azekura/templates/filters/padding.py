"""Filters that fill up with blanks."""

from __future__ import annotations

from azekura.templates import go_format
from azekura.templates.conversions import as_integer, as_text, length
from azekura.templates.filters.apply import Filter, Resources
from azekura.templates.values import Value


def _missing(value: Value, width: Value, resources: Resources) -> int:
    """How many blanks are missing. Numbers have the length 0."""
    missing = as_integer(width) - length(value)
    resources.budget.fits(missing)
    return max(missing, 0)


def center(value: Value, width: Value, resources: Resources) -> Value:
    """Blanks on both sides; an odd one goes to the left."""
    blanks = _missing(value, width, resources)
    if not blanks:
        return value
    return b" " * (blanks - blanks // 2) + as_text(value) + b" " * (blanks // 2)


def ljust(value: Value, width: Value, resources: Resources) -> Value:
    """Blanks on the right."""
    return as_text(value) + b" " * _missing(value, width, resources)


def rjust(value: Value, width: Value, resources: Resources) -> Value:
    """Blanks on the left, or on the right for a negative width: Go's ``%5s``."""
    return go_format.sprintf(b"%%%ds" % as_integer(width), [as_text(value)], resources.budget.fits)


FILTERS: dict[bytes, Filter] = {b"center": center, b"ljust": ljust, b"rjust": rjust}
