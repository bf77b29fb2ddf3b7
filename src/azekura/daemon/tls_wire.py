"""Big bodies over TLS: from the page cache through OpenSSL to the socket, past asyncio's transport.

asyncio's way copies every byte four times more, into buffers made anew for each mebibyte, and holds up to a mebibyte
for each client that is slow. Here two buffers serve all downloads, and a slow client costs what its socket didn't take
of 64 KiB.
"""

from __future__ import annotations

import asyncio
import os
import socket
from asyncio import AbstractEventLoop, Future
from typing import Any, Self

from OpenSSL._util import ffi

from azekura.daemon.tls_engine import RECORDS, Session

UNSENT = 64 * 1024
"""Bytes that may wait in the kernel for a client's window to open. Its own limit is mebibytes: a crowd of slow clients
would fill theirs at once, while all others wait, and wake us for every few bytes that they read."""

_LOOK = 2.0  # seconds between two looks at whether the connection is still there


class TlsWire:
    """The socket of a TLS connection, lent by asyncio for the length of a body. Use it in ``with``: when that is left
    before the body is whole, the connection is cut.
    """

    def __init__(self, transport: asyncio.Transport, session: Session) -> None:
        self._loop: AbstractEventLoop = asyncio.get_running_loop()
        self._transport = transport
        self._session = session
        # a descriptor of our own: asyncio may close its own at any time, and the number might soon be another file's
        connection = transport.get_extra_info("socket")
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT, UNSENT)
        self._socket = os.dup(connection.fileno())
        self._rest: memoryview = memoryview(b"")
        self._whole = False
        session.lent = True

    @classmethod
    def take(cls, transport: asyncio.Transport | None) -> TlsWire | None:
        """The wire behind ``transport``; None if there is none, or bytes of an earlier answer are still to be sent."""
        session = transport.get_extra_info("ssl_object") if transport is not None else None
        if transport is None or transport.is_closing() or not isinstance(session, Session) or session.lent:
            return None
        # private names of CPython's; without them the slower way is taken, and a test fails
        below = getattr(getattr(transport, "_ssl_protocol", None), "_transport", None)
        if below is None or below.get_write_buffer_size() or transport.get_write_buffer_size():
            return None
        return cls(transport, session)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._socket)
        self._session.lent = False
        if not self._whole:
            self._transport.abort()

    def put(self, source: Any, start: int, size: int) -> bool:
        """Send ``size`` bytes (at most RECORDS) of ``source``, a cffi buffer; when False, ``drain`` before the next.

        Raises:
            OSError: the connection is gone.
        """
        data = self._session.encrypted(source, start, size)
        try:
            sent = os.write(self._socket, data)
        except BlockingIOError:
            sent = 0
        if sent == len(data):
            return True
        self._rest = memoryview(bytes(data[sent:]))
        return False

    async def send(self, data: bytes) -> None:
        """Send all of ``data``. Raises as :meth:`put`."""
        source = ffi.from_buffer(data)
        for start in range(0, len(data), RECORDS):
            if not self.put(source, start, min(RECORDS, len(data) - start)):
                await self.drain()

    async def drain(self) -> None:
        """Until the socket has taken all.

        Raises:
            OSError: the connection is gone.
        """
        while self._rest:
            await self._writable()
            try:
                self._rest = self._rest[os.write(self._socket, self._rest) :]
            except BlockingIOError:
                continue

    async def _writable(self) -> None:
        ready: Future[None] = self._loop.create_future()
        self._loop.add_writer(self._socket, _wake, ready)
        timer = self._loop.call_later(_LOOK, _wake, ready)
        try:
            await ready
        finally:
            timer.cancel()
            self._loop.remove_writer(self._socket)
        if self._transport.is_closing():
            raise ConnectionResetError("the connection was closed")

    def done(self) -> None:
        """The body is whole: asyncio may go on with the connection."""
        self._whole = True


def _wake(ready: Future[None]) -> None:
    if not ready.done():
        ready.set_result(None)
