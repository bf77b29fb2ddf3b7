"""What only a real LXD 5.0.2 shows: secrets, trust, exports that break off."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Self

import pytest
from tests.fakes.real_lxd import RealLxd, tiny_image
from tests.fakes.remote_settings import bring, quick
from tests.fakes.tls_identity import make_identity

from azekura.errors import NotFound
from azekura.model.source import Protocol
from azekura.remotes import open_server
from azekura.remotes.credentials import ClientCertificate, Credentials

pytestmark = [pytest.mark.interop, pytest.mark.root]


@pytest.fixture(scope="module")
def lxd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealLxd]:
    folder = tmp_path_factory.mktemp("images")
    with RealLxd.started() as lxd:
        for name, split, public in (("public-split", True, True), ("public", False, True), ("private", True, False)):
            lxd.import_image(folder / name, tiny_image(folder / name, split=split), f"mine/{name}", public=public)
        yield lxd


def fingerprint(lxd: RealLxd, alias: str) -> str:
    return str(json.loads(lxd.lxc("query", f"local:/1.0/images/aliases/{alias.replace('/', '%2F')}"))["target"])


def test_a_guest_does_not_learn_of_a_private_image(lxd: RealLxd) -> None:
    guest = open_server(lxd.url, Protocol.LXD, certificate_pem=lxd.certificate)
    private = fingerprint(lxd, "mine/private")
    for reference in ("mine/private", private, private[:12]):
        with pytest.raises(NotFound, match="Image not found"):
            guest.resolve(reference, type=None, architectures=[])
    assert private not in {image.known_fingerprint for image in guest.list()}
    assert sorted(alias.name for alias in guest.aliases()) == ["mine/public", "mine/public-split"]


def test_a_secret_opens_one_private_image(lxd: RealLxd) -> None:
    private = fingerprint(lxd, "mine/private")
    made = json.loads(lxd.lxc("query", "-X", "POST", f"local:/1.0/images/{private}/secret"))
    secret = (made.get("metadata") or made)["secret"]
    server = open_server(lxd.url, Protocol.LXD, certificate_pem=lxd.certificate, secret=secret)
    image = server.resolve(private, type=None, architectures=[])
    assert bring(server, image).fingerprint == private


def test_a_trusted_certificate_opens_everything(lxd: RealLxd, tmp_path: Path) -> None:
    client = make_identity(tmp_path, "puller")
    lxd.lxc("config", "trust", "add", str(client.certificate))
    server = open_server(
        lxd.url,
        Protocol.LXD,
        certificate_pem=lxd.certificate,
        credentials=Credentials(client=ClientCertificate(client.pem, client.key_pem)),
    )
    assert {alias.name for alias in server.aliases()} >= {"mine/private"}
    image = server.resolve("mine/private", type=None, architectures=[])
    assert not image.public
    assert image.properties["os"] == "Tiny"
    assert bring(server, image).fingerprint == fingerprint(lxd, "mine/private")


class CuttingRelay:
    """Passes TCP on to ``port``; each connection ends after as many bytes of answer as the next of ``cuts`` says."""

    def __init__(self, port: int, cuts: list[int]) -> None:
        self._target = port
        self._cuts = cuts
        self.passed = 0
        self._socket = socket.create_server(("127.0.0.1", 0))
        self._thread = threading.Thread(target=self._listen, daemon=True)

    @property
    def port(self) -> int:
        return int(self._socket.getsockname()[1])

    def _listen(self) -> None:
        with suppress(OSError):
            while True:
                near, _ = self._socket.accept()
                far = socket.create_connection(("127.0.0.1", self._target))
                threading.Thread(target=self._up, args=(near, far), daemon=True).start()
                threading.Thread(target=self._down, args=(near, far), daemon=True).start()

    @staticmethod
    def _up(near: socket.socket, far: socket.socket) -> None:
        with suppress(OSError):
            while data := near.recv(65536):
                far.sendall(data)

    def _down(self, near: socket.socket, far: socket.socket) -> None:
        left = self._cuts.pop(0) if self._cuts else 10**12
        with near, far, suppress(OSError):
            while left > 0 and (data := far.recv(min(65536, left))):
                near.sendall(data)
                left -= len(data)
                self.passed += len(data)
            for end in (near, far):
                end.shutdown(socket.SHUT_RDWR)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        with suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        self._thread.join()


@pytest.mark.parametrize(("alias", "most"), [("mine/public", 1.15), ("mine/public-split", 2.2)])
def test_a_cut_export_of_a_real_server_is_mended(lxd: RealLxd, alias: str, most: float) -> None:
    """LXD 5.0.2 serves ranges of unified images; split ones it can only send anew."""
    direct = open_server(lxd.url, Protocol.LXD, certificate_pem=lxd.certificate)
    image = direct.resolve(alias, type=None, architectures=[])
    with CuttingRelay(int(lxd.url.rpartition(":")[2]), [150_000]) as relay:
        server = open_server(
            f"https://127.0.0.1:{relay.port}",
            Protocol.LXD,
            certificate_pem=lxd.certificate,
            policy=quick(stall_timeout=10),
        )
        assert bring(server, image).fingerprint == image.known_fingerprint
        assert relay.passed < image.size * most


def test_addresses_are_tried_in_turn(lxd: RealLxd) -> None:
    server = open_server(
        "https://127.0.0.1:9", Protocol.LXD, mirrors=[lxd.url], certificate_pem=lxd.certificate, policy=quick()
    )
    image = server.resolve("mine/public", type=None, architectures=[])
    assert bring(server, image).fingerprint == image.known_fingerprint
