"""Reading JSON bodies that strangers wrote: each field checked for its type, each fault said in one sentence."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from azekura.errors import InvalidRequest


class Body:
    """A JSON object from a request, read field by field. Absent and ``null`` are the same, as in Go.

    Raises:
        InvalidRequest: from each method, when the field is there but of another type.
    """

    def __init__(self, raw: Any, what: str = "request body") -> None:
        if not isinstance(raw, dict):
            raise InvalidRequest(f"Invalid {what}: expected a JSON object")
        self.raw: dict[str, Any] = raw
        self.what = what

    def _typed(self, key: str, kind: type | tuple[type, ...], name: str) -> Any:
        value = self.raw.get(key)
        if value is not None and (not isinstance(value, kind) or (isinstance(value, bool) and kind is int)):
            raise InvalidRequest(f'Invalid {self.what}: field "{key}" must be {name}')
        return value

    def has(self, key: str) -> bool:
        return self.raw.get(key) is not None

    def text(self, key: str, default: str = "") -> str:
        value = self._typed(key, str, "a string")
        return default if value is None else str(value)

    def flag(self, key: str, default: bool = False) -> bool:
        value = self._typed(key, bool, "true or false")
        return default if value is None else bool(value)

    def number(self, key: str, default: int = 0) -> int:
        value = self._typed(key, int, "a whole number")
        return default if value is None else int(value)

    def body(self, key: str) -> Body:
        value = self._typed(key, dict, "an object")
        return Body({} if value is None else value, f"{self.what}, {key}")

    def bodies(self, key: str) -> list[Body]:
        value = self._typed(key, list, "a list")
        return [Body(item, f"{self.what}, {key}") for item in value or []]

    def texts(self, key: str) -> tuple[str, ...]:
        value = self._typed(key, list, "a list of strings") or []
        if not all(isinstance(item, str) for item in value):
            raise InvalidRequest(f'Invalid {self.what}: field "{key}" must be a list of strings')
        return tuple(value)

    def mapping(self, key: str) -> dict[str, str]:
        return string_map(self._typed(key, dict, "an object") or {}, f'{self.what}: field "{key}"')

    def devices(self, key: str) -> dict[str, dict[str, str]]:
        value = self._typed(key, dict, "an object") or {}
        return {name: string_map(device, f'{self.what}: device "{name}"') for name, device in value.items()}


def string_map(raw: Any, what: str) -> dict[str, str]:
    """``raw`` as a map of strings; scalars of other types become LXD's spelling of them.

    Raises:
        InvalidRequest: not an object, or a value that is a list or an object.
    """
    if not isinstance(raw, Mapping):
        raise InvalidRequest(f"Invalid {what} must be an object")
    result: dict[str, str] = {}
    for key, value in raw.items():
        if isinstance(value, bool):
            result[str(key)] = "true" if value else "false"
        elif value is None:
            result[str(key)] = ""
        elif isinstance(value, str | int | float):
            result[str(key)] = str(value)
        else:
            raise InvalidRequest(f'Invalid {what}: the value of "{str(key)[:80]}" must be a string')
    return result
