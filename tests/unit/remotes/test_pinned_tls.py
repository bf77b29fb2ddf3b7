"""What the engine for pinned servers shows of us, and what it prefers."""

from __future__ import annotations

import socket
import ssl
import threading

import pytest
from tests.fakes.tls_identity import Identity, make_identity

from azekura.client.tls import client_context
from azekura.errors import InvalidRequest
from azekura.remotes.credentials import ClientCertificate, Credentials
from azekura.remotes.pinned_tls import PinnedContext
from azekura.remotes.trust import Trust


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Identity:
    return make_identity(tmp_path_factory.mktemp("server"))


@pytest.fixture(scope="module")
def user(tmp_path_factory: pytest.TempPathFactory) -> Identity:
    return make_identity(tmp_path_factory.mktemp("user"), "user")


def seen_by(server: Identity, trust: Trust, *, asks_for: Identity, newest: ssl.TLSVersion) -> tuple[bytes | None, str]:
    """The certificate that a server sees, and the cipher's name."""
    near, far = socket.socketpair()
    seen: list[tuple[bytes | None, str]] = []

    def serve() -> None:
        context = server.server_context(client_ca=asks_for.certificate)
        context.maximum_version = newest
        context.options &= ~ssl.OP_CIPHER_SERVER_PREFERENCE
        with context.wrap_socket(far, server_side=True) as secure:
            chosen = secure.cipher()
            assert chosen is not None
            secure.recv(1)
            seen.append((secure.getpeercert(binary_form=True), chosen[0]))

    thread = threading.Thread(target=serve)
    thread.start()
    near.settimeout(5)
    with trust.context("pinned").wrap_socket(near, server_hostname="localhost") as secure:
        assert secure.getpeercert(binary_form=True) == ssl.PEM_cert_to_DER_cert(server.pem)
        secure.sendall(b"x")
        thread.join(5)
    return seen[0]


@pytest.mark.parametrize(
    ("newest", "cipher"),
    [
        (ssl.TLSVersion.TLSv1_3, "TLS_AES_128_GCM_SHA256"),
        (ssl.TLSVersion.TLSv1_2, "ECDHE-ECDSA-AES128-GCM-SHA256"),
    ],
)
def test_a_server_that_asks_sees_our_certificate_and_that_we_prefer_aes_128(
    server: Identity, user: Identity, newest: ssl.TLSVersion, cipher: str
) -> None:
    trust = Trust(server.pem, credentials=Credentials(client=ClientCertificate(user.pem, user.key_pem)))
    der, chosen = seen_by(server, trust, asks_for=user, newest=newest)
    assert der == ssl.PEM_cert_to_DER_cert(user.pem)
    assert chosen == cipher


def test_without_credentials_nothing_is_shown(server: Identity, user: Identity) -> None:
    assert seen_by(server, Trust(server.pem), asks_for=user, newest=ssl.TLSVersion.TLSv1_3)[0] is None


def test_a_key_of_another_certificate_is_refused_in_one_sentence(server: Identity, user: Identity) -> None:
    trust = Trust(server.pem, credentials=Credentials(client=ClientCertificate(user.pem, server.key_pem)))
    with pytest.raises(InvalidRequest):
        trust.context("pinned")
    context = client_context(None, None, verify=False, kind=PinnedContext)
    assert isinstance(context, PinnedContext)
    with pytest.raises(ValueError, match="don't belong together"):
        context.show(user.pem, server.key_pem)
