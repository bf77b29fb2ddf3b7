"""Files over HTTP: uploads into a staging, downloads out of the store."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import IO, Any

from aiohttp import BodyPartReader, web
from aiohttp.abc import AbstractStreamWriter
from aiohttp.http_exceptions import HttpProcessingError
from multidict import CIMultiDict

from azekura.daemon.body import FileSpan, send_body
from azekura.daemon.call import Call, clean_text
from azekura.errors import InvalidRequest
from azekura.services.images.parts import Part
from azekura.services.images.staging import Staging

BATCH = 1 << 20  # bytes handed to a thread at once


async def receive_file(call: Call, staging: Staging, role: str) -> None:
    """The request's body as one part."""
    part = staging.part(role, call.request.content_length)
    await _pump(call, part, call.request.content.iter_any())


async def receive_form(call: Call, staging: Staging) -> str:
    """A multipart body: metadata, then rootfs. Returns the label (file name) of the last part.

    Raises:
        InvalidRequest: not such a form, in LXD's words.
    """
    with _malformed_form():
        reader = await call.request.multipart()
    label = ""
    while True:
        with _malformed_form():
            field = await reader.next()
        if field is None:
            return clean_text(label)
        if not isinstance(field, BodyPartReader) or field.name not in ("metadata", "rootfs", "rootfs.img"):
            raise InvalidRequest("Invalid multipart image")
        label = field.filename or ""
        part = staging.part(field.name, None)
        await _pump(call, part, _chunks(field))


async def _chunks(field: BodyPartReader) -> AsyncIterator[bytes]:
    while True:
        with _malformed_form():
            data = await field.read_chunk(BATCH)
        if not data:
            return
        yield data


@contextlib.contextmanager
def _malformed_form() -> Iterator[None]:
    """aiohttp's parser raises whatever it stumbles over."""
    try:
        yield
    except (ValueError, AssertionError, RuntimeError, HttpProcessingError, EOFError) as exc:
        raise InvalidRequest("Invalid multipart image") from exc


async def _pump(call: Call, part: Part, chunks: AsyncIterator[bytes]) -> None:
    """Write batches in a thread while the next one is being received."""
    loop = asyncio.get_running_loop()
    batch = bytearray()
    writing: asyncio.Future[None] | None = None
    try:
        async for chunk in chunks:
            batch += chunk
            if len(batch) < BATCH:
                continue
            if writing is not None:
                await writing
            writing = loop.run_in_executor(call.server.uploads, part.write, bytes(batch))
            batch.clear()
    finally:
        if writing is not None:
            await writing
    if batch:
        await loop.run_in_executor(call.server.uploads, part.write, bytes(batch))


class BlobResponse(web.FileResponse):
    """A file with Range and conditional requests: zero-copy on the unix socket, big slices over TLS.

    aiohttp's own way over TLS reads 16 KiB at a time, ten times slower (docs/adr/0004).
    """

    def __init__(self, call: Call, path: Path, filename: str) -> None:
        super().__init__(
            path,
            headers={
                "Content-Type": "application/octet-stream",
                "Content-Disposition": f"inline;filename={filename}",
            },
        )
        self._call = call

    async def prepare(self, request: web.BaseRequest) -> AbstractStreamWriter | None:
        condition = request.headers.get("If-Range", "")
        if condition.startswith(('"', "W/")):  # aiohttp knows dates only
            status = self._path.stat()
            if condition != f'"{status.st_mtime_ns:x}-{status.st_size:x}"':
                kept = [(key, value) for key, value in request.headers.items() if key.lower() != "range"]
                request = request.clone(headers=CIMultiDict(kept))
        self._call.server.downloads += 1
        try:
            return await super().prepare(request)
        finally:
            self._call.server.downloads -= 1

    async def _sendfile(self, request: web.BaseRequest, fobj: IO[Any], offset: int, count: int) -> AbstractStreamWriter:
        if request.get_extra_info("ssl_object") is None:
            return await super()._sendfile(request, fobj, offset, count)
        writer = await web.StreamResponse.prepare(self, request)
        assert writer is not None
        await send_body(self._call, request.transport, writer, [FileSpan(fobj.fileno(), offset, count)])
        return writer
