"""Settings: keys and values as text; which keys there are is the services' matter."""

from __future__ import annotations

import builtins
from collections.abc import Mapping

import sqlalchemy as sa

from azekura.catalog.schema import settings
from azekura.catalog.session import Session

_GET = sa.select(settings.c.value).where(settings.c.key == sa.bindparam("wanted"))


class Settings:
    """Only what was set is kept; defaults live elsewhere."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def all(self) -> dict[str, str]:
        """Everything that was set, by key."""
        rows = self._session.rows(sa.select(settings.c.key, settings.c.value).order_by(settings.c.key))
        return {key: value for key, value in rows}  # noqa: C416 - dict() doesn't know that a Row is a pair

    def get(self, key: str) -> str:
        """The value, empty when it isn't set."""
        row = self._session.row(_GET, {"wanted": key})
        return "" if row is None else str(row[0])

    def set(self, many: Mapping[str, str | None]) -> None:
        """Set each key to its value, unset it where that is None."""
        self._session.change(settings.delete().where(settings.c.key.in_(builtins.list(many))))
        rows = [{"key": key, "value": value} for key, value in many.items() if value is not None]
        if rows:
            self._session.change(settings.insert(), rows)
