"""A split image as LXD sends it: a form with metadata and rootfs. Here its bytes are the same each time, so that a
download can be resumed: the boundary is made of the files' own hashes, which no file can hold by chance or by design.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Sequence
from contextlib import ExitStack

from aiohttp import web

from azekura.daemon.body import FileSpan, send_body
from azekura.daemon.call import Call
from azekura.services.images.export import ExportFile


async def send_form(call: Call, files: Sequence[ExportFile]) -> web.StreamResponse:
    """Send ``files``, or the range of the form that is asked for (RFC 9110, sec. 13 and 14)."""
    request = call.request
    mark = hashlib.sha256("\n".join(f"{one.field} {one.filename} {one.file.sha256}" for one in files).encode())
    boundary, etag = mark.hexdigest()[:60], f'"form-{mark.hexdigest()[:32]}"'
    heads, tail = _framing(files, boundary)
    total = sum(len(head) + one.file.size + 2 for head, one in zip(heads, files, strict=True)) + len(tail)
    response = web.StreamResponse(
        headers={
            "Content-Type": f"multipart/form-data; boundary={boundary}",
            "Accept-Ranges": "bytes",
            "ETag": etag,
        }
    )
    if etag in [one.strip() for one in request.headers.get("If-None-Match", "").split(",")]:
        response.set_status(304)
        await response.prepare(request)
        return response
    start, end = 0, total
    if "Range" in request.headers and request.headers.get("If-Range", etag) == etag:
        try:
            start, end, _ = request.http_range.indices(total)
        except ValueError:
            end = start
        if start >= end:
            response.set_status(416)
            response.headers["Content-Range"] = f"bytes */{total}"
            response.content_length = 0
            await response.prepare(request)
            return response
        response.set_status(206)
        response.headers["Content-Range"] = f"bytes {start}-{end - 1}/{total}"
    response.content_length = end - start
    with ExitStack() as stack:
        body = await _opened(call, files, heads, tail, stack)
        writer = await response.prepare(request)
        if request.method == "HEAD" or writer is None:
            return response
        call.server.downloads += 1
        try:
            await send_body(call, request.transport, writer, _cut(body, start, end))
            await response.write_eof()
        finally:
            call.server.downloads -= 1
    return response


def _framing(files: Sequence[ExportFile], boundary: str) -> tuple[list[bytes], bytes]:
    """What stands before each file, and after the last one's line end."""
    heads = [
        (
            f'--{boundary}\r\nContent-Disposition: form-data; name="{one.field}"; filename="{one.filename}"\r\n'
            "Content-Type: application/octet-stream\r\n\r\n"
        ).encode()
        for one in files
    ]
    return heads, f"--{boundary}--\r\n".encode()


async def _opened(
    call: Call, files: Sequence[ExportFile], heads: list[bytes], tail: bytes, stack: ExitStack
) -> list[bytes | FileSpan]:
    body: list[bytes | FileSpan] = []
    for head, one in zip(heads, files, strict=True):
        raw = await asyncio.get_running_loop().run_in_executor(
            call.server.readers, call.depot.blobs.open, one.file.sha256
        )
        stack.callback(raw.close)
        body += [head, FileSpan(raw.fileno(), 0, one.file.size), b"\r\n"]
    return [*body, tail]


def _cut(body: list[bytes | FileSpan], start: int, end: int) -> list[bytes | FileSpan]:
    """The bytes from ``start`` to ``end`` of all together."""
    wanted: list[bytes | FileSpan] = []
    at = 0
    for part in body:
        size = len(part) if isinstance(part, bytes) else part.count
        first, last = max(start - at, 0), min(end - at, size)
        at += size
        if first >= last:
            continue
        if isinstance(part, bytes):
            wanted.append(part[first:last])
        else:
            wanted.append(FileSpan(part.file, part.offset + first, last - first))
    return wanted
