"""Rows that nobody waits for, such as those of events: put down a moment later, many at once."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

from azekura.catalog import Catalog, Transaction
from azekura.errors import AzekuraError

log = logging.getLogger("azekura.ledger")

Entry = Callable[[Transaction], object]

MOMENT = 0.01  # seconds; whoever waits for an answer has got it by then


class Ledger:
    """Writes entries in their order, in the background. Thread-safe.

    What must survive this process's sudden end doesn't belong here, nor what must survive the machine's.
    """

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog
        self._changed = threading.Condition()
        self._waiting: list[Entry] = []
        self._writing = False
        self._closed = threading.Event()
        self._thread: threading.Thread | None = None

    def put(self, entry: Entry) -> None:
        """Have ``entry`` called within a write transaction, soon. After :meth:`close` it is forgotten."""
        with self._changed:
            if self._closed.is_set():
                return
            self._waiting.append(entry)
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="ledger", daemon=True)
                self._thread.start()
            self._changed.notify_all()

    def flush(self) -> None:
        """Return when all that was put before is written."""
        with self._changed:
            self._changed.wait_for(lambda: not self._waiting and not self._writing)

    def close(self) -> None:
        """Write what waits, then take nothing more."""
        with self._changed:
            self._closed.set()
            self._changed.notify_all()
        if self._thread is not None:
            self._thread.join()

    def _run(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._waiting or self._closed.is_set())
            self._closed.wait(MOMENT)
            with self._changed:
                entries, self._waiting = self._waiting, []
                self._writing = True
            try:
                self._write(entries)
            finally:
                with self._changed:
                    self._writing = False
                    self._changed.notify_all()
                    ended = self._closed.is_set() and not self._waiting
            if ended:
                return

    def _write(self, entries: list[Entry]) -> None:
        if not entries:
            return
        try:
            with self._catalog.write(durable=False) as tx:
                for entry in entries:
                    try:
                        entry(tx)
                    except AzekuraError as exc:  # a row that is gone, or text that can't be stored
                        log.info("an entry of the ledger was left out: %s", exc)
        except AzekuraError as exc:
            log.warning("%d entries of the ledger were lost: %s", len(entries), exc)
