"""``/1.0/instances/NAME/logs`` and ``/console``: what a container and its commands said."""

from __future__ import annotations

from typing import Any

from aiohttp import web

from azekura.daemon.call import Call, sync, url
from azekura.daemon.routes.instances import check_exists
from azekura.errors import InvalidRequest, NotFound, Unsupported

LOG_NAMES = ("lxc.log", "console.log", "lxc.conf")


async def list_logs(call: Call) -> web.StreamResponse:
    name = call.path("name")

    def read() -> list[str]:
        check_exists(call, name)
        folder = call.server.lifecycle.log_folder(name)
        names = sorted(one.name for one in folder.iterdir()) if folder.is_dir() else []
        return [url("instances", name, "logs", one) for one in names if _log_name(one)]

    return sync(await call.work(read))


def _log_name(text: str) -> bool:
    return text in LOG_NAMES or (text.startswith("exec_") and "/" not in text and text.isascii())


def _log_path(call: Call) -> Any:
    name, file = call.path("name"), call.path("file")
    check_exists(call, name)
    path = call.server.lifecycle.log_folder(name) / file
    if not _log_name(file) or not path.is_file():
        raise NotFound("log file", file, message="not found")
    return path


async def show_log(call: Call) -> web.StreamResponse:
    path = await call.work(_log_path, call)
    return web.FileResponse(path, headers={"Content-Disposition": f"inline;filename={path.name}"})


async def remove_log(call: Call) -> web.StreamResponse:
    path = await call.work(_log_path, call)
    if not path.name.startswith("exec_"):
        raise InvalidRequest("Only recorded outputs of commands can be deleted")
    await call.work(path.unlink)
    return sync()


async def console_log(call: Call) -> web.StreamResponse:
    name = call.path("name")

    def read() -> bytes:
        check_exists(call, name)
        return call.depot.runtime().console_log(name)

    return web.Response(body=await call.work(read), content_type="application/octet-stream")


async def clear_console_log(call: Call) -> web.StreamResponse:
    name = call.path("name")

    def clear() -> None:
        check_exists(call, name)
        path = call.server.lifecycle.log_folder(name) / "console.log"
        if path.exists():
            with path.open("r+b") as log:
                log.truncate(0)

    await call.work(clear)
    return sync()


async def no_console(call: Call) -> web.StreamResponse:
    await call.work(check_exists, call, call.path("name"))
    raise Unsupported("Attaching to a console is not offered; lxc console --show-log and lxc exec are")


async def no_backups(call: Call) -> web.StreamResponse:
    await call.work(check_exists, call, call.path("name"))
    return sync([])
