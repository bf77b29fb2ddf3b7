"""The websocket client, against frames written by hand."""

from __future__ import annotations

import os

import pytest
from tests.fakes.api_server import Request, api_server

from azekura.client.websocket import BINARY, TEXT, masked
from azekura.errors import BadAnswer, NotFound


@pytest.mark.parametrize("size", [0, 1, 3, 4, 125, 126, 70_000])
def test_masking_is_its_own_inverse(size: int) -> None:
    data, mask = os.urandom(size), os.urandom(4)
    assert masked(masked(data, mask), mask) == data
    assert masked(data, mask) == bytes(byte ^ mask[at % 4] for at, byte in enumerate(data))


@pytest.mark.parametrize("size", [0, 125, 126, 65_535, 65_536, 300_000])
def test_messages_of_every_length_go_and_come(size: int) -> None:
    data = os.urandom(size)

    def echo(request: Request) -> None:
        request.switch()
        kind, payload = request.read_frame()
        request.send_frame(kind, payload)

    with api_server(echo) as api:
        socket = api.server.websocket("events")
        socket.send_binary(data)
        assert socket.receive() == (BINARY, data)
        assert socket.receive() is None
        socket.close()


def test_fragments_are_joined_and_pings_answered() -> None:
    pongs: list[tuple[int, bytes]] = []

    def handler(request: Request) -> None:
        request.switch()
        request.send_frame(TEXT, b"one ", final=False)
        request.send_frame(9, b"are you there")
        request.send_frame(0, b"two", final=True)
        pongs.append(request.read_frame())
        request.send_frame(8, b"\x03\xe8")
        request.read_frame()

    with api_server(handler) as api:
        socket = api.server.websocket("events")
        assert socket.receive() == (TEXT, b"one two")
        assert socket.receive() is None
        socket.close()
    assert pongs == [(10, b"are you there")]


def test_what_was_sent_before_a_hang_up_is_still_read() -> None:
    """A ping can't be answered any more then; the data after it counts all the same."""

    def handler(request: Request) -> None:
        request.switch()
        request.send_frame(9, b"")
        request.send_frame(BINARY, b"the end")

    with api_server(handler) as api:
        socket = api.server.websocket("events")
        __import__("time").sleep(0.1)
        assert socket.receive() == (BINARY, b"the end")
        assert socket.receive() is None
        socket.close()


@pytest.mark.parametrize(
    "frame",
    [
        b"\xc1\x00",  # reserved bit
        b"\x81\x80abcd",  # masked by the server
        b"\x82\x7f" + b"\xff" * 8,  # longer than anything
    ],
)
def test_malformed_frames_are_refused(frame: bytes) -> None:
    def handler(request: Request) -> None:
        request.switch()
        request.raw(frame)

    with api_server(handler) as api:
        socket = api.server.websocket("events")
        with pytest.raises(BadAnswer):
            socket.receive()
        socket.close()


def test_refused_switch_becomes_the_servers_error() -> None:
    with api_server(lambda request: request.refuse(404, "Operation not found")) as api:
        with pytest.raises(NotFound, match="Operation not found"):
            api.server.websocket("operations/x/websocket", {"secret": "y"})
        assert api.requests[0].query == "secret=y"


def test_wrong_accept_key_is_refused() -> None:
    def handler(request: Request) -> None:
        request.headers["sec-websocket-key"] = "another"
        request.switch()

    with api_server(handler) as api, pytest.raises(BadAnswer, match="handshake"):
        api.server.websocket("events")


def test_several_are_opened_at_once() -> None:
    def handler(request: Request) -> None:
        request.switch()
        request.send_frame(TEXT, request.query.encode())

    with api_server(handler) as api:
        sockets = api.server.websockets("x", [{"secret": "a"}, {"secret": "b"}])
        assert [socket.receive() for socket in sockets] == [(TEXT, b"secret=a"), (TEXT, b"secret=b")]
        for socket in sockets:
            socket.close()
