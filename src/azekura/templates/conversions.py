"""What any value is worth as text, number or truth, and how two of them compare.

Source: measured on LXD 5.0.2, whose engine is pongo2 4.0.2.
"""

from __future__ import annotations

from azekura.templates import numbers, runes
from azekura.templates.failure import Fault
from azekura.templates.values import (
    Block,
    Byte,
    Cycle,
    Device,
    Function,
    Items,
    Loop,
    Macro,
    Table,
    TypedText,
    Value,
)

_LOOP_FIELDS = (b"Counter", b"Counter0", b"Revcounter", b"Revcounter0", b"First", b"Last", b"Parentloop")


def go_type(value: Value) -> str:
    """The name of the Go type that LXD has for such a value."""
    match value:
        case None:
            return "<nil>"
        case bool():
            return "bool"
        case Byte():
            return "uint8"
        case int():
            return "int"
        case float():
            return "float64"
        case bytes():
            return "string"
        case TypedText() | Items() | Table():
            return value.go_type
        case Device():
            return "config.DeviceNamed"
        case Loop():
            return "pongo2.tagForLoopInformation"
        case Block():
            return "pongo2.tagBlockInformation"
        case Cycle():
            return "pongo2.tagCycleValue"
        case Function() | Macro():
            return "func"


def kind(value: Value) -> str:
    """The kind of value, as error messages name it."""
    match value:
        case TypedText():
            return "string"
        case Items():
            return "slice"
        case Table():
            return "map"
        case Device() | Block() | Loop() | Cycle():
            return "struct"
        case _:
            return go_type(value)


def as_text(value: Value) -> bytes:
    """The value as ``{{ }}`` prints it."""
    match value:
        case bytes():
            return value
        case None:
            return b""
        case bool():
            return b"True" if value else b"False"
        case int():
            return b"%d" % value
        case float():
            return numbers.fixed(value, 6)
        case TypedText() | Cycle():
            return value.text
        case _:
            return f"<{go_type(value)} Value>".encode()


def text_of(value: Value) -> bytes | None:
    """The value if it is text of any type, else None."""
    if isinstance(value, bytes):
        return value
    return value.text if isinstance(value, TypedText) else None


def is_number(value: Value) -> bool:
    """Whether the value is typed as a number; text with digits is not."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def is_integer(value: Value) -> bool:
    """Whether the value is typed as an integer."""
    return isinstance(value, int) and not isinstance(value, bool)


def as_float(value: Value) -> float:
    """The value as a float; 0 for what is no number and doesn't spell one."""
    if isinstance(value, bool):
        return 0.0
    if isinstance(value, int | float):
        return float(value)
    text = text_of(value)
    return numbers.parse_float(text) if text else 0.0


def as_integer(value: Value) -> int:
    """The value as an integer. Text goes by way of a float, so digits beyond 2^53 are lost."""
    if isinstance(value, int) and not isinstance(value, bool):
        return int(value)
    return numbers.truncate(as_float(value))


def is_true(value: Value) -> bool:
    """Whether ``{% if %}`` takes the value for true: not nil, 0, false, nor an empty text, list or map."""
    match value:
        case None:
            return False
        case bool() | int() | float() | bytes():
            return bool(value)
        case TypedText():
            return bool(value.text)
        case Items():
            return bool(value.members)
        case Table():
            return bool(value.entries)
        case _:
            return True


def negated(value: Value) -> Value:
    """What ``not`` makes of the value: a bool, but an odd number of a number."""
    if is_integer(value):
        return 0 if value else 1
    if isinstance(value, float):
        return 0.0 if value else 1.1
    return not is_true(value)


def length(value: Value) -> int:
    """Characters, items or keys; 0 for anything else."""
    if isinstance(value, Items):
        return len(value.members)
    if isinstance(value, Table):
        return len(value.entries)
    text = text_of(value)
    return runes.count(text) if text else 0


def equal(left: Value, right: Value) -> bool:
    """``==``: integers by value, all else by type and value.

    Raises:
        Fault: two lists, two maps of the same type, or two devices, which nothing can compare.
    """
    if is_integer(left) and is_integer(right):
        return left == right
    name = go_type(left)
    if name != go_type(right):
        return False
    if isinstance(left, Items | Table | Device | Block):
        raise Fault(f"Values of type {name} can't be compared")
    if isinstance(left, Loop | Cycle):
        return left is right
    return left == right


def contains(container: Value, wanted: Value) -> bool:
    """``wanted in container``.

    Raises:
        Fault: an integer looked for in a map, which has only names.
    """
    match container:
        case bytes() | TypedText():
            return as_text(wanted) in as_text(container)
        case Table():
            if is_integer(wanted) and not isinstance(wanted, Byte):
                raise Fault("A map has only text as keys, it can't hold a number")
            return isinstance(wanted, bytes) and wanted in container.entries
        case Items():
            return any(equal(wanted, member) for member in container.members)
        case Loop():
            return as_text(wanted) in _LOOP_FIELDS
        case Device():
            return as_text(wanted) in (b"Name", b"Config")
        case _:
            return False
