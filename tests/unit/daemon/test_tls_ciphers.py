"""Which cipher the daemon takes of those a client offers."""

from __future__ import annotations

import ssl
from pathlib import Path

import pytest
from OpenSSL import SSL
from tests.fakes.tls_identity import make_identity

from azekura.daemon.tls_engine import AnyClientContext

AES_128, AES_256 = "TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384"
CHACHA = "TLS_CHACHA20_POLY1305_SHA256"


@pytest.fixture
def server(tmp_path: Path) -> AnyClientContext:
    identity = make_identity(tmp_path)
    return AnyClientContext(identity.certificate, identity.key)


def chosen(server: AnyClientContext, client: SSL.Context) -> str:
    """The cipher's name after a handshake in memory."""
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    session = server.wrap_bio(incoming, outgoing, server_side=True)
    peer = SSL.Connection(client, None)
    peer.set_connect_state()
    for step in (peer.do_handshake, session.do_handshake) * 3:
        try:
            step()
        except (SSL.WantReadError, ssl.SSLWantReadError):
            pass
        try:
            incoming.write(peer.bio_read(1 << 16))
        except SSL.WantReadError:
            pass
        if sent := outgoing.read():
            peer.bio_write(sent)
    return str(session.cipher()[0])


@pytest.mark.parametrize(
    ("offered", "taken"),
    [
        ((AES_256, CHACHA, AES_128), AES_128),
        ((AES_256, CHACHA), AES_256),
        ((CHACHA,), CHACHA),
        ((CHACHA, AES_256, AES_128), CHACHA),
    ],
)
def test_tls_1_3_takes_aes_128_unless_the_client_lacks_it_or_has_no_aes_in_its_processor(
    server: AnyClientContext, offered: tuple[str, ...], taken: str
) -> None:
    client = SSL.Context(SSL.TLS_CLIENT_METHOD)
    client.set_tls13_ciphersuites(":".join(offered).encode())
    assert chosen(server, client) == taken


def tls_1_2(offered: bytes) -> SSL.Context:
    client = SSL.Context(SSL.TLS_CLIENT_METHOD)
    client.set_max_proto_version(SSL.TLS1_2_VERSION)
    client.set_cipher_list(offered)
    return client


def test_tls_1_2_takes_aes_128_too_and_nothing_that_does_not_authenticate(server: AnyClientContext) -> None:
    client = tls_1_2(b"ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-ECDSA-AES128-GCM-SHA256")
    assert chosen(server, client) == "ECDHE-ECDSA-AES128-GCM-SHA256"
    with pytest.raises(ssl.SSLError):
        chosen(server, tls_1_2(b"ECDHE-ECDSA-AES128-SHA256:ECDHE-ECDSA-AES256-SHA"))
