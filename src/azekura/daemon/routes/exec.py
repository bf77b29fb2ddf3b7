"""POST ``/1.0/instances/NAME/exec``: over websockets, recorded into files, or just run."""

from __future__ import annotations

import os
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from aiohttp import web

from azekura.daemon.call import Call, started, url
from azekura.daemon.exec_sessions import REFUSED
from azekura.errors import CommandFailed, InvalidRequest
from azekura.model.instance import InstanceStatus, expand_config
from azekura.runtime.port import ExecProcess, ExecRequest
from azekura.services.instances.profiles import load_profiles
from azekura.services.operations import Running
from azekura.wire.fields import Body

RECORD_LIMIT = 64 * 1024 * 1024  # bytes of recorded output a stream


def exec_request(body: Body, configured: Mapping[str, str]) -> ExecRequest:
    """Raises:
    InvalidRequest: no command, or fields of the wrong type.
    """
    command = body.texts("command")
    if not command:
        raise InvalidRequest("Missing command")
    environment = {**configured, **body.mapping("environment")}
    user, group = body.number("user"), body.number("group")
    if not (0 <= user < 2**32 - 1 and 0 <= group < 2**32 - 1):
        raise InvalidRequest("User and group are numbers from 0 to 4294967294")
    return ExecRequest(
        command=command,
        environment=environment,
        cwd=body.text("cwd"),
        uid=user,
        gid=group,
        interactive=body.flag("interactive"),
        width=max(0, min(body.number("width"), 65535)),
        height=max(0, min(body.number("height"), 65535)),
    )


async def execute(call: Call) -> web.StreamResponse:
    name = call.path("name")
    body = Body(await call.json(), "exec request")

    lifecycle = call.server.lifecycle
    lifecycle.get_ready()

    def prepare() -> ExecRequest:
        with call.depot.catalog.read() as tx:
            instance = tx.instances.get(name)
            config = expand_config(load_profiles(tx, instance.profiles), instance.config)
        configured = {
            key.removeprefix("environment."): value for key, value in config.items() if key.startswith("environment.")
        }
        request = exec_request(body, configured)
        if not lifecycle.is_running(name):
            raise InvalidRequest("Instance is not running")
        if lifecycle.status(name) is InstanceStatus.FROZEN:
            raise InvalidRequest("Instance is frozen")
        return request

    request = await call.work(prepare)
    if body.flag("wait-for-websocket"):
        sessions = call.server.exec_sessions
        assert sessions is not None
        running = await sessions.start(call, name, request)
        return started(running.operation)
    if request.interactive:
        raise InvalidRequest("Can't ask for an interactive session without websockets")
    record = body.flag("record-output")

    def work(running: Running) -> Mapping[str, Any]:
        return _run(call, name, request, running, record=record)

    resources = {"instances": (url("instances", name),), "containers": (url("containers", name),)}
    return started(call.depot.operations.start("Executing command", work, resources=resources))


def _run(call: Call, name: str, request: ExecRequest, running: Running, *, record: bool) -> Mapping[str, Any]:
    """Run to the end without a client; what it says goes into files, or nowhere."""
    folder = call.server.lifecycle.log_folder(name)
    folder.mkdir(mode=0o700, exist_ok=True)
    process = call.depot.runtime().exec(name, request)
    try:
        process.close_stdin()
        files = {fd: folder / f"exec_{running.id}.{word}" for fd, word in (("1", "stdout"), ("2", "stderr"))}
        threads = [
            threading.Thread(target=_drain, args=(number, files[fd] if record else None))
            for fd, number in (("1", process.stdout), ("2", process.stderr))
        ]
        for thread in threads:
            thread.start()
        running.update({"return": _wait(process)})
        for thread in threads:
            thread.join(10)
    finally:
        process.close()
    if process.refusal:
        raise CommandFailed(REFUSED[process.refusal])
    return {"output": {fd: url("instances", name, "logs", file.name) for fd, file in files.items()}} if record else {}


def _wait(process: ExecProcess) -> int:
    code = process.wait()
    return 255 if code is None else code


def _drain(number: int, file: Path | None) -> None:
    left = RECORD_LIMIT
    with open(file if file is not None else os.devnull, "wb", opener=_private) as out:
        while True:
            try:
                data = os.read(number, 65536)
            except OSError:
                return
            if not data:
                return
            out.write(data[:left])
            left = max(0, left - len(data))


def _private(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NOFOLLOW, 0o600)
