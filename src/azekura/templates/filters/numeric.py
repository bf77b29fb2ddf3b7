"""Filters of numbers."""

from __future__ import annotations

from azekura.templates import go_format, numbers
from azekura.templates.conversions import as_float, as_integer, as_text, is_number
from azekura.templates.filters.apply import Filter, Resources, on_value, with_argument
from azekura.templates.values import Byte, Value


def add(value: Value, argument: Value, resources: Resources) -> Value:
    """The sum of two numbers; anything else is joined as text."""
    if is_number(value) and is_number(argument):
        if isinstance(value, float) or isinstance(argument, float):
            return as_float(value) + as_float(argument)
        return numbers.wrap(as_integer(value) + as_integer(argument))
    left, right = as_text(value), as_text(argument)
    resources.budget.fits(len(left) + len(right))
    return left + right


def divisibleby(value: Value, divisor: Value) -> Value:
    """Whether nothing remains. Nothing is divisible by 0."""
    by = as_integer(divisor)
    return by != 0 and numbers.remainder(as_integer(value), by) == 0


def get_digit(value: Value, place: Value) -> Value:
    """The digit at a place counted from the right: the byte there, minus 48. Unchanged if there is no such place."""
    text, index = as_text(value), as_integer(place)
    if not 0 < index <= len(text):
        return value
    return Byte((text[-index] - 48) % 256)


def floatformat(value: Value, decimals: Value, resources: Resources) -> Value:
    """Rounded to so many decimals (1). None are shown of a whole number, unless the argument is a number above 0."""
    number = as_float(value)
    count = -1 if decimals is None else as_integer(decimals)
    trim = not is_number(decimals) or count <= 0
    if trim and float(numbers.truncate(number)) == number:
        return as_integer(value)
    count = abs(count)
    resources.budget.fits(count)
    resources.budget.handle(count)
    return numbers.fixed(number, count)


def stringformat(value: Value, layout: Value, resources: Resources) -> Value:
    """Go's ``fmt.Sprintf`` with the value as only operand."""
    return go_format.sprintf(as_text(layout), [value], resources.budget.fits)


FILTERS: dict[bytes, Filter] = {
    b"add": add,
    b"divisibleby": with_argument(divisibleby),
    b"float": on_value(as_float),
    b"floatformat": floatformat,
    b"get_digit": with_argument(get_digit),
    b"integer": on_value(as_integer),
    b"stringformat": stringformat,
}
