"""An image that a daemon sends to another one, through the proxy that its administrator set."""

from __future__ import annotations

import hashlib
import socket
from collections.abc import Iterator

import pytest
from tests.busybox_images import tiny_image
from tests.daemon_process import Daemon, running_daemon
from tests.fakes.connect_proxy import ConnectProxy
from tests.rest import Rest, eventually

HOST = "target.example"


@pytest.fixture(scope="module")
def sender() -> Iterator[Daemon]:
    with running_daemon() as one:
        yield one


@pytest.fixture(scope="module")
def receiver() -> Iterator[tuple[Daemon, int]]:
    with running_daemon() as one:
        with socket.create_server(("127.0.0.1", 0)) as probe:
            port = probe.getsockname()[1]
        rest = Rest(one.folder / "unix.socket")
        assert rest.patch("/1.0", {"config": {"core.https_address": f"127.0.0.1:{port}"}}).status == 200
        yield one, port


def test_a_push_takes_the_tunnel_and_tells_the_proxy_no_secret(sender: Daemon, receiver: tuple[Daemon, int]) -> None:
    here, there = Rest(sender.folder / "unix.socket"), Rest(receiver[0].folder / "unix.socket")
    data = tiny_image(770001)
    fingerprint = hashlib.sha256(data).hexdigest()
    assert here.add_image(data) == fingerprint
    asked = there.post("images", {"source": {"type": "image", "mode": "push", "fingerprint": fingerprint}})
    secret = asked.envelope["metadata"]["metadata"]["secret"]
    certificate = there.get("/1.0").metadata["environment"]["certificate"]
    request = {"target": f"https://{HOST}:8443", "secret": secret, "certificate": certificate}
    with ConnectProxy({HOST: receiver[1]}) as proxy:
        here.patch("/1.0", {"config": {"core.proxy_https": proxy.url}})
        try:
            here.done(here.post(f"images/{fingerprint}/export", request))
        finally:
            here.patch("/1.0", {"config": {"core.proxy_https": ""}})
        assert {head.split("\r\n")[0] for head in proxy.heads} == {f"CONNECT {HOST}:8443 HTTP/1.1"}
        assert secret.encode() not in proxy.heard
    eventually(lambda: there.get(f"images/{fingerprint}").status == 200)
