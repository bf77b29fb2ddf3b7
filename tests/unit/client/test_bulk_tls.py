"""The sockets for big bodies: as any other TLS socket to who uses them, only with more bytes at once. With the ssl
module's engine, and with the one for servers whose certificate is pinned.
"""

from __future__ import annotations

import os
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

import pytest
from tests.fakes.tls_identity import Identity, make_identity

from azekura.client.bulk_tls import BulkContext, BulkTlsSocket
from azekura.client.tls import client_context
from azekura.remotes.pinned_tls import PinnedContext

RECORD = 16 * 1024


@pytest.fixture(scope="module")
def identity(tmp_path_factory: pytest.TempPathFactory) -> Identity:
    return make_identity(tmp_path_factory.mktemp("identity"))


@pytest.fixture(params=["standard", "pinned"])
def context(request: pytest.FixtureRequest) -> BulkContext:
    if request.param == "standard":
        context = client_context(None, None, verify=False, kind=BulkContext)
    else:
        context = client_context(None, None, verify=False, kind=PinnedContext)
        assert isinstance(context, PinnedContext)
        context.show("", "")
    assert isinstance(context, BulkContext)
    return context


@contextmanager
def connected(
    context: BulkContext, identity: Identity, served: Callable[[ssl.SSLSocket], None]
) -> Iterator[BulkTlsSocket]:
    """A connection to a thread that runs ``served`` with the other end."""
    near, far = socket.socketpair()

    def serve() -> None:
        with suppress(OSError), identity.server_context().wrap_socket(far, server_side=True) as secure:
            served(secure)
        far.close()

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        near.settimeout(5)
        secure = context.wrap_socket(near)
        assert isinstance(secure, BulkTlsSocket)
        with secure:
            yield secure
    finally:
        near.close()
        thread.join(5)


def wait(event: threading.Event) -> None:
    event.wait(5)


def everything(secure: BulkTlsSocket, size: int = 1 << 20) -> tuple[bytes, int]:
    """All bytes until the end, and the number of reads it took."""
    got, buffer, reads = bytearray(), bytearray(size), 0
    while count := secure.recv_into(buffer):
        got += buffer[:count]
        reads += 1
    return bytes(got), reads


def test_one_read_returns_more_than_one_record(context: BulkContext, identity: Identity) -> None:
    body = os.urandom(4 << 20)
    with connected(context, identity, lambda peer: peer.sendall(body)) as secure:
        got, reads = everything(secure)
    assert got == body
    assert reads < len(body) // RECORD


@pytest.mark.parametrize("size", [1, 7, RECORD - 1, RECORD, RECORD + 1, 100_000])
def test_bytes_come_in_order_whatever_the_buffer(context: BulkContext, identity: Identity, size: int) -> None:
    body = os.urandom(200 * size if size < 100 else 500_001)
    with connected(context, identity, lambda peer: peer.sendall(body)) as secure:
        assert everything(secure, size)[0] == body


def test_what_is_there_is_returned_without_waiting_for_more(context: BulkContext, identity: Identity) -> None:
    asked = threading.Event()

    def served(peer: ssl.SSLSocket) -> None:
        peer.sendall(b"first")
        assert asked.wait(5)
        peer.sendall(b"second")

    with connected(context, identity, served) as secure:
        assert secure.recv(1 << 20) == b"first"
        asked.set()
        assert secure.recv(1 << 20) == b"second"
        assert secure.recv(1 << 20) == b""


def test_a_connection_cut_off_ends_after_the_bytes_that_came(context: BulkContext, identity: Identity) -> None:
    def cut(peer: ssl.SSLSocket) -> None:
        peer.sendall(b"x" * 50_000)
        os.close(peer.detach())  # no close_notify

    with connected(context, identity, cut) as secure:
        assert everything(secure)[0] == b"x" * 50_000


def test_silence_ends_in_the_sockets_own_time_out(context: BulkContext, identity: Identity) -> None:
    done = threading.Event()
    with connected(context, identity, lambda _: wait(done)) as secure:
        secure.settimeout(0.05)
        with pytest.raises(TimeoutError):
            secure.recv(1)
        done.set()


def test_another_threads_shutdown_wakes_a_reader(context: BulkContext, identity: Identity) -> None:
    done = threading.Event()
    with connected(context, identity, lambda _: wait(done)) as secure:
        timer = threading.Timer(0.05, lambda: socket.socket.shutdown(secure, socket.SHUT_RDWR))
        timer.start()
        assert secure.recv(1) == b""
        timer.join()
        done.set()


def test_big_bodies_are_sent_whole(context: BulkContext, identity: Identity) -> None:
    body, got = os.urandom(3 << 20), bytearray()

    def served(peer: ssl.SSLSocket) -> None:
        while data := peer.recv(1 << 16):
            got.extend(data)
            if len(got) == len(body):
                peer.sendall(b"thanks")
                return

    with connected(context, identity, served) as secure:
        secure.sendall(body)
        assert secure.recv(10) == b"thanks"
    assert got == body


def test_a_file_made_of_it_reads_lines_and_the_rest(context: BulkContext, identity: Identity) -> None:
    with (
        connected(context, identity, lambda peer: peer.sendall(b"HTTP/1.1 200 OK\r\n\r\nbody")) as secure,
        secure.makefile("rb") as file,
    ):
        assert file.readline() == b"HTTP/1.1 200 OK\r\n"
        assert file.read() == b"\r\nbody"


def test_a_changed_record_is_an_error_and_no_byte_of_it_is_returned(context: BulkContext, identity: Identity) -> None:
    near, far = socket.socketpair()

    def serve() -> None:
        incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        peer = identity.server_context().wrap_bio(incoming, outgoing, server_side=True)
        while True:
            try:
                peer.do_handshake()
                break
            except ssl.SSLWantReadError:
                far.sendall(outgoing.read())
                incoming.write(far.recv(1 << 16))
        far.sendall(outgoing.read())
        peer.write(b"good")
        far.sendall(outgoing.read())
        peer.write(b"spoilt")
        record = bytearray(outgoing.read())
        record[-1] ^= 1
        far.sendall(record)

    thread = threading.Thread(target=serve)
    thread.start()
    near.settimeout(5)
    with context.wrap_socket(near) as secure:
        thread.join(5)
        assert secure.recv(1000) == b"good"
        with pytest.raises(ssl.SSLError):
            secure.recv(1000)
    far.close()


def test_a_server_that_does_not_speak_tls_is_an_error_and_closes_the_socket(context: BulkContext) -> None:
    near, far = socket.socketpair()
    far.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")
    with pytest.raises(ssl.SSLError):
        context.wrap_socket(near)
    assert near.fileno() == -1
    far.close()
