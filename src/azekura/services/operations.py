"""Operations: work that outlives its request, reports progress, can be cancelled and is kept by the catalog."""

from __future__ import annotations

import contextlib
import logging
import os
import threading
import time
import uuid
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from azekura.catalog import Catalog
from azekura.errors import AzekuraError, Cancelled, InvalidRequest, NotFound
from azekura.model.operation import Operation, OperationClass, OperationStatus
from azekura.services.events import Events
from azekura.wire.operations import operation_to_json

log = logging.getLogger("azekura.operations")

Work = Callable[["Running"], Mapping[str, Any] | None]

KEPT = timedelta(seconds=60)  # how long a finished operation can be asked for; LXD's five seconds are the least
SHOWN = timedelta(seconds=5)  # how long a finished one is listed, as in LXD
TOKEN_LIFE = timedelta(hours=24)
PROGRESS_INTERVAL = 0.2  # seconds between two published progress updates
WORKERS = 24


class Running:
    """An operation seen from the inside: what its work may do with it."""

    def __init__(self, operations: Operations, operation: Operation) -> None:
        self._operations = operations
        self.operation = operation
        self.cancel_requested = threading.Event()
        self.done = threading.Event()
        self.on_cancel: Callable[[], None] | None = None
        self.context: Any = None  # what the creator of a token wants back when it is used; never shown
        self._last_progress = 0.0
        self.lock = threading.RLock()

    @property
    def id(self) -> str:
        return self.operation.id

    def cancelled(self) -> bool:
        """Whether the work should stop; cheap enough to ask for every chunk."""
        return self.cancel_requested.is_set()

    def check(self) -> None:
        """Raises:
        Cancelled: when the operation was asked to stop.
        """
        if self.cancel_requested.is_set():
            raise Cancelled("Operation cancelled")

    def update(self, metadata: Mapping[str, Any]) -> None:
        """Merge ``metadata`` into what clients see, and tell them."""
        with self.lock:
            merged = {**self.operation.metadata, **metadata}
            self._operations.change(self, metadata=merged)

    def resources(self, resources: Mapping[str, tuple[str, ...]]) -> None:
        with self.lock:
            self._operations.change(self, resources={**self.operation.resources, **resources})

    def progress(self, key: str, stage: str, done: int, total: int | None, speed: float) -> None:
        """Publish progress in LXD's form, at most a few times a second. ``speed`` is bytes per second."""
        now = time.monotonic()
        if now - self._last_progress < PROGRESS_INTERVAL and done != total:
            return
        self._last_progress = now
        rate = format_bytes(int(speed)) + "/s"
        percent = int(100 * done / total) if total else 0
        text = f"{percent}% ({rate})" if total else f"{format_bytes(done)} ({rate})"
        self.update(
            {
                key: text if stage in ("", "download") else f"{stage}: {text}",
                "progress": {
                    "stage": stage or key.removesuffix("_progress"),
                    "percent": str(percent),
                    "speed": str(int(speed)),
                    "processed": str(done),
                },
            }
        )

    def not_cancellable(self) -> None:
        """From here on there is no way back (the commit has begun)."""
        with self.lock:
            self.check()
            self._operations.change(self, may_cancel=False)


def format_bytes(count: int) -> str:
    """``count`` bytes as LXD's progress lines print them (units of 1000)."""
    if count < 1000:
        return f"{count}B"
    value = float(count)
    for unit in ("kB", "MB", "GB", "TB", "PB"):
        value /= 1000
        if value < 1000:
            return f"{value:.2f}{unit}"
    return f"{value / 1000:.2f}EB"


