"""How values lie in columns: the same on every database."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa

from azekura.model.image import EPOCH, NEVER

_MICROSECOND = timedelta(microseconds=1)
_NEVER = (NEVER - EPOCH) // _MICROSECOND


class UnstorableText(ValueError):
    """Text that not every database can hold: a NUL character, or half a surrogate pair."""


class Words(sa.types.TypeDecorator[str]):
    """Text, compared and sorted by code points everywhere (PostgreSQL would follow its locale otherwise)."""

    impl = sa.Text
    cache_ok = True

    def __init__(self) -> None:
        super().__init__()

    def load_dialect_impl(self, dialect: sa.Dialect) -> sa.types.TypeEngine[str]:
        return sa.Text(collation="C") if dialect.name == "postgresql" else sa.Text()

    def process_bind_param(self, value: str | None, dialect: sa.Dialect) -> str | None:  # noqa: ARG002 - SQLAlchemy's
        if value is not None and not value.isascii():
            try:
                value.encode()
            except UnicodeEncodeError:
                raise UnstorableText("text that is not valid Unicode") from None
        if value is not None and "\0" in value:
            raise UnstorableText("text with a NUL character")
        return value


# SQLite counts up by itself only in a column of exactly this type
Counter = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
Moment = sa.BigInteger  # microseconds since 1970 in UTC, see to_moment
Bytes = sa.BigInteger
Json = sa.Text  # written whole, read whole, never searched


def to_moment(date: datetime) -> int:
    """``date`` (timezone-aware) as microseconds since 1970; negative before that, so every date sorts."""
    return (date - EPOCH) // _MICROSECOND


def to_moment_or_none(date: datetime | None) -> int | None:
    return None if date is None else to_moment(date)


def from_moment(moment: int) -> datetime:
    """The date (UTC) of so many microseconds since 1970."""
    if moment == 0:
        return EPOCH
    if moment == _NEVER:
        return NEVER
    return EPOCH + timedelta(microseconds=moment)


def from_moment_or_none(moment: int | None) -> datetime | None:
    return None if moment is None else from_moment(moment)


def to_json(value: Mapping[str, Any] | tuple[str, ...]) -> str:
    """ASCII only, so that any text survives any database."""
    return json.dumps(value if isinstance(value, tuple) else dict(value), default=_plain, separators=(",", ":"))


def _plain(value: object) -> object:
    """Mappings that aren't dicts, as the model's read-only ones."""
    if isinstance(value, Mapping):
        return dict(value)
    raise TypeError(f"{type(value).__name__} is not JSON")


from_json: Callable[[str], Any] = json.JSONDecoder().decode
