"""Floats in the notations of Go's ``strconv.FormatFloat``."""

from __future__ import annotations

import math

from azekura.templates import numbers


def render(number: float, verb: str, precision: int) -> str:
    """``number`` by one of the verbs ``e E f F g G b x X``; a precision of -1 is as many digits as it takes."""
    special = numbers.special(number)
    if special:
        return special.decode()
    sign = "-" if math.copysign(1.0, number) < 0 else ""
    return sign + _positive(abs(number), verb, precision)


def _positive(number: float, verb: str, precision: int) -> str:
    match verb:
        case "b":
            mantissa, exponent = _integral(number)
            return f"{mantissa}p{exponent:+d}"
        case "x":
            return _hexadecimal(number, precision)
        case "X":
            return _hexadecimal(number, precision).upper()
        case "E" | "G":
            return _positive(number, verb.lower(), precision).upper()
        case "e":
            return f"{number:.{precision}e}" if precision >= 0 else _scientific(*_shortest(number))
        case "g":
            return f"{number:.{precision}g}" if precision >= 0 else _general(number)
        case _:
            return f"{number:.{precision}f}" if precision >= 0 else _plain(*_shortest(number))


def _shortest(number: float) -> tuple[str, int]:
    """The fewest digits that mean this number, and the exponent of the first."""
    digits, _, exponent = f"{number!r}".partition("e")
    whole, _, fraction = digits.partition(".")
    fraction = "" if fraction == "0" else fraction
    point = len(whole) + int(exponent or 0)
    significant = (whole + fraction).lstrip("0")
    point -= len(whole + fraction) - len(significant)
    return significant.rstrip("0") or "0", point - 1 if significant else 0


def _scientific(digits: str, exponent: int) -> str:
    return f"{digits[0]}{'.' + digits[1:] if len(digits) > 1 else ''}e{exponent:+03d}"


def _plain(digits: str, exponent: int) -> str:
    if exponent < 0:
        return "0." + "0" * (-exponent - 1) + digits
    digits = digits.ljust(exponent + 1, "0")
    return digits[: exponent + 1] + ("." + digits[exponent + 1 :] if len(digits) > exponent + 1 else "")


def _general(number: float) -> str:
    digits, exponent = _shortest(number)
    return _plain(digits, exponent) if -4 <= exponent < 6 else _scientific(digits, exponent)


def _integral(number: float) -> tuple[int, int]:
    """The 53-bit mantissa and its exponent."""
    fraction, exponent = math.frexp(number)
    if not number:
        return 0, -1074
    mantissa, exponent = int(math.ldexp(fraction, 53)), exponent - 53
    if exponent < -1074:  # below the normal numbers, digits are missing
        mantissa, exponent = mantissa >> (-1074 - exponent), -1074
    return mantissa, exponent


def _hexadecimal(number: float, precision: int) -> str:
    fraction, exponent = math.frexp(number)
    mantissa = int(math.ldexp(fraction, 53))  # 1 bit, then 52, which are 13 hex digits
    exponent = exponent - 1 if number else 0
    if 0 <= precision < 13:
        unit = 1 << 4 * (13 - precision)
        mantissa, rest = mantissa // unit * unit, mantissa % unit
        if rest * 2 > unit or (rest * 2 == unit and mantissa // unit % 2):
            mantissa += unit
        if mantissa >> 53:
            mantissa, exponent = mantissa >> 1, exponent + 1
    digits = f"{mantissa & ((1 << 52) - 1):013x}"
    digits = digits.rstrip("0") if precision < 0 else digits[:precision].ljust(precision, "0")
    return f"0x{mantissa >> 52}{'.' + digits if digits else ''}p{exponent:+03d}"
