"""One connection's HTTP: aiohttp's own protocol, with LXD's words for a request that its parser refuses."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from aiohttp import web

from azekura.wire.envelope import error_body

KEPT_OPEN = 75.0  # seconds that a connection may stay without a request


class HttpProtocol(web.RequestHandler):
    """What isn't HTTP never reaches a route or a middleware, so the envelope is made here."""

    __slots__ = ()

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        plain = super().handle_error(request, status, exc, message)
        said = " ".join((message or "").split())[:200] if status < 500 else ""
        sentence = f"Malformed HTTP request: {said}" if said else ""
        answer = web.Response(status=plain.status, body=error_body(status, sentence), content_type="application/json")
        answer.force_close()
        return answer


def protocol_factory(server: web.Server) -> Callable[[], HttpProtocol]:
    """What makes the protocol of a new connection to ``server``."""
    arguments: dict[str, Any] = {"access_log": None, "keepalive_timeout": KEPT_OPEN}
    return lambda: HttpProtocol(server, loop=asyncio.get_running_loop(), **arguments)
