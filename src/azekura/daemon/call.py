"""One request on its way through a handler, and the answers a handler can give."""

from __future__ import annotations

import asyncio
import functools
import json
from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar
from urllib.parse import quote

from aiohttp import web

from azekura.daemon.callers import Caller
from azekura.daemon.state import ServerState
from azekura.errors import InvalidRequest, TooLarge
from azekura.model.operation import Operation
from azekura.services.depot import Depot
from azekura.wire.envelope import async_body, error_body, sync_body

P = ParamSpec("P")
T = TypeVar("T")

MAX_JSON = 4 * 1024 * 1024  # bytes of a request body that is read whole
JSON_TYPE = "application/json"


class Call:
    """What a handler gets: the request, who sent it, and the server's parts."""

    def __init__(self, request: web.Request, server: ServerState, caller: Caller) -> None:
        self.request = request
        self.server = server
        self.caller = caller

    @property
    def depot(self) -> Depot:
        return self.server.depot

    async def work(self, func: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run blocking ``func`` in a thread and return what it returns."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self.server.requests, functools.partial(func, *args, **kwargs))

    def path(self, name: str) -> str:
        """A part of the path, decoded."""
        return self.request.match_info[name]

    def query(self, name: str, default: str = "") -> str:
        return self.request.query.get(name, default)

    def header(self, name: str) -> str:
        """A header's value, empty where there is none; bytes that aren't UTF-8 become U+FFFD."""
        return clean_text(self.request.headers.get(name, ""))

    def recursion(self) -> int:
        """The depth asked for.

        Raises:
            InvalidRequest: not a number.
        """
        text = self.query("recursion", "0")
        if not text.isascii() or not text.isdigit() or len(text) > 3:
            raise InvalidRequest(f"Invalid recursion {text[:20]!r}: it takes a whole number")
        return int(text)

    def if_match(self) -> str | None:
        return self.request.headers.get("If-Match")

    async def raw(self) -> bytes:
        """The whole body.

        Raises:
            TooLarge: over the limit for bodies that are read whole.
        """
        try:
            return await self.request.read()
        except web.HTTPRequestEntityTooLarge as exc:
            raise TooLarge(f"The request's body is larger than {MAX_JSON} bytes") from exc

    async def json(self) -> Any:
        """The body as JSON; an empty body is an empty object.

        Raises:
            InvalidRequest: not JSON, deeper nested than any request of ours, or with text that isn't Unicode.
        """
        body = await self.raw()
        if not body.strip():
            return {}
        try:
            value = json.loads(body)
        except (ValueError, RecursionError) as exc:
            raise InvalidRequest(f"The request's body is not JSON: {str(exc)[:100]}") from exc
        if b"\\ud" in body.lower() and _has_half_character(value):
            raise InvalidRequest("The request's body has half of a character in it (a lone surrogate)")
        return value


def _has_half_character(value: Any) -> bool:
    """Whether a text in ``value`` holds a lone surrogate: JSON can spell it, UTF-8 can't."""
    pending = [value]
    while pending:
        one = pending.pop()
        if isinstance(one, str):
            if not one.isascii() and any("\ud800" <= char <= "\udfff" for char in one):
                return True
        elif isinstance(one, dict):
            pending.extend(one)
            pending.extend(one.values())
        elif isinstance(one, list):
            pending.extend(one)
    return False


def clean_text(text: str) -> str:
    """``text`` from a header (PEP 383 escapes for stray bytes) as text that can be stored and sent."""
    return text if text.isascii() else text.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


def sync(metadata: Any = None, *, etag: str = "", location: str = "") -> web.Response:
    """An answer with its result. With a location it is LXD's "created" (201)."""
    response = web.Response(body=sync_body(metadata), content_type=JSON_TYPE, status=201 if location else 200)
    if etag:
        response.headers["ETag"] = f'"{etag}"'
    if location:
        response.headers["Location"] = location
    return response


def sync_encoded(body: bytes) -> web.Response:
    """An answer that was encoded already, in a thread: encoding thousands of records would hold everybody else up."""
    return web.Response(body=body, content_type=JSON_TYPE)


def started(operation: Operation) -> web.Response:
    """An answer that work has begun."""
    response = web.Response(body=async_body(operation), content_type=JSON_TYPE, status=202)
    response.headers["Location"] = f"/1.0/operations/{operation.id}"
    return response


def refused(status: int, message: str) -> web.Response:
    """An error."""
    response = web.Response(body=error_body(status, message), content_type=JSON_TYPE, status=status)
    response.headers["X-Content-Type-Options"] = "nosniff"
    return response


def url(*parts: str) -> str:
    """An API path from its parts, each escaped once."""
    return "/1.0/" + "/".join(quote(part, safe="") for part in parts)


def urls(kind: str, names: list[str]) -> list[str]:
    return [url(kind, name) for name in names]
