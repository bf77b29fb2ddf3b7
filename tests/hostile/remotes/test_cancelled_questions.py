"""A server that hangs while it is asked what an alias stands for: cancelling is heard within a second."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager

import pytest
from tests.fakes import fault_server as faulty
from tests.fakes.fault_server import FaultServer
from tests.fakes.remote_settings import quick
from tests.fakes.tls_identity import Identity

from azekura.errors import Cancelled
from azekura.model.source import Protocol
from azekura.remotes import open_server

PATHS = {
    Protocol.LXD: "/1.0/images/aliases/debian",
    Protocol.SIMPLESTREAMS: "/streams/v1/index.json",
    Protocol.DIRECT: "/",
}


def no_answer(answer: faulty.Answer) -> None:
    answer.server.owner.closing.wait(25)


@contextmanager
def mute(identity: Identity, path: str) -> Iterator[str]:
    """It takes the request and never answers."""
    with FaultServer(identity.server_context()) as web:
        web.script(path, no_answer, no_answer, no_answer)
        yield web.url


@contextmanager
def deaf(_: Identity, __: str) -> Iterator[str]:
    """It takes the connection and says nothing to the greeting of TLS."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield f"https://127.0.0.1:{listening.getsockname()[1]}"


@contextmanager
def gone(_: Identity, __: str) -> Iterator[str]:
    """Nobody takes the connection, and nobody refuses it."""
    with ExitStack() as stack:
        listening = stack.enter_context(socket.socket())
        listening.bind(("127.0.0.1", 0))
        listening.listen(0)
        for _number in range(4):  # until there is no room for more
            waiting = stack.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(listening.getsockname())
        time.sleep(0.1)
        yield f"https://127.0.0.1:{listening.getsockname()[1]}"


@pytest.mark.parametrize("protocol", PATHS, ids=str)
@pytest.mark.parametrize("hanging", [mute, deaf, gone])
def test_cancelling_ends_a_question_that_gets_no_answer(
    identity: Identity, protocol: Protocol, hanging: Callable[[Identity, str], AbstractContextManager[str]]
) -> None:
    with hanging(identity, PATHS[protocol]) as url:
        server = open_server(
            url, protocol, certificate_pem=identity.pem, policy=quick(stall_timeout=20, connect_timeout=20)
        )
        asked = threading.Event()
        threading.Timer(0.3, asked.set).start()
        started = time.monotonic()
        with pytest.raises(Cancelled):
            server.resolve(
                "" if protocol is Protocol.DIRECT else "debian",
                type=None,
                architectures=["x86_64"],
                cancelled=asked.is_set,
            )
        assert time.monotonic() - started < 1.3
