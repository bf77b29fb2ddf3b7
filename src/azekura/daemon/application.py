"""The HTTP application: every request gets its caller, its access check and its errors in one place."""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError

from azekura.daemon.call import MAX_JSON, Call, refused
from azekura.daemon.callers import Access, Caller, identify
from azekura.daemon.state import ServerState
from azekura.errors import AzekuraError
from azekura.services.images.lookup import ADMIN

log = logging.getLogger("azekura.http")

Handler = Callable[[Call], Awaitable[web.StreamResponse]]


@dataclass(frozen=True, slots=True)
class Route:
    """One line of the API: docs/rest-api.md has the same lines, and a test that says so."""

    method: str
    path: str
    handler: Handler
    access: Access
    summary: str


class _OneLine(logging.Filter):
    """What strangers can cause at will makes one line in the log, not a page."""

    def filter(self, record: logging.LogRecord) -> bool:
        exc = record.exc_info[1] if record.exc_info else None
        if isinstance(exc, HttpProcessingError | ConnectionError):
            record.msg, record.args = "%s: %s", (record.getMessage(), " ".join(str(exc).split())[:200])
            record.exc_info = None
            record.levelno, record.levelname = logging.INFO, "INFO"
        return True


logging.getLogger("aiohttp.server").addFilter(_OneLine())


# what LXD shows whatever project is asked for: a client may name one before it knows which there are
_OF_ALL_PROJECTS = re.compile(r"/1\.0/?|/1\.0/(projects|certificates|resources)(/.*)?")


def build(server: ServerState, routes: list[Route]) -> web.Application:
    """An aiohttp application that serves ``routes``."""
    app = web.Application(client_max_size=MAX_JSON, middlewares=[_outermost])
    for route in routes:
        app.router.add_route(route.method, route.path, _bind(server, route))
    return app


def _bind(server: ServerState, route: Route) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
    async def handle(request: web.Request) -> web.StreamResponse:
        if request.transport is not None and request.transport.get_extra_info("ssl_object") is None:
            caller = Caller(Access.ADMIN, "unix", "root", viewer=ADMIN)
        else:
            loop = asyncio.get_running_loop()
            caller = await loop.run_in_executor(server.requests, identify, request, server.trust)
            if caller.access < route.access:
                return refused(403, "not authorized")
        project = request.query.get("project", "default")
        if project not in ("", "default") and not _OF_ALL_PROJECTS.fullmatch(request.path):
            return refused(404, "Project not found")
        return await route.handler(Call(request, server, caller))

    return handle


@web.middleware
async def _outermost(
    request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
) -> web.StreamResponse:
    """Refuse what browsers send for strangers, and turn every error into LXD's envelope."""
    site = request.headers.get("Sec-Fetch-Site", "")
    if site in ("cross-site", "same-site"):
        return refused(403, "Forbidden Sec-Fetch-Site header value")
    origin = request.headers.get("Origin", "")
    if origin and request.method not in ("GET", "HEAD") and origin.partition("://")[2] != request.host:
        return refused(403, "Forbidden Origin header value")
    try:
        return await handler(request)
    except AzekuraError as exc:
        message = f"{exc} ({exc.hint})" if exc.hint else str(exc)
        if exc.status >= 500:
            log.warning("%s %s: %s", request.method, request.path, message)
        return refused(exc.status, message)
    except web.HTTPMethodNotAllowed:
        return refused(501, "not implemented")
    except web.HTTPNotFound:
        return refused(404, "not found")
    except web.HTTPException as exc:
        return refused(exc.status, exc.reason or "")
    except ConnectionError as exc:
        log.info("%s %s: the client hung up (%s)", request.method, request.path, exc)
        return refused(400, "The connection broke")  # nobody reads it; aiohttp takes its absence for a fault of ours
    except asyncio.CancelledError:
        raise
    except Exception:
        log.exception("%s %s failed", request.method, request.path)
        return refused(500, "Internal error, see the daemon's log")
