"""``/1.0/operations`` and ``/1.0/events``."""

from __future__ import annotations

import asyncio
import json
import math
import secrets
from typing import Any

from aiohttp import WSMsgType, web

from azekura.daemon.call import Call, sync, url
from azekura.daemon.callers import Access
from azekura.errors import Forbidden, InvalidRequest
from azekura.model.operation import Operation, OperationClass
from azekura.services.events import Event
from azekura.services.operations import without_secret
from azekura.wire.operations import operation_to_json
from azekura.wire.times import format_time

EVENT_TYPES = ("operation", "lifecycle", "logging")
BACKLOG = 2000  # events waiting for one listener; who is slower than that is let go


async def list_all(call: Call) -> web.StreamResponse:
    """Grouped by status, as LXD groups them."""
    grouped: dict[str, list[Any]] = {}
    recursion = call.recursion()
    for operation in call.depot.operations.list():
        view: Any = _view(call, operation) if recursion else url("operations", operation.id)
        grouped.setdefault(operation.status.word.lower(), []).append(view)
    return sync(grouped)


def _view(call: Call, operation: Operation) -> dict[str, Any]:
    """A restricted client must not find the join token of an unrestricted one."""
    if call.caller.access < Access.ADMIN and "token" in operation.metadata:
        operation = without_secret(operation)
    return operation_to_json(operation)


def _check_secret(call: Call, operation: Operation) -> None:
    """Anybody may wait for an operation whose secret they know; others need trust."""
    if call.caller.access >= Access.TRUSTED:
        return
    known = str(operation.metadata.get("secret", ""))
    given = call.query("secret")
    if not known or not secrets.compare_digest(known.encode(), given.encode("utf-8", "replace")):
        raise Forbidden("not authorized")


async def show(call: Call) -> web.StreamResponse:
    operation = await call.work(call.depot.operations.get, call.path("id"))
    return sync(_view(call, operation))


async def wait(call: Call) -> web.StreamResponse:
    text = call.query("timeout", "-1")
    try:
        timeout = float(text)
    except ValueError:
        timeout = math.nan
    if math.isnan(timeout):
        raise InvalidRequest(f"Invalid timeout {text[:20]!r}: it takes a number of seconds")
    operations = call.depot.operations
    operation = await call.work(operations.get, call.path("id"))
    _check_secret(call, operation)
    if not operation.status.final:
        operation = await _wait_for(call, operation.id, timeout)
    return sync(_view(call, operation))


async def _wait_for(call: Call, operation_id: str, timeout: float) -> Operation:
    """Wait without holding a thread: by the operation's own events."""
    operations = call.depot.operations
    loop = asyncio.get_running_loop()
    done = asyncio.Event()

    def notice(event: Event) -> None:
        if event.type != "operation" or event.metadata.get("id") != operation_id:
            return
        if int(event.metadata.get("status_code", 0)) >= 200:
            loop.call_soon_threadsafe(done.set)

    unsubscribe = call.depot.events.subscribe(notice)
    try:
        current = operations.get(operation_id)
        if not current.status.final:
            try:
                await asyncio.wait_for(done.wait(), None if timeout < 0 else timeout)
            except TimeoutError:
                pass
        return operations.get(operation_id)
    finally:
        unsubscribe()


async def cancel(call: Call) -> web.StreamResponse:
    await call.work(call.depot.operations.cancel, call.path("id"))
    return sync()


async def websocket(call: Call) -> web.StreamResponse:
    """The streams of an exec, each by its secret."""
    operation = await call.work(call.depot.operations.get, call.path("id"))
    sessions = call.server.exec_sessions
    if operation.kind is not OperationClass.WEBSOCKET or sessions is None:
        raise InvalidRequest("This operation has no websockets")
    return await sessions.attach(call, operation.id, call.query("secret"))


async def events(call: Call) -> web.StreamResponse:
    """A websocket that tells what happens. The listener stands before the upgrade is answered: nothing is missed."""
    wanted = {part for part in call.query("type", ",".join(EVENT_TYPES)).split(",") if part}
    if unknown := wanted - set(EVENT_TYPES):
        raise InvalidRequest(f'"{min(unknown)[:40]}" isn\'t a supported event type')
    loop = asyncio.get_running_loop()
    queue: asyncio.Queue[Event] = asyncio.Queue(BACKLOG)
    overrun = asyncio.Event()

    def put(event: Event) -> None:
        try:
            queue.put_nowait(event)
        except asyncio.QueueFull:
            overrun.set()

    def notice(event: Event) -> None:
        if event.type in wanted:
            loop.call_soon_threadsafe(put, event)

    unsubscribe = call.depot.events.subscribe(notice)
    socket = web.WebSocketResponse(heartbeat=30, max_msg_size=64 * 1024, compress=False)
    sender: asyncio.Task[None] | None = None
    try:
        await socket.prepare(call.request)

        async def send() -> None:
            while not overrun.is_set():
                event = await queue.get()
                await socket.send_str(encode_event(event))

        sender = asyncio.create_task(send())
        sender.add_done_callback(lambda _: asyncio.ensure_future(socket.close()))
        async for message in socket:
            if message.type in (WSMsgType.CLOSE, WSMsgType.ERROR):
                break
    finally:
        unsubscribe()
        if sender is not None:
            sender.cancel()
    return socket


def encode_event(event: Event) -> str:
    """An event as LXD sends it."""
    return json.dumps(
        {
            "type": event.type,
            "timestamp": format_time(event.timestamp),
            "metadata": dict(event.metadata),
            "location": "none",
            "project": "default",
        },
        separators=(",", ":"),
    )
