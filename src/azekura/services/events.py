"""What happened, for whoever listens: kept in the catalog, told to the listeners of this process at once."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from azekura.catalog import Catalog
from azekura.services.ledger import Ledger

log = logging.getLogger("azekura.events")

Listener = Callable[["Event"], None]


@dataclass(frozen=True, slots=True)
class Event:
    """``type``: operation, lifecycle or logging."""

    type: str
    timestamp: datetime
    metadata: Mapping[str, Any]


class Events:
    """Publishes events. Listeners are called in the publisher's thread and must return at once."""

    def __init__(self, catalog: Catalog) -> None:
        self._ledger = Ledger(catalog)
        self._listeners: dict[int, Listener] = {}
        self._lock = threading.Lock()
        self._next = 0

    def subscribe(self, listener: Listener) -> Callable[[], None]:
        """Have ``listener`` called for each event from now on; the returned function ends that."""
        with self._lock:
            self._next += 1
            token = self._next
            self._listeners[token] = listener

        def unsubscribe() -> None:
            with self._lock:
                self._listeners.pop(token, None)

        return unsubscribe

    def publish(self, kind: str, metadata: Mapping[str, Any], *, keep: bool = True) -> None:
        """Tell all listeners, and (``keep``) have it written into the catalog for those that come later."""
        event = Event(kind, datetime.now(UTC), metadata)
        if keep:
            self._ledger.put(lambda tx: tx.events.append(event.type, event.timestamp, dict(event.metadata)))
        with self._lock:
            listeners = list(self._listeners.values())
        for listener in listeners:
            listener(event)

    def close(self) -> None:
        """Write what is still to be written. What is published later is told, but not kept."""
        self._ledger.close()

    def lifecycle(self, action: str, source: str, context: Mapping[str, Any] | None = None) -> None:
        """Publish a lifecycle event in LXD's form, e.g. ``image-created`` of ``/1.0/images/…``."""
        self.publish("lifecycle", {"action": action, "source": source, "context": dict(context or {})})
