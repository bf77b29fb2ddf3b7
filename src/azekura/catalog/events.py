"""Events: what happened, in one order for all servers of a catalog."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from azekura.catalog.columns import from_json, from_moment, to_json, to_moment
from azekura.catalog.schema import events
from azekura.catalog.session import Session


@dataclass(frozen=True, slots=True)
class RecordedEvent:
    """``sequence`` grows with every event and is never given twice."""

    sequence: int
    type: str
    timestamp: datetime
    metadata: Mapping[str, Any]


class Events:
    """``write(durable=False)`` is enough for these.

    Writers come one after the other, so whoever has seen event *n* never misses one below it.
    """

    def __init__(self, session: Session) -> None:
        self._session = session

    def append(self, type: str, timestamp: datetime, metadata: Mapping[str, Any]) -> int:  # noqa: A002 - LXD's word
        """Put an event down; its sequence number."""
        return self._session.insert_counted(
            events, {"type": type, "timestamp": to_moment(timestamp), "metadata": to_json(metadata)}
        )

    def last(self) -> int:
        """The highest sequence number among the events that are kept, 0 where there are none."""
        row = self._session.row(sa.select(sa.func.coalesce(sa.func.max(events.c.id), 0)))
        return 0 if row is None else int(row[0])

    def since(self, sequence: int, limit: int = 1000) -> list[RecordedEvent]:
        """The first ``limit`` events after ``sequence``, in order."""
        rows = self._session.rows(
            sa.select(events.c.id, events.c.type, events.c.timestamp, events.c.metadata)
            .where(events.c.id > sequence)
            .order_by(events.c.id)
            .limit(limit)
        )
        return [
            RecordedEvent(id_, type_, from_moment(timestamp), from_json(metadata))
            for id_, type_, timestamp, metadata in rows
        ]

    def trim(self, before: datetime) -> int:
        """Remove events from before that date; how many."""
        return self._session.change(events.delete().where(events.c.timestamp < to_moment(before)))
