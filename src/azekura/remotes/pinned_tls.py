"""TLS to a server whose very certificate is known, by pyOpenSSL: for the bulk of images between LXD servers.

Who the server is, is decided by comparing certificates (:mod:`azekura.remotes.http`), so of an engine only the
cryptography is asked. pyOpenSSL's is newer than Python's, decrypts twice as fast, can be told to prefer AES-128 (which
Python's ``ssl`` can't) and reads with less ado: a GiB takes a third of a second of processor time less. Servers that
authorities vouch for are checked and read by ``ssl``, as ever.
"""

from __future__ import annotations

import ipaddress
import ssl
from collections.abc import Callable
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, load_pem_private_key
from OpenSSL import SSL
from OpenSSL._util import ffi, lib

from azekura.client.bulk_tls import BulkContext, Engine

_SUITES_1_3 = b"TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256"
_SUITES_1_2 = b"ECDHE+AESGCM+AES128:ECDHE+AESGCM:ECDHE+CHACHA20:DHE+AESGCM"


class PinnedContext(BulkContext):
    """Verifies nothing: whoever uses its sockets compares the certificate before a byte is sent."""

    def show(self, certificate: str, key: str) -> None:
        """Prepare to show this certificate, with its chain, and key (PEM; empty: none).

        Raises:
            ValueError: they can't be used.
        """
        context = self._own = SSL.Context(SSL.TLS_CLIENT_METHOD)
        context.set_min_proto_version(SSL.TLS1_2_VERSION)
        context.set_options(SSL.OP_NO_RENEGOTIATION)
        context.set_cipher_list(_SUITES_1_2)
        if hasattr(context, "set_tls13_ciphersuites"):  # pyOpenSSL 25.2
            context.set_tls13_ciphersuites(_SUITES_1_3)
        if not certificate or not key:
            return
        try:
            first, *chain = x509.load_pem_x509_certificates(certificate.encode())
            context.use_certificate(first)
            for above in chain:
                context.add_extra_chain_cert(above)
            context.use_privatekey(load_pem_private_key(key.encode(), None))  # type: ignore[arg-type]
            context.check_privatekey()
        except (SSL.Error, TypeError) as exc:
            raise ValueError("certificate and key don't belong together") from exc

    def engine(self, host: Any) -> Engine:
        return _Engine(self._own, host or "")


class _Engine:
    """See :class:`azekura.client.bulk_tls.Engine`."""

    def __init__(self, context: SSL.Context, host: str) -> None:
        self._tls = SSL.Connection(context, None)
        self._tls.set_connect_state()
        if host and not _is_address(host):
            self._tls.set_tlsext_host_name(host.encode("idna"))
        self._ssl = self._tls._ssl  # noqa: SLF001 - see read
        self._fault: ssl.SSLError | None = None

    def _call(self, step: Callable[..., Any], *args: Any) -> Any:
        try:
            return step(*args)
        except SSL.WantReadError:
            raise ssl.SSLWantReadError(ssl.SSL_ERROR_WANT_READ, "want read") from None
        except SSL.ZeroReturnError:
            return 0
        except SSL.SysCallError as exc:
            raise ssl.SSLEOFError(ssl.SSL_ERROR_EOF, "EOF occurred in violation of protocol") from exc
        except SSL.Error as exc:
            reason = exc.args[0][0][-1] if exc.args and exc.args[0] else "protocol error"
            if "unexpected eof" in reason:
                raise ssl.SSLEOFError(ssl.SSL_ERROR_EOF, "EOF occurred in violation of protocol") from exc
            raise ssl.SSLError(ssl.SSL_ERROR_SSL, reason) from exc

    def do_handshake(self) -> None:
        self._call(self._tls.do_handshake)

    def read(self, into: memoryview) -> int:
        """By OpenSSL itself: pyOpenSSL's ``recv_into`` fills a buffer made anew for each record, and copies it."""
        if self._fault is not None:
            raise self._fault
        target, done, size = ffi.from_buffer(into, require_writable=True), 0, len(into)
        ours, read = self._ssl, lib.SSL_read
        while done < size:
            count = read(ours, target + done, size - done)
            if count <= 0:
                # at once: OpenSSL keeps what was wrong for the thread, not for the connection
                try:
                    self._call(self._tls._raise_ssl_error, ours, count)  # noqa: SLF001
                except (ssl.SSLWantReadError, ssl.SSLEOFError):
                    if not done:
                        raise
                except ssl.SSLError as exc:
                    if not done:
                        raise
                    self._fault = exc
                break
            done += count
        return done

    def write(self, data: memoryview) -> int:
        return int(self._call(self._tls.send, data))

    def getpeercert(self, binary_form: bool = False) -> Any:
        certificate = self._tls.get_peer_certificate(as_cryptography=True)
        if certificate is None:
            return None
        return certificate.public_bytes(Encoding.DER) if binary_form else {}

    def outgoing(self) -> bytes:
        try:
            return self._tls.bio_read(1 << 17)
        except SSL.Error:  # there is nothing
            return b""

    def received(self, data: memoryview) -> None:
        if data:
            self._tls.bio_write(data)
        else:
            self._tls.bio_shutdown()


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host.strip("[]").partition("%")[0])
    except ValueError:
        return False
    return True
