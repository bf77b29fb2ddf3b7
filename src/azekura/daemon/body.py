"""Sending a body made of bytes and files, over TLS by its own way."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Sequence
from dataclasses import dataclass

from aiohttp.abc import AbstractStreamWriter
from OpenSSL._util import ffi

from azekura.daemon.call import Call
from azekura.daemon.tls_engine import RECORDS
from azekura.daemon.tls_wire import TlsWire

BATCH = 1 << 20  # bytes read from the disk, or sent, before others have their turn
SMALL_BATCH = 64 * 1024
MANY = 16  # downloads at once from which both get smaller: memory and patience matter more than speed then

# for all downloads: nobody else runs between filling it and having it encrypted
_PLAIN = bytearray(RECORDS)
_PLAIN_VIEW = memoryview(_PLAIN)
_PLAIN_SOURCE = ffi.from_buffer(_PLAIN)


@dataclass(frozen=True, slots=True)
class FileSpan:
    """``count`` bytes of an open file from ``offset`` on."""

    file: int  # descriptor
    offset: int
    count: int


def slice_size(call: Call) -> int:
    """Bytes of a file held at once: many slow clients must not hold much memory each."""
    return BATCH if call.server.downloads < MANY else SMALL_BATCH


async def send_body(
    call: Call, transport: asyncio.Transport | None, writer: AbstractStreamWriter, body: Sequence[bytes | FileSpan]
) -> None:
    """Send ``body`` after headers that are on their way; its length is the one they announce.

    Raises:
        OSError: the connection is gone, or a file can't be read.
    """
    wire = TlsWire.take(transport)
    if wire is None:
        await _send_plainly(call, writer, body)
        return
    with wire:
        for part in body:
            if isinstance(part, bytes):
                await wire.send(part)
            else:
                await _send_span(call, wire, part)
        wire.done()


async def _send_span(call: Call, wire: TlsWire, span: FileSpan) -> None:
    offset, end, in_turn = span.offset, span.offset + span.count, 0
    while offset < end:
        cached = _fill(span.file, offset, min(end - offset, RECORDS))
        if not cached:
            data = await _read(call, span.file, offset, end - offset)
            await wire.send(data)
            offset += len(data)
            in_turn = 0
            continue
        offset += cached
        in_turn += cached
        if not wire.put(_PLAIN_SOURCE, 0, cached):
            await wire.drain()
            in_turn = 0
        elif in_turn >= slice_size(call):
            await asyncio.sleep(0)
            in_turn = 0


def _fill(file: int, offset: int, size: int) -> int:
    """Fill the buffer from the page cache, without waiting for the disk; 0 where that would be needed."""
    try:
        return os.preadv(file, [_PLAIN_VIEW[:size]], offset, os.RWF_NOWAIT)
    except OSError:  # EAGAIN, or a file system that can't tell
        return 0


async def _read(call: Call, file: int, offset: int, left: int) -> bytes:
    """The next bytes, from the disk, in a thread.

    Raises:
        OSError: there are none.
    """
    size = min(left, slice_size(call))
    data = await asyncio.get_running_loop().run_in_executor(call.server.readers, os.pread, file, size, offset)
    if not data:
        raise OSError("A file is shorter than it was")
    return data


async def _send_plainly(call: Call, writer: AbstractStreamWriter, body: Sequence[bytes | FileSpan]) -> None:
    for part in body:
        if isinstance(part, bytes):
            await writer.write(part)
            continue
        offset, end = part.offset, part.offset + part.count
        while offset < end:
            data = await _read(call, part.file, offset, end - offset)
            await writer.write(data)
            offset += len(data)
    await writer.drain()
