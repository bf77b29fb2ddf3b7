"""TLS for asyncio that asks for a client certificate and accepts any: who it is, is looked up after.

CPython's ``ssl`` can't do that: it either never asks, or refuses unknown certificates in the handshake. So asyncio's
own TLS transport (flow control, time-outs, shutdown) is given pyOpenSSL as its engine through memory BIOs
(docs/adr/0004).
"""

from __future__ import annotations

import contextlib
import ssl
from collections.abc import Callable
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.serialization import Encoding
from OpenSSL import SSL
from OpenSSL._util import ffi, lib

RECORDS = 64 * 1024  # plaintext bytes per flush; a whole mebibyte at once is three times slower
SCRATCH = 2 * RECORDS
# AES-128 first, as Go's servers choose: it is as safe for as long as anyone can see, and takes half the time
SUITES_1_3 = b"TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256"
SUITES_1_2 = b"ECDHE+AESGCM+AES128:ECDHE+AESGCM+AES256:ECDHE+CHACHA20"
_PRIORITIZE_CHACHA = 1 << 21  # SSL_OP_PRIORITIZE_CHACHA: a client that wants it first has no AES in its processor


class Session:
    """Plays ``ssl.SSLObject`` for asyncio's SSLProtocol.

    While ``lent``, a :class:`~azekura.daemon.tls_wire.TlsWire` sends what comes out of it, past asyncio's transport.
    """

    def __init__(self, context: SSL.Context, incoming: ssl.MemoryBIO, outgoing: ssl.MemoryBIO, scratch: Any) -> None:
        self._tls = SSL.Connection(context, None)
        self._tls.set_accept_state()
        self._ssl, self._from_ssl = self._tls._ssl, self._tls._from_ssl  # noqa: SLF001 - see write
        self._scratch = scratch
        self._in = incoming
        self._out = outgoing
        self._peer: bytes | None = None
        self.lent = False
        self.pending = self._tls.pending
        self.version = self._tls.get_protocol_version_name

    def _flush(self) -> None:
        if self.lent:
            return
        with contextlib.suppress(SSL.WantReadError):
            while self._out.write(self._tls.bio_read(2 * RECORDS)) == 2 * RECORDS:
                pass

    def _call(self, step: Callable[..., Any], *args: Any) -> Any:
        while True:
            try:
                return step(*args)
            except SSL.WantReadError:
                self._flush()
                if data := self._in.read(4 * RECORDS):
                    self._tls.bio_write(data)
                elif self._in.eof:
                    raise ssl.SSLEOFError(ssl.SSL_ERROR_EOF, "cut off without close_notify") from None
                else:
                    raise ssl.SSLWantReadError(ssl.SSL_ERROR_WANT_READ, "want read") from None
            except SSL.ZeroReturnError:
                raise ssl.SSLZeroReturnError(ssl.SSL_ERROR_ZERO_RETURN, "closed by peer") from None
            except SSL.Error as exc:
                raise ssl.SSLError(ssl.SSL_ERROR_SSL, str(exc)) from exc

    def do_handshake(self) -> None:
        self._call(self._tls.do_handshake)
        self._flush()

    def read(self, size: int = 1024, buffer: Any = None) -> Any:
        if buffer is not None:
            return self._call(self._tls.recv_into, buffer, size)
        try:
            return self._call(self._tls.recv, size)
        except ssl.SSLZeroReturnError:
            return b""

    def write(self, data: Any) -> int:
        """Encrypt ``data`` (bytes-like) and hand it on."""
        source = ffi.from_buffer(data)
        for start in range(0, len(source), RECORDS):
            self._out.write(self.encrypted(source, start, min(RECORDS, len(source) - start)))
        return len(source)

    def encrypted(self, source: Any, start: int, size: int) -> Any:
        """What goes to the network for ``size`` bytes (at most RECORDS) of ``source``, a cffi buffer; it stands in
        the scratch buffer of all sessions, so use it at once.

        By OpenSSL itself: through ``send`` and ``bio_read``, which do the same, every byte is copied twice more, into
        buffers made anew for each 64 KiB, and a download takes a third more processor time.

        Raises:
            ssl.SSLError: the connection is of no use any more.
        """
        sent = 0
        while sent < size:
            count = lib.SSL_write(self._ssl, source + start + sent, size - sent)
            if count <= 0:  # let pyOpenSSL find out why, and say so
                count = self._call(self._tls.send, bytes(ffi.buffer(source + start + sent, size - sent)))
            sent += count
        ready = max(lib.BIO_read(self._from_ssl, self._scratch, SCRATCH), 0)
        if ready < SCRATCH:
            return ffi.buffer(self._scratch, ready)
        whole = bytearray(ffi.buffer(self._scratch, ready))  # records of the handshake came before these
        while (ready := lib.BIO_read(self._from_ssl, self._scratch, SCRATCH)) > 0:
            whole += ffi.buffer(self._scratch, ready)
        return whole

    def unwrap(self) -> None:
        done = self._call(self._tls.shutdown)
        self._flush()
        if not done:
            self._call(self._tls.shutdown)

    def getpeercert(self, binary_form: bool = False) -> Any:
        if self._peer is None:
            certificate = self._tls.get_peer_certificate(as_cryptography=True)
            if certificate is None:
                return None
            self._peer = certificate.public_bytes(Encoding.DER)
        return self._peer if binary_form else {}

    def cipher(self) -> tuple[Any, ...]:
        return self._tls.get_cipher_name(), self._tls.get_cipher_version(), self._tls.get_cipher_bits()

    def compression(self) -> None:
        return None

    def selected_alpn_protocol(self) -> str | None:
        return self._tls.get_alpn_proto_negotiated().decode() or None


