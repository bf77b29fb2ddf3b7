"""Commands in containers over websockets: LXD's protocol of one stream a descriptor plus a control channel."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import json
import logging
import os
import secrets
import signal
from collections.abc import Mapping
from typing import Any

from aiohttp import WSCloseCode, WSMsgType, web

from azekura.daemon.call import Call, url
from azekura.daemon.descriptors import readable, writable
from azekura.errors import AzekuraError, Forbidden, InvalidRequest
from azekura.model.operation import OperationClass, OperationStatus
from azekura.runtime.port import ExecProcess, ExecRequest, Refusal
from azekura.services.depot import Depot
from azekura.services.operations import Running

log = logging.getLogger("azekura.exec")

ATTACH_LIMIT = 5.0  # seconds in which a client must have attached its streams, as in LXD
READ = 128 * 1024
REFUSED: Mapping[Refusal, str] = {  # LXD's words
    "": "",
    "not found": "Command not found",
    "not executable": "Command not executable",
}


class _Session:
    """One command and its streams."""

    def __init__(self, running: Running, request: ExecRequest, name: str, secret: dict[str, str]) -> None:
        self.running = running
        self.request = request
        self.name = name
        self.secrets = secret
        self.sockets: dict[str, web.WebSocketResponse] = {}
        self.attached = asyncio.Event()
        self.started = asyncio.Event()
        self.ended = asyncio.Event()
        self.process: ExecProcess | None = None

    @property
    def streams(self) -> list[str]:
        return [fd for fd in self.secrets if fd != "control"]


class ExecSessions:
    """All commands that run over websockets."""

    def __init__(self, depot: Depot) -> None:
        self._depot = depot
        self._sessions: dict[str, _Session] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    async def start(self, call: Call, name: str, request: ExecRequest) -> Running:
        """An operation whose streams the client attaches to; the command starts when it has."""
        names = ("0", "control") if request.interactive else ("0", "1", "2", "control")
        secret = {fd: secrets.token_hex(32) for fd in names}
        running = await call.work(
            self._depot.operations.create,
            "Executing command",
            kind=OperationClass.WEBSOCKET,
            resources={"instances": (url("instances", name),), "containers": (url("containers", name),)},
            metadata={
                "command": list(request.command),
                "environment": dict(request.environment),
                "fds": dict(secret),
                "interactive": request.interactive,
            },
        )
        session = _Session(running, request, name, secret)
        self._sessions[running.id] = session
        task = asyncio.create_task(self._run(call, session))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return running

    async def attach(self, call: Call, operation_id: str, secret: str) -> web.StreamResponse:
        """One stream's websocket, for as long as the command runs."""
        session = self._sessions.get(operation_id)
        if session is None:
            raise InvalidRequest("The command has ended")
        fd = (
            next((fd for fd, known in session.secrets.items() if secrets.compare_digest(known, secret)), None)
            if secret.isascii()
            else None
        )
        if fd is None or fd in session.sockets:
            raise Forbidden("not authorized")
        socket = web.WebSocketResponse(max_msg_size=16 * 1024 * 1024, compress=False, autoclose=False)
        session.sockets[fd] = socket  # before the upgrade is answered: nobody else gets this stream
        await socket.prepare(call.request)
        if all(one in session.sockets and session.sockets[one].prepared for one in session.streams):
            session.attached.set()
        if fd == "control":
            await self._control(session, socket)
        elif fd == "0":
            await self._stdin(session, socket)
        else:
            async for message in socket:  # only a close is of interest here
                if message.type is WSMsgType.ERROR:
                    break
        await session.ended.wait()
        with contextlib.suppress(ConnectionError, RuntimeError):
            await socket.close(code=WSCloseCode.OK)
        return socket

    # -- the command

    async def _run(self, call: Call, session: _Session) -> None:
        try:
            await asyncio.wait_for(session.attached.wait(), ATTACH_LIMIT)
        except TimeoutError:
            await self._finish(call, session, error="The client didn't attach to the command's streams in time")
            return
        try:
            session.process = await call.work(self._depot.runtime().exec, session.name, session.request)
        except AzekuraError as exc:
            await self._finish(call, session, error=str(exc))
            return
        except Exception:
            log.exception("exec in %s failed", session.name)
            await self._finish(call, session, error="Internal error, see the daemon's log")
            return
        session.started.set()
        process = session.process
        sources = (
            [("0", process.pty)] if session.request.interactive else [("1", process.stdout), ("2", process.stderr)]
        )
        pumps = [asyncio.create_task(self._output(session, fd, number)) for fd, number in sources]
        try:
            code = await _exit_code(process)
            # what the command wrote is still on its way; a child that keeps the pipe open must not hold us for ever
            await asyncio.wait(pumps, timeout=2.0 if session.request.interactive else 10.0)
        finally:
            for pump in pumps:
                pump.cancel()
        await self._finish(call, session, metadata={"return": code}, error=REFUSED[process.refusal])

    async def _finish(
        self, call: Call, session: _Session, *, metadata: Mapping[str, Any] | None = None, error: str = ""
    ) -> None:
        for fd, socket in session.sockets.items():
            if fd == "control" or not socket.prepared or socket.closed:
                continue
            with contextlib.suppress(ConnectionError, RuntimeError):
                if fd != "0" or session.request.interactive:
                    await socket.send_str("")  # LXD's mark for the end of a stream
        # the result first: the client looks for it as soon as its streams close
        status = OperationStatus.FAILURE if error else OperationStatus.SUCCESS
        await call.work(self._depot.operations.finish, session.running, status, error=error, metadata=metadata)
        session.ended.set()
        session.started.set()
        for socket in session.sockets.values():
            with contextlib.suppress(ConnectionError, RuntimeError):
                if socket.prepared and not socket.closed:
                    await asyncio.wait_for(socket.close(code=WSCloseCode.OK), 5)
        self._sessions.pop(session.running.id, None)
        if session.process is not None:
            session.process.close()

    async def _output(self, session: _Session, fd: str, number: int) -> None:
        """From a pipe or terminal to the client, as fast as the client takes it."""
        os.set_blocking(number, False)
        socket = session.sockets[fd]
        while True:
            try:
                data = os.read(number, READ)
            except BlockingIOError:
                await readable(number)
                continue
            except OSError as exc:
                if exc.errno == errno.EIO:  # the terminal's other side is closed
                    return
                raise
            if not data:
                return
            try:
                await socket.send_bytes(data)
            except (ConnectionError, RuntimeError):
                return

    async def _stdin(self, session: _Session, socket: web.WebSocketResponse) -> None:
        await session.started.wait()
        process = session.process
        if process is None:
            return
        number = process.pty if session.request.interactive else process.stdin
        os.set_blocking(number, False)
        async for message in socket:
            if message.type is WSMsgType.TEXT:
                break  # LXD's mark for the end of the stream
            if message.type is not WSMsgType.BINARY:
                break
            if session.ended.is_set() or not await _write_all(number, message.data):
                break
        if not session.request.interactive and not session.ended.is_set():
            process.close_stdin()
        async for _ in socket:
            pass

    async def _control(self, session: _Session, socket: web.WebSocketResponse) -> None:
        async for message in socket:
            if message.type is not WSMsgType.TEXT and message.type is not WSMsgType.BINARY:
                break
            await session.started.wait()
            if session.process is not None and not session.ended.is_set():
                _obey(session.process, message.data)
        if socket.close_code in (None, WSCloseCode.ABNORMAL_CLOSURE) and not session.ended.is_set():
            await session.started.wait()
            if session.process is not None and not session.ended.is_set():
                session.process.signal(signal.SIGKILL)  # the client is gone without a word

    async def close(self) -> None:
        """The daemon stops: commands go on in their containers, their clients are let go."""
        for task in list(self._tasks):
            task.cancel()


def _obey(process: ExecProcess, raw: str | bytes) -> None:
    """A control message: another window size, or a signal. What makes no sense is ignored, as in LXD."""
    try:
        message = json.loads(raw)
        command = message.get("command")
        if command == "window-resize":
            width, height = int(message["args"]["width"]), int(message["args"]["height"])
            if 0 < width < 65536 and 0 < height < 65536:
                process.resize(width, height)
        elif command == "signal":
            number = int(message["signal"])
            if 0 < number < 65:
                process.signal(number)
    except (ValueError, KeyError, TypeError, AttributeError):
        log.info("a control message of an exec made no sense")


async def _write_all(number: int, data: bytes) -> bool:
    """False when the command no longer reads."""
    view = memoryview(data)
    while view:
        try:
            view = view[os.write(number, view) :]
        except BlockingIOError:
            await writable(number)
        except OSError:
            return False
    return True


async def _exit_code(process: ExecProcess) -> int:
    await readable(process.done_fd)
    code = process.wait(0)
    while code is None:
        await asyncio.sleep(0.005)
        code = process.wait(0)
    return code
