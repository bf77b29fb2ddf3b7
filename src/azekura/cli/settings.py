"""``key=value`` arguments of the set commands, and writing them into a record's ``config``."""

from __future__ import annotations

import sys

from azekura.errors import InvalidRequest

TYPE_CHECKING = False
if TYPE_CHECKING:
    from azekura.client.envelope import Record


def pairs(arguments: list[str]) -> dict[str, str]:
    """``key=value …``, or the older ``key value``; the value ``-`` is read from standard input.

    Raises:
        InvalidRequest: an argument without ``=``.
    """
    if len(arguments) == 2 and "=" not in arguments[0]:
        return {arguments[0]: _value(arguments[1])}
    found = {}
    for argument in arguments:
        key, equals, value = argument.partition("=")
        if not equals:
            raise InvalidRequest(f"Invalid key=value configuration: {argument}")
        found[key] = _value(value)
    return found


def _value(text: str) -> str:
    if text != "-" or sys.stdin is None or sys.stdin.isatty():
        return text
    try:
        return sys.stdin.buffer.read().decode()
    except UnicodeDecodeError as exc:
        raise InvalidRequest("The standard input is not UTF-8 text") from exc


def merge(config: Record, changes: dict[str, str]) -> None:
    """Write ``changes`` into ``config``; an empty value takes the key away."""
    for key, value in changes.items():
        if value:
            config[key] = value
        else:
            config.pop(key, None)


def unset(config: Record, key: str) -> None:
    """
    Raises:
        InvalidRequest: it isn't set.
    """
    if key not in config:
        raise InvalidRequest(f"Can't unset key '{key}', it's not currently set")
    del config[key]