class AnyClientContext(ssl.SSLContext):
    """A server context of TLS 1.2 (ECDHE only) and 1.3. Expired, unknown or no client certificate: all may connect."""

    def __new__(cls, *_: Any, **__: Any) -> AnyClientContext:
        return super().__new__(cls, ssl.PROTOCOL_TLS_SERVER)

    def __init__(self, certificate: Path, key: Path) -> None:
        self._scratch = ffi.new(f"char[{SCRATCH}]")  # for all sessions: the event loop's thread alone writes
        own = self._own = SSL.Context(SSL.TLS_SERVER_METHOD)
        own.set_min_proto_version(SSL.TLS1_2_VERSION)
        own.set_cipher_list(SUITES_1_2)
        if hasattr(own, "set_tls13_ciphersuites"):  # pyOpenSSL 25.2; without it the order is OpenSSL's
            own.set_tls13_ciphersuites(SUITES_1_3)
        # no tickets, no cache: an identity must never come from a resumed session without its certificate
        own.set_options(SSL.OP_NO_TICKET | SSL.OP_NO_RENEGOTIATION)
        own.set_options(SSL.OP_CIPHER_SERVER_PREFERENCE | _PRIORITIZE_CHACHA)
        own.set_session_cache_mode(SSL.SESS_CACHE_OFF)
        own.use_certificate_chain_file(str(certificate))
        own.use_privatekey_file(str(key))
        own.check_privatekey()
        own.set_verify(SSL.VERIFY_PEER, lambda *_: True)  # that the peer holds the key is proven all the same
        own.set_alpn_select_callback(_choose_http1)

    def wrap_bio(
        self,
        incoming: ssl.MemoryBIO,
        outgoing: ssl.MemoryBIO,
        server_side: bool = False,  # noqa: ARG002 - asyncio passes them by name
        server_hostname: str | bytes | None = None,  # noqa: ARG002
        session: ssl.SSLSession | None = None,  # noqa: ARG002
    ) -> Any:
        return Session(self._own, incoming, outgoing, self._scratch)


def _choose_http1(_: SSL.Connection, offered: list[bytes]) -> Any:
    return b"http/1.1" if b"http/1.1" in offered else SSL.NO_OVERLAPPING_PROTOCOLS
