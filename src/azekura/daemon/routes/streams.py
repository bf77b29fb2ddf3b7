"""``/streams/v1``: public images for simplestreams clients, which never say who they are."""

from __future__ import annotations

from aiohttp import web

from azekura.daemon.call import JSON_TYPE, Call
from azekura.daemon.transfer import BlobResponse
from azekura.errors import NotFound
from azekura.services.images.streams import StreamDocument, StreamView, stream_file

CHECK_EACH_TIME = "no-cache"  # caches may keep it, and must ask whether it is still the same
FOR_EVER = "public, max-age=31536000, immutable"


async def index(call: Call) -> web.StreamResponse:
    return await _send(call, (await _view(call)).index)


async def images(call: Call) -> web.StreamResponse:
    return await _send(call, (await _view(call)).images)


async def file(call: Call) -> web.StreamResponse:
    await _check_offered(call)
    name = call.path("name")
    response = BlobResponse(call, await call.work(stream_file, call.depot, name), name)
    response.headers["Cache-Control"] = FOR_EVER
    return response


async def _check_offered(call: Call) -> None:
    """Raises:
    NotFound: this face of the server is turned off.
    """
    if not await call.work(call.server.settings.flag, "images.serve_simplestreams"):
        raise NotFound("page", message="not found")


async def _view(call: Call) -> StreamView:
    await _check_offered(call)
    streams = call.server.streams
    if (view := streams.present()) is not None:
        return view
    async with call.server.streams_turn:  # those who wait hold no thread
        return await call.work(streams.view)


async def _send(call: Call, document: StreamDocument) -> web.StreamResponse:
    request = call.request
    packed = await call.work(document.packed) if _takes_gzip(request) else None
    body, etag = (document.body, document.etag) if packed is None else (packed, f"{document.etag}-gzip")
    unchanged = _has_it(request, document, etag)
    response = web.Response(status=304) if unchanged else web.Response(body=body, content_type=JSON_TYPE)
    response.headers["ETag"] = f'"{etag}"'
    response.headers["Cache-Control"] = CHECK_EACH_TIME
    response.headers["Vary"] = "Accept-Encoding"
    response.last_modified = document.made_at
    if packed is not None and not unchanged:
        response.headers["Content-Encoding"] = "gzip"
    return response


def _takes_gzip(request: web.Request) -> bool:
    for one in ",".join(request.headers.getall("Accept-Encoding", [])).split(","):
        coding, _, weight = one.partition(";")
        if coding.strip().lower() == "gzip":
            return weight.replace(" ", "").rstrip("0.") != "q="  # a weight of nothing is a refusal
    return False


def _has_it(request: web.Request, document: StreamDocument, etag: str) -> bool:
    """Whether the client's copy is good still: by its ETag, or where it shows none, by its date."""
    tags = request.if_none_match
    if tags is not None:
        return any(tag.value in ("*", etag) for tag in tags)
    since = request.if_modified_since
    return since is not None and document.made_at <= since
