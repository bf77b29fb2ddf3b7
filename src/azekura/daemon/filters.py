"""LXD's ``filter=`` language (``lxd/filter``): ``[not] field eq|ne value [and|or …]``, read left to right."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from typing import Any

from azekura.errors import InvalidRequest

MAX_LENGTH = 4096
MAX_CLAUSES = 64


class _Clause:
    def __init__(self, joiner: str, negate: bool, field: str, operator: str, value: str) -> None:
        self.joiner = joiner
        self.field = field.split(".", 1)
        self.equal = (operator == "eq") != negate
        self.value = value
        # LXD takes the value for a case-insensitive regular expression; with one that runs long a stranger could hold
        # the server, so only literals and "anything" are understood, and searched for without ever going back
        self.parts = value.casefold().split(".*")

    def matches(self, record: Mapping[str, Any]) -> bool:
        return self._equals(_look_up(record, self.field)) == self.equal

    def _equals(self, found: Any) -> bool:
        if isinstance(found, bool):
            return self.value.lower() == str(found).lower()
        if isinstance(found, str):
            return _matches(self.parts, found.casefold())
        if isinstance(found, int | float):
            return self.value == str(found)
        if isinstance(found, list):
            return any(self._equals(one.get("name") if isinstance(one, dict) else one) for one in found)
        return False


def _matches(parts: list[str], text: str) -> bool:
    """Whether ``text`` is ``parts`` with anything between them. One pass: the earliest place of each part is best."""
    if len(parts) == 1:
        return text == parts[0]
    first, *middle, last = parts
    if len(text) < len(first) + len(last) or not text.startswith(first) or not text.endswith(last):
        return False
    place, end = len(first), len(text) - len(last)
    for part in middle:
        found = text.find(part, place, end)
        if found < 0:
            return False
        place = found + len(part)
    return True


def _look_up(record: Mapping[str, Any], field: list[str]) -> Any:
    """A field of the record; the part behind the first dot is a key of a map (keys may hold dots themselves)."""
    value = record.get(field[0])
    if len(field) == 1:
        return value
    if isinstance(value, Mapping):
        return value.get(field[1])
    if isinstance(value, list) and field[1] == "name":
        return value
    return None


def parse_filter(text: str) -> list[_Clause]:
    """Raises:
    InvalidRequest: not such a filter.
    """
    if len(text) > MAX_LENGTH:
        raise InvalidRequest("Invalid filter: longer than 4096 characters")
    try:
        words = shlex.split(text)
    except ValueError as exc:
        raise InvalidRequest("Invalid filter: unterminated quote") from exc
    clauses: list[_Clause] = []
    joiner = "and"
    while words:
        negate = words[0].lower() == "not"
        if negate:
            words = words[1:]
        if len(words) < 3:
            raise InvalidRequest("Invalid filter: clause has no value, it takes FIELD eq|ne VALUE")
        field, operator, value = words[:3]
        if operator.lower() not in ("eq", "ne"):
            raise InvalidRequest(f'Invalid filter: operator "{operator[:40]}" is not eq or ne')
        clauses.append(_Clause(joiner, negate, field, operator.lower(), value))
        if len(clauses) > MAX_CLAUSES:
            raise InvalidRequest(f"Invalid filter: more than {MAX_CLAUSES} clauses")
        words = words[3:]
        if words:
            joiner = words[0].lower()
            if joiner not in ("and", "or") or len(words) == 1:
                raise InvalidRequest(f'Invalid filter: "{words[0][:40]}" where and/or with a clause is expected')
            words = words[1:]
    return clauses


def apply_filter(text: str, records: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The records that ``text`` lets through.

    Raises:
        InvalidRequest: not such a filter.
    """
    clauses = parse_filter(text)
    kept = []
    for record in records:
        result = True
        for number, clause in enumerate(clauses):
            one = clause.matches(record)
            result = one if number == 0 else (result and one) if clause.joiner == "and" else (result or one)
        if result:
            kept.append(record)
    return kept
