"""TLS as LXD's clients use it: self-signed certificates on both sides, recognised by their exact bytes."""

from __future__ import annotations

import hashlib
import os
import select
import socket
import ssl
import threading

from azekura.errors import ConnectionFailed, InvalidRequest


def client_context(
    certificate: str | None, key: str | None, *, verify: bool, kind: type[ssl.SSLContext] = ssl.SSLContext
) -> ssl.SSLContext:
    """A context (of ``kind``) for connections to a server; TLS 1.2 or newer.

    ``verify`` asks the system's authorities; without it the caller compares the certificate itself.

    Raises:
        InvalidRequest: certificate and key are malformed or don't belong together.
    """
    context = kind(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if verify:
        context.load_default_certs()
    else:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    if certificate and key:
        # OpenSSL wants a path; the key must not touch a disk for that
        descriptor = os.memfd_create("client", os.MFD_CLOEXEC)
        try:
            os.write(descriptor, f"{certificate.strip()}\n{key.strip()}\n".encode())
            context.load_cert_chain(f"/proc/self/fd/{descriptor}")
        except ssl.SSLError as exc:
            raise InvalidRequest(f"The client certificate and its key can't be used: {exc.reason or exc}") from exc
        finally:
            os.close(descriptor)
    return context


def fingerprint_of_pem(pem: str) -> str:
    """sha256 of a certificate's DER form, 64 hexadecimal digits, as LXD shows it.

    Raises:
        InvalidRequest: not a PEM certificate.
    """
    start = pem.find("-----BEGIN CERTIFICATE-----")
    end = pem.find("-----END CERTIFICATE-----")
    if start < 0 or end < start:
        raise InvalidRequest("Not a PEM certificate")
    try:
        der = ssl.PEM_cert_to_DER_cert(pem[start : end + len("-----END CERTIFICATE-----")])
    except ValueError as exc:
        raise InvalidRequest("Not a PEM certificate") from exc
    return hashlib.sha256(der).hexdigest()


def check_pin(connection: ssl.SSLSocket, pin: str, host: str) -> None:
    """
    Raises:
        ConnectionFailed: the server's certificate isn't the pinned one.
    """
    der = connection.getpeercert(binary_form=True)
    if der is None or hashlib.sha256(der).hexdigest() != pin:
        connection.close()
        raise ConnectionFailed(f"The certificate of {host} is not the one that was trusted")


def server_certificate(host: str, port: int, timeout: float = 10.0) -> str:
    """The certificate (PEM) that a server shows, trusted or not, for a user to judge.

    Raises:
        ConnectionFailed: no TLS server there.
    """
    from azekura.client.proxy import Proxies, dial

    context = client_context(None, None, verify=False)
    try:
        with (
            dial(Proxies.of(), host, port, timeout) as plain,
            context.wrap_socket(plain, server_hostname=host) as secure,
        ):
            der = secure.getpeercert(binary_form=True)
    except ssl.SSLError as exc:
        raise ConnectionFailed(f"No TLS server at {host}:{port}: {exc.reason or exc}") from exc
    except TimeoutError as exc:
        raise ConnectionFailed(f"Unable to connect to {host}:{port}: timed out") from exc
    except OSError as exc:
        raise ConnectionFailed(f"Unable to connect to {host}:{port}: {exc.strerror or exc}") from exc
    if der is None:
        raise ConnectionFailed(f"{host}:{port} shows no certificate")
    return ssl.DER_cert_to_PEM_cert(der)


class SharedTlsSocket(socket.socket):
    """A TLS connection that one thread may read while another writes.

    OpenSSL's connection object allows one call at a time; so the socket is non-blocking, calls are made under a lock,
    and waiting is done outside it. Looks like a blocking :class:`socket.socket` to its user.
    """

    def __init__(self, secure: ssl.SSLSocket) -> None:
        super().__init__(socket.AF_INET, socket.SOCK_STREAM)
        super().close()  # the object is a front: the descriptor is the TLS socket's
        self._secure = secure
        self._lock = threading.Lock()
        self._timeout: float | None = None
        secure.setblocking(False)

    def fileno(self) -> int:
        return self._secure.fileno()

    def settimeout(self, value: float | None) -> None:
        self._timeout = value

    def _wait(self, *, write: bool) -> None:
        poll = select.poll()
        poll.register(self._secure.fileno(), select.POLLOUT if write else select.POLLIN)
        if not poll.poll(None if self._timeout is None else self._timeout * 1000):
            raise TimeoutError("timed out")

    def recv(self, bufsize: int, flags: int = 0) -> bytes:
        while True:
            try:
                with self._lock:
                    return self._secure.recv(bufsize, flags)
            except ssl.SSLWantReadError:
                self._wait(write=False)
            except ssl.SSLWantWriteError:
                self._wait(write=True)
            except ssl.SSLEOFError:
                return b""

    def sendall(self, data: bytes | bytearray | memoryview, flags: int = 0) -> None:  # type: ignore[override]
        view = memoryview(data)
        while view:
            try:
                with self._lock:
                    sent = self._secure.send(view, flags)
                view = view[sent:]
            except ssl.SSLWantWriteError:
                self._wait(write=True)
            except ssl.SSLWantReadError:
                self._wait(write=False)

    def shutdown(self, how: int) -> None:
        self._secure.shutdown(how)

    def close(self) -> None:
        self._secure.close()
