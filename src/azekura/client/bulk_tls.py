"""TLS for big bodies: what the network brought is decrypted at one go.

``ssl.SSLSocket`` asks the kernel twice for each record of 16 KiB and never returns more than one, so that everything
above it (``http.client``, urllib3, whoever takes the bytes) runs 65,000 times for a GiB. Here the kernel is asked for
256 KiB, which go through a memory BIO of the same ``ssl`` module, and a read returns all that is there. Certificates
are checked by the very same context: a GiB takes half of the processor time, and nothing else changes.
"""

from __future__ import annotations

import socket
import ssl
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Protocol

RECEIVE = 256 * 1024  # bytes asked of the kernel at once
_SEND = 64 * 1024  # bytes encrypted before they are sent


class Engine(Protocol):
    """TLS without a network. All but the last three raise ``ssl.SSLWantReadError`` where they need more from it, and
    ``ssl.SSLError`` for all else."""

    def do_handshake(self) -> None: ...

    def read(self, into: memoryview) -> int:
        """All that is there, at least one byte; 0 when the other end said that there is no more."""

    def write(self, data: memoryview) -> int:
        """The number of bytes taken."""

    def getpeercert(self, binary_form: bool = False) -> Any:
        """As ``ssl.SSLSocket``'s."""

    def outgoing(self) -> bytes:
        """What is to be sent now."""

    def received(self, data: memoryview) -> None:
        """What the network brought; nothing: it ended."""


class BulkContext(ssl.SSLContext):
    """An ``SSLContext`` for clients whose sockets are :class:`BulkTlsSocket`."""

    def wrap_socket(self, sock: socket.socket, *_: Any, server_hostname: Any = None, **__: Any) -> Any:
        """The socket after its handshake; as the original, it takes ``sock``'s descriptor over.

        Raises:
            ssl.SSLError, OSError: no handshake; the connection is closed then.
        """
        return BulkTlsSocket(sock, self.engine(server_hostname))

    def engine(self, host: Any) -> Engine:
        return _StandardEngine(self, host)


class _StandardEngine:
    """The ``ssl`` module's."""

    def __init__(self, context: ssl.SSLContext, host: Any) -> None:
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._incoming, self._outgoing, server_hostname=host)
        self._fault: ssl.SSLError | None = None
        self.do_handshake = self._tls.do_handshake
        self.write = self._tls.write

    def read(self, into: memoryview) -> int:
        if self._fault is not None:
            raise self._fault
        last = done = int(self._tls.read(len(into), into))
        try:
            while last and done < len(into):
                last = int(self._tls.read(len(into) - done, into[done:]))
                done += last
        except (ssl.SSLWantReadError, ssl.SSLEOFError):
            pass
        except ssl.SSLError as exc:
            self._fault = exc  # told once the good bytes are with the caller; OpenSSL itself tells it once only
        return done

    def getpeercert(self, binary_form: bool = False) -> Any:
        return self._tls.getpeercert(binary_form)

    def outgoing(self) -> bytes:
        return self._outgoing.read() if self._outgoing.pending else b""

    def received(self, data: memoryview) -> None:
        if data:
            self._incoming.write(data)
        else:
            self._incoming.write_eof()


class BulkTlsSocket(socket.socket):
    """A blocking client connection, used by one thread at a time. Time-outs and ``close`` are the plain socket's."""

    def __init__(self, plain: socket.socket, engine: Engine) -> None:
        timeout = plain.gettimeout()
        self._tls = engine
        self._received = memoryview(b"")
        super().__init__(plain.family, plain.type, plain.proto, plain.detach())
        try:
            self.settimeout(timeout)
            self._until_done(self._tls.do_handshake)
        except BaseException:
            self.close()
            raise

    def _until_done(self, step: Callable[..., Any], *args: Any) -> Any:
        """What ``step`` returns, when it got all it needs from the network."""
        while True:
            try:
                done = step(*args)
            except ssl.SSLWantReadError:
                self._flush()
                self._receive()
            except ssl.SSLError:
                with suppress(OSError):  # the other end is told why
                    self._flush()
                raise
            else:
                self._flush()
                return done

    def _flush(self) -> None:
        if data := self._tls.outgoing():
            super().sendall(data)

    def _receive(self) -> None:
        if not self._received:
            self._received = memoryview(bytearray(RECEIVE))
        self._tls.received(self._received[: super().recv_into(self._received)])

    def recv_into(self, buffer: Any, nbytes: int = 0, flags: int = 0) -> int:
        """At least one byte, and all that was decrypted without waiting again; 0 at the end, also at a rude one."""
        assert flags == 0
        with memoryview(buffer) as given, given.cast("B") as view:
            try:
                return int(self._until_done(self._tls.read, view[: nbytes or None]))
            except ssl.SSLEOFError:
                return 0

    def recv(self, bufsize: int, flags: int = 0) -> bytes:
        data = bytearray(bufsize)
        count = self.recv_into(data, flags=flags) if bufsize else 0
        return bytes(memoryview(data)[:count])

    def send(self, data: Any, flags: int = 0) -> int:
        assert flags == 0
        with memoryview(data) as given, given.cast("B") as view:
            return int(self._until_done(self._tls.write, view[:_SEND])) if view else 0

    def sendall(self, data: Any, flags: int = 0) -> None:
        with memoryview(data) as given, given.cast("B") as view:
            sent = 0
            while sent < len(view):
                sent += self.send(view[sent:], flags)

    def getpeercert(self, binary_form: bool = False) -> Any:
        return self._tls.getpeercert(binary_form)
