"""Bodies sent past asyncio's transport: the same bytes, however slowly read, and never half of one as whole."""

from __future__ import annotations

import asyncio
import fcntl
import os
import socket
import ssl
import struct
import sys
from collections.abc import Awaitable, Callable

import pytest
from aiohttp import ClientSession, web
from OpenSSL._util import ffi
from tests.fakes.tls_identity import Identity, make_identity

from azekura.client.tls import client_context
from azekura.daemon.tls_engine import RECORDS, AnyClientContext
from azekura.daemon.tls_wire import UNSENT, TlsWire

BODY = os.urandom(9_000_001)
SIOCOUTQNSD = 0x894B  # bytes in the send queue that were not sent yet (tcp(7))

Served = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
Asking = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@pytest.fixture(scope="module")
def identity(tmp_path_factory: pytest.TempPathFactory) -> Identity:
    return make_identity(tmp_path_factory.mktemp("identity"))


def run(identity: Identity, served: Served, asking: Asking) -> list[BaseException]:
    """Both ends in one loop; what the server's end raised."""
    raised: list[BaseException] = []
    over = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await served(reader, writer)
        except (OSError, RuntimeError) as exc:
            raised.append(exc)
        finally:
            writer.close()
            over.set()

    async def both() -> None:
        context = AnyClientContext(identity.certificate, identity.key)
        server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context, ssl_shutdown_timeout=1)
        port = server.sockets[0].getsockname()[1]
        mine = client_context(None, None, verify=False)
        reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=mine)
        try:
            await asyncio.wait_for(asking(reader, writer), 20)
        finally:
            writer.transport.abort()
        await asyncio.wait_for(over.wait(), 10)
        server.close()
        await server.wait_closed()
        await asyncio.sleep(0.05)

    asyncio.run(both())
    return raised


def taken(writer: asyncio.StreamWriter) -> TlsWire:
    transport = writer.transport
    assert isinstance(transport, asyncio.Transport)
    wire = TlsWire.take(transport)
    assert wire is not None
    return wire