class Operations:
    """Starts, finds and ends operations. Thread-safe."""

    def __init__(self, catalog: Catalog, events: Events) -> None:
        self._catalog = catalog
        self._events = events
        self._live: dict[str, Running] = {}
        self._finished: dict[str, tuple[Operation, float]] = {}
        self._lock = threading.Lock()
        self._pool = ThreadPoolExecutor(WORKERS, thread_name_prefix="operation")
        self.owner = f"{os.getpid()}-{uuid.uuid4().hex[:8]}"

    def adopt_orphans(self) -> None:
        """At start: operations of a server that died are failures, and say so."""
        with self._catalog.write(durable=False) as tx:
            tx.operations.fail_orphans({self.owner})

    def start(
        self,
        description: str,
        work: Work,
        *,
        resources: Mapping[str, tuple[str, ...]] | None = None,
        metadata: Mapping[str, Any] | None = None,
        may_cancel: bool = False,
        kind: OperationClass = OperationClass.TASK,
    ) -> Operation:
        """Run ``work`` in a thread of its own and return the operation as it stands when it begins."""
        running = self.create(description, resources=resources, metadata=metadata, may_cancel=may_cancel, kind=kind)
        begun = running.operation
        self._pool.submit(self._run, running, work)
        return begun

    def create(
        self,
        description: str,
        *,
        resources: Mapping[str, tuple[str, ...]] | None = None,
        metadata: Mapping[str, Any] | None = None,
        may_cancel: bool = False,
        kind: OperationClass = OperationClass.TASK,
    ) -> Running:
        """An operation whose end the caller reports itself, by :meth:`finish` (tokens, websockets)."""
        now = datetime.now(UTC)
        operation = Operation(
            id=str(uuid.uuid4()),
            kind=kind,
            description=description,
            status=OperationStatus.RUNNING,
            created_at=now,
            updated_at=now,
            resources=dict(resources or {}),
            metadata=dict(metadata or {}),
            may_cancel=may_cancel,
            owner=self.owner,
        )
        running = Running(self, operation)
        with self._catalog.write(durable=False) as tx:
            tx.operations.create(_without_secrets(operation))
        with self._lock:
            self._live[operation.id] = running
        self._publish(replace(operation, status=OperationStatus.PENDING))
        self._publish(operation)
        return running

    def _run(self, running: Running, work: Work) -> None:
        try:
            result = work(running)
        except Cancelled as exc:
            self.finish(running, OperationStatus.CANCELLED, error=str(exc))
        except AzekuraError as exc:
            if running.cancelled():
                self.finish(running, OperationStatus.CANCELLED, error="Operation cancelled")
                return
            hint = f" ({exc.hint})" if exc.hint else ""
            self.finish(running, OperationStatus.FAILURE, error=f"{exc}{hint}")
        except BaseException as exc:
            log.exception("operation %s (%s) failed", running.id, running.operation.description)
            self.finish(
                running, OperationStatus.FAILURE, error=f"Internal error, see the daemon's log: {type(exc).__name__}"
            )
        else:
            self.finish(running, OperationStatus.SUCCESS, metadata=result)

    def finish(
        self,
        running: Running,
        status: OperationStatus,
        *,
        error: str = "",
        metadata: Mapping[str, Any] | None = None,
    ) -> None:
        """Record the end of an operation and wake whoever waits for it. The first end counts."""
        with running.lock:
            if running.operation.status.final:
                return
            operation = replace(
                running.operation,
                status=status,
                error=error,
                updated_at=datetime.now(UTC),
                metadata={**running.operation.metadata, **(metadata or {})},
                may_cancel=False,
            )
            running.operation = operation
        with self._lock:
            self._live.pop(operation.id, None)
            self._finished[operation.id] = (operation, time.monotonic())
        try:
            with self._catalog.write(durable=False) as tx:
                tx.operations.update(_without_secrets(operation))
        finally:
            running.done.set()
            self._publish(operation)

    def change(self, running: Running, **changes: Any) -> None:
        """Replace fields of an operation that runs, and tell its listeners."""
        if running.operation.status.final:
            return
        running.operation = replace(running.operation, updated_at=datetime.now(UTC), **changes)
        self._publish(running.operation)

    def _publish(self, operation: Operation) -> None:
        # whoever began it was answered with its secret; listeners, who may be restricted clients, need none
        self._events.publish("operation", operation_to_json(without_secret(operation)), keep=False)

    def running(self, operation_id: str) -> Running:
        """Raises:
        NotFound: no such operation, or it has ended.
        """
        with self._lock:
            running = self._live.get(operation_id)
        if running is None:
            raise NotFound("operation", operation_id)
        return running

    def get(self, operation_id: str) -> Operation:
        """Raises:
        NotFound: unknown, or finished too long ago.
        """
        with self._lock:
            running = self._live.get(operation_id)
            if running is not None:
                return running.operation
            if operation_id in self._finished:
                return self._finished[operation_id][0]
        with self._catalog.read() as tx:
            return tx.operations.get(operation_id)

    def list(self) -> list[Operation]:
        """Those that run, and those that ended a moment ago."""
        limit = time.monotonic() - SHOWN.total_seconds()
        with self._lock:
            live = [running.operation for running in self._live.values()]
            return live + [operation for operation, ended in self._finished.values() if ended >= limit]

    def wait(self, operation_id: str, timeout: float | None = None) -> Operation:
        """Block until it ended or ``timeout`` seconds (None: for ever) have passed; its state then.

        Raises:
            NotFound: unknown operation.
        """
        with self._lock:
            running = self._live.get(operation_id)
        if running is not None:
            running.done.wait(timeout)
        return self.get(operation_id)

    def cancel(self, operation_id: str) -> None:
        """Ask an operation to stop.

        Raises:
            NotFound: unknown operation.
            InvalidRequest: it can't be cancelled, in LXD's words.
        """
        with self._lock:
            running = self._live.get(operation_id)
        if running is None:
            self.get(operation_id)
            raise InvalidRequest("Only running operations can be cancelled")
        with running.lock:
            if not running.operation.may_cancel:
                raise InvalidRequest("This operation can't be cancelled")
            running.cancel_requested.set()
            if running.operation.kind is OperationClass.TASK:
                self.change(running, status=OperationStatus.CANCELLING)
        if running.on_cancel is not None:
            running.on_cancel()
        if running.operation.kind is not OperationClass.TASK:
            self.finish(running, OperationStatus.CANCELLED)

    def forget_old(self) -> None:
        """Drop what finished long enough ago; called now and then by the daemon."""
        limit = time.monotonic() - KEPT.total_seconds()
        with self._lock:
            for operation_id in [key for key, (_, ended) in self._finished.items() if ended < limit]:
                del self._finished[operation_id]
        self._end_old_tokens()
        before = datetime.now(UTC) - KEPT
        with self._catalog.write(durable=False) as tx:
            tx.operations.delete_finished_before(before)
            tx.events.trim(datetime.now(UTC) - timedelta(days=1))

    def _end_old_tokens(self) -> None:
        """Tokens that nobody used and that are too old by now."""
        limit = datetime.now(UTC) - TOKEN_LIFE
        with self._lock:
            live = [running.operation for running in self._live.values()]
        for operation in live:
            if operation.kind is OperationClass.TOKEN and operation.created_at < limit:
                with contextlib.suppress(AzekuraError):  # it was used or cancelled meanwhile
                    self.cancel(operation.id)

    def close(self, patience: float = 5.0) -> None:
        """Cancel what can be cancelled and wait a moment for the rest."""
        with self._lock:
            live = list(self._live.values())
        for running in live:
            running.cancel_requested.set()
            if running.on_cancel is not None:
                running.on_cancel()
        deadline = time.monotonic() + patience
        for running in live:
            if running.operation.kind is OperationClass.TASK:
                running.done.wait(max(0.0, deadline - time.monotonic()))
        self._pool.shutdown(wait=False, cancel_futures=True)
        self._events.close()


def _without_secrets(operation: Operation) -> Operation:
    """The operation as the catalog may keep it: secrets live in memory only (promise 7)."""
    return _less(operation, {"secret", "token", "fds"})


def without_secret(operation: Operation) -> Operation:
    """The operation without what makes its holder more than others are: a token and its secret."""
    return _less(operation, {"secret", "token"})


def _less(operation: Operation, hidden: set[str]) -> Operation:
    if not hidden & set(operation.metadata):
        return operation
    return replace(operation, metadata={k: v for k, v in operation.metadata.items() if k not in hidden})
