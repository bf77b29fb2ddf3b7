"""Numbers as Go has them: 64-bit integers that wrap, floats that never raise, and Go's spelling of both.

Source: Go's ``strconv`` and ``math`` packages; measured on LXD 5.0.2.
"""

from __future__ import annotations

import math
import re

MINIMUM = -(1 << 63)
MAXIMUM = (1 << 63) - 1

_DIGITS = rb"[0-9](?:_?[0-9])*"
_HEX = rb"[0-9a-fA-F](?:_?[0-9a-fA-F])*"
_DECIMAL = re.compile(rb"[+-]?(?:%b(?:\.(?:%b)?)?|\.%b)(?:[eE][+-]?%b)?" % (_DIGITS, _DIGITS, _DIGITS, _DIGITS))
_HEXADECIMAL = re.compile(rb"[+-]?0[xX](?:_?%b(?:\.(?:%b)?)?|\.%b)[pP][+-]?%b" % (_HEX, _HEX, _HEX, _DIGITS))
_INFINITY = re.compile(rb"[+-]?inf(?:inity)?", re.IGNORECASE)
_NOT_A_NUMBER = re.compile(rb"nan", re.IGNORECASE)


def wrap(number: int) -> int:
    """``number`` as a 64-bit integer, as it is after an overflow."""
    return number if MINIMUM <= number <= MAXIMUM else (number + (1 << 63)) % (1 << 64) - (1 << 63)


def truncate(number: float) -> int:
    """A float as an integer, cut toward zero; what doesn't fit becomes the smallest integer (amd64's rule)."""
    if not -9223372036854775808.0 <= number < 9223372036854775808.0:  # also false for nan
        return MINIMUM
    return int(number)


def ceiling(number: float) -> int:
    """The next integer upwards, by the same rule for what doesn't fit."""
    return truncate(float(math.ceil(number))) if math.isfinite(number) else MINIMUM


def parse_float(text: bytes) -> float:
    """The number that ``text`` spells in Go's syntax; 0 if it spells none or one too large."""
    if _DECIMAL.fullmatch(text):
        number = float(text.replace(b"_", b""))
    elif _HEXADECIMAL.fullmatch(text):
        try:
            number = float.fromhex(text.replace(b"_", b"").decode("ascii"))
        except OverflowError:
            return 0.0
    elif _INFINITY.fullmatch(text):
        return -math.inf if text.startswith(b"-") else math.inf
    else:
        return math.nan if _NOT_A_NUMBER.fullmatch(text) else 0.0
    return number if math.isfinite(number) else 0.0


def parse_integer(digits: bytes) -> int | None:
    """A row of decimal digits as an integer, or None if it takes more than 64 bits."""
    significant = digits.lstrip(b"0")
    if len(significant) > 19:
        return None
    number = int(significant or b"0")
    return number if number <= MAXIMUM else None


def fixed(number: float, decimals: int) -> bytes:
    """``number`` with that many decimals, as Go's ``%f`` prints it."""
    return special(number) or f"{number:.{decimals}f}".encode()


def special(number: float) -> bytes:
    """``+Inf``, ``-Inf`` or ``NaN``; empty for any other number."""
    if math.isfinite(number):
        return b""
    if math.isnan(number):
        return b"NaN"
    return b"+Inf" if number > 0 else b"-Inf"


def quotient(dividend: int, divisor: int) -> int:
    """Integer division, cut toward zero. The caller makes sure that ``divisor`` isn't 0."""
    result = abs(dividend) // abs(divisor)
    return wrap(result if (dividend < 0) == (divisor < 0) else -result)


def remainder(dividend: int, divisor: int) -> int:
    """The remainder, with the dividend's sign. The caller makes sure that ``divisor`` isn't 0."""
    result = abs(dividend) % abs(divisor)
    return -result if dividend < 0 else result


def divide(dividend: float, divisor: float) -> float:
    """Float division; by zero it gives an infinity or nan."""
    if divisor:
        return dividend / divisor
    if not dividend or math.isnan(dividend) or math.isnan(divisor):
        return math.nan
    return math.copysign(math.inf, dividend) * math.copysign(1.0, divisor)


def _is_odd(number: float) -> bool:
    return abs(number) < 2.0**53 and number.is_integer() and int(number) % 2 == 1


def _power_at_the_edge(base: float, exponent: float) -> float | None:
    """The powers that aren't computed, by the rules of C99's pow; None for all others."""
    if exponent == 0 or base == 1:
        return 1.0
    if exponent == 1 or math.isnan(base):
        return base
    if math.isnan(exponent):
        return math.nan
    if base == 0 or math.isinf(base):
        sign = math.copysign(1.0, base) if _is_odd(exponent) else 1.0
        return sign * (math.inf if (base == 0) == (exponent < 0) else 0.0)
    if math.isinf(exponent) or abs(exponent) >= 2.0**63:
        if base == -1:
            return 1.0
        return 0.0 if (abs(base) < 1) == (exponent > 0) else math.inf
    if base < 0 and not exponent.is_integer():
        return math.nan
    if exponent == 0.5:
        return math.sqrt(base)
    return 1 / math.sqrt(base) if exponent == -0.5 else None


def power(base: float, exponent: float) -> float:
    """``base`` to the ``exponent``.

    Computed as Go does, by repeated squaring of the mantissa, since C's pow may differ in the last digit.
    """
    edge = _power_at_the_edge(base, exponent)
    if edge is not None:
        return edge
    fraction, whole = math.modf(abs(exponent))
    result, result_exponent = 1.0, 0
    if fraction:
        if fraction > 0.5:
            fraction, whole = fraction - 1, whole + 1
        result = math.exp(fraction * math.log(base))
    square, square_exponent = math.frexp(base)
    bits = int(whole)
    while bits:
        if abs(square_exponent) > 1 << 12:  # far out of range whatever follows
            result_exponent += square_exponent
            break
        if bits & 1:
            result *= square
            result_exponent += square_exponent
        square *= square
        square_exponent *= 2
        if square < 0.5:
            square *= 2
            square_exponent -= 1
        bits >>= 1
    if exponent < 0:
        result, result_exponent = 1 / result, -result_exponent
    try:
        return math.ldexp(result, result_exponent)
    except OverflowError:
        return math.copysign(math.inf, result)