async def send_body(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with taken(writer) as wire:
        await wire.send(BODY)
        wire.done()
    writer.write(b"and then asyncio's own")
    await writer.drain()


def test_a_body_comes_whole_and_what_asyncio_sends_afterwards_too(identity: Identity) -> None:
    async def asking(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
        assert await reader.readexactly(len(BODY)) == BODY
        assert await reader.read() == b"and then asyncio's own"

    assert run(identity, send_body, asking) == []


def test_a_slow_reader_gets_the_same_bytes(identity: Identity) -> None:
    async def asking(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
        got = bytearray()
        while len(got) < len(BODY):
            got += await reader.read(700_000)
            await asyncio.sleep(0.01)
        assert got[: len(BODY)] == BODY

    assert run(identity, send_body, asking) == []


def test_little_waits_in_the_kernel_for_a_client_that_does_not_read(identity: Identity) -> None:
    unsent = []

    async def served(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        source = ffi.from_buffer(bytes(RECORDS))
        with taken(writer) as wire:
            while wire.put(source, 0, RECORDS):
                await asyncio.sleep(0)
            connection = writer.get_extra_info("socket")
            unsent.append(int.from_bytes(fcntl.ioctl(connection.fileno(), SIOCOUTQNSD, bytes(4)), sys.byteorder))

    async def asking(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.transport.pause_reading()  # type: ignore[attr-defined]
        while not unsent:
            await asyncio.sleep(0.01)
        writer.transport.abort()

    run(identity, served, asking)
    assert 0 < unsent[0] <= UNSENT + 2 * RECORDS


def test_requests_that_come_meanwhile_are_read_and_do_no_harm(identity: Identity) -> None:
    heard = bytearray()

    async def served(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await send_body(reader, writer)
        heard.extend(await reader.readexactly(5000))

    async def asking(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        got = bytearray()
        for number in range(5):
            got += await reader.readexactly(700_000)
            writer.write(b"%d" % number * 1000)
            await asyncio.sleep(0.01)
        got += await reader.read(-1)
        assert got[: len(BODY)] == BODY

    assert run(identity, served, asking) == []
    assert heard == b"".join(b"%d" % number * 1000 for number in range(5))


def test_a_body_that_ends_early_cuts_the_connection(identity: Identity) -> None:
    async def served(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with taken(writer) as wire:
            await wire.send(BODY[:100_000])
            raise RuntimeError("the rest can't be read")

    async def asking(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
        got = bytearray()
        with pytest.raises((ConnectionResetError, ssl.SSLError, asyncio.IncompleteReadError)):
            got += await reader.readexactly(100_001)

    (error,) = run(identity, served, asking)
    assert isinstance(error, RuntimeError)


def test_a_client_that_goes_away_ends_the_sending(identity: Identity) -> None:
    async def served(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with taken(writer) as wire:
            while True:
                await wire.send(BODY)

    async def asking(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readexactly(1000)
        plain = writer.get_extra_info("socket")
        plain.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))  # reset, not close

    (error,) = run(identity, served, asking)
    assert isinstance(error, OSError)


def test_a_connection_that_is_closed_while_it_waits_is_given_up(
    identity: Identity, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("azekura.daemon.tls_wire._LOOK", 0.05)

    async def served(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asyncio.get_running_loop().call_later(0.2, writer.transport.abort)
        with taken(writer) as wire:
            while True:
                await wire.send(BODY)

    async def asking(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
        await reader.readexactly(1000)
        await asyncio.sleep(0.6)

    (error,) = run(identity, served, asking)
    assert isinstance(error, OSError)


def test_the_wire_is_not_lent_twice_nor_while_earlier_bytes_wait(identity: Identity) -> None:
    async def served(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        transport = writer.transport
        assert isinstance(transport, asyncio.Transport)
        with taken(writer) as wire:
            assert TlsWire.take(transport) is None
            wire.done()
        while transport._ssl_protocol._transport.get_write_buffer_size() == 0:  # type: ignore[attr-defined]
            writer.write(BODY)
        assert TlsWire.take(transport) is None

    async def asking(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
        await asyncio.sleep(0.3)

    assert run(identity, served, asking) == []


@pytest.mark.parametrize("size", [1, RECORDS - 1, RECORDS])
def test_put_takes_up_to_a_flush_at_once(identity: Identity, size: int) -> None:
    async def served(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with taken(writer) as wire:
            if not wire.put(ffi.from_buffer(BODY), 5, size):
                await wire.drain()
            wire.done()

    async def asking(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
        assert await reader.readexactly(size) == BODY[5 : 5 + size]

    assert run(identity, served, asking) == []


def test_a_plain_transport_has_no_wire() -> None:
    async def connect() -> None:
        near, far = socket.socketpair()
        with far:
            _, writer = await asyncio.open_unix_connection(sock=near)
            assert isinstance(writer.transport, asyncio.Transport)
            assert TlsWire.take(writer.transport) is None
            assert TlsWire.take(None) is None
            writer.close()
            await writer.wait_closed()

    asyncio.run(connect())


def test_a_response_of_aiohttp_finds_the_wire_free_after_its_headers(identity: Identity) -> None:
    found: list[bool] = []

    async def handler(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        response.content_length = len(BODY)
        await response.prepare(request)
        wire = TlsWire.take(request.transport)
        found.append(wire is not None)
        assert wire is not None
        with wire:
            await wire.send(BODY)
            wire.done()
        await response.write_eof()
        return response

    async def ask() -> None:
        app = web.Application()
        app.router.add_get("/", handler)
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        context = AnyClientContext(identity.certificate, identity.key)
        loop = asyncio.get_running_loop()
        server = await loop.create_server(runner.server or pytest.fail("no server"), "127.0.0.1", 0, ssl=context)
        port = server.sockets[0].getsockname()[1]
        async with ClientSession() as session:
            for _ in range(2):  # over one connection
                async with session.get(
                    f"https://127.0.0.1:{port}/", ssl=client_context(None, None, verify=False)
                ) as answer:
                    assert await answer.read() == BODY
        server.close()
        await runner.cleanup()
        await asyncio.sleep(0.05)

    asyncio.run(ask())
    assert found == [True, True]
