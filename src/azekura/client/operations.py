"""Waiting for what a server does in the background, with progress, and giving up on it."""

from __future__ import annotations

import time

from azekura.client.address import quote
from azekura.client.envelope import operation_error, parse_json
from azekura.errors import AzekuraError, Cancelled, ConnectionFailed, NotFound

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from azekura.client.envelope import Record
    from azekura.client.server import Server
    from azekura.client.websocket import WebSocket

FINAL = (200, 400, 401)  # Success, Failure, Cancelled


class Watcher:
    """Is told what an operation does. A base to derive from; it ignores everything."""

    def progress(self, operation: Record) -> None:
        """The operation's record has changed."""

    def warn(self, message: str) -> None:
        """Something the user should read while the wait goes on."""


def listen(server: Server) -> WebSocket:
    """The server's events about operations: opened before the request, so that none is missed."""
    return server.websocket("events", {"type": "operation"})


class Operation:
    """A background operation of a server. ``record`` is its latest known state."""

    def __init__(
        self, server: Server, record: Record, events: WebSocket | None = None, watcher: Watcher | None = None
    ) -> None:
        self.server = server
        self.record = record
        self._events = events
        self._watcher = watcher
        self._idle: Callable[[], None] | None = None

    @property
    def id(self) -> str:
        return str(self.record["id"])

    @property
    def path(self) -> str:
        return f"operations/{quote(self.id)}"

    @property
    def is_final(self) -> bool:
        return self.record.get("status_code") in FINAL

    def refresh(self) -> Record:
        self.record = self.server.get(self.path)
        return self.record

    def cancel(self) -> None:
        """Ask the server to stop.

        Raises:
            InvalidRequest: it can't be stopped any more, or at all.
        """
        self.server.delete(self.path)

    def wait(self, idle: Callable[[], None] | None = None) -> Record:
        """Wait for the end and return the final record. ``idle`` may be called, once, while there is nothing to do.

        Ctrl-C asks the server to stop, as LXD's client does: where that is refused the wait goes on, and the third
        Ctrl-C leaves the operation to itself.

        Raises:
            RemoteError: it failed; the words are the server's.
            Cancelled: stopped by the user, here or elsewhere.
        """
        self._idle = idle
        refusals = 0
        try:
            while True:
                try:
                    self._wait()
                    break
                except KeyboardInterrupt:
                    try:
                        self.cancel()
                    except AzekuraError as exc:
                        refusals += 1
                        if refusals >= 3:
                            raise Cancelled(
                                "User signaled us three times, exiting. The remote operation will keep running"
                            ) from exc
                        if self._watcher is not None:
                            self._watcher.warn(f"{exc} (interrupt {3 - refusals} more times to force)")
                        continue
                    raise Cancelled("Remote operation canceled by user") from None
        finally:
            if self._events is not None:
                self._events.close()
        error = operation_error(self.record)
        if error is not None:
            raise error
        return self.record

    def _wait(self) -> None:
        if self.is_final:
            return
        if self._events is None or self._watcher is None:
            self._wait_for_answer()
            return
        self._note(self.server.get(self.path))  # what happened between the request's answer and now
        while not self.is_final:
            message = self._events.receive()
            if message is None:
                self._wait_for_answer()  # the event stream broke; the operation need not have
                return
            event = parse_json(message[1])
            if isinstance(event, dict) and event.get("type") == "operation":
                record = event.get("metadata")
                if isinstance(record, dict) and record.get("id") == self.id:
                    self._note(record)

    def _note(self, record: Record) -> None:
        self.record = record
        if self._watcher is not None:
            self._watcher.progress(record)

    def _wait_for_answer(self) -> None:
        """``/wait`` answers when the operation ends; an operation that is gone by then was finished."""
        attempts = 0
        while not self.is_final:
            try:
                # an operation that failed may be told as an error of the wait itself, or in the record
                idle, self._idle = self._idle, None
                envelope, _ = self.server.envelope("GET", f"{self.path}/wait", query={"timeout": "-1"}, idle=idle)
                self.record = envelope["metadata"]
            except ConnectionFailed:
                attempts += 1
                if attempts > 5:
                    raise
                time.sleep(0.2 * attempts)
            except NotFound:
                raise
