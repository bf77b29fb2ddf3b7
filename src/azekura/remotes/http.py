"""The one module of this package that knows the HTTP library (urllib3).

What it adds to it is all about trust: every hop of a redirect is checked before a packet goes out, credentials go to
the remote's own origin over TLS and nowhere else, a pinned certificate is the only one accepted from that origin, and a
download that began over HTTPS never goes on over HTTP. A proxy changes none of it: HTTPS goes through it as a tunnel
(CONNECT), so that TLS is between us and the remote.
"""

from __future__ import annotations

import hashlib
import re
import socket
import ssl
import threading
import weakref
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any, Self

import urllib3
from urllib3.connection import HTTPConnection, HTTPSConnection, ProxyConfig
from urllib3.exceptions import ConnectTimeoutError, HTTPError, NewConnectionError, ProxyError, SSLError
from urllib3.util import make_headers, parse_url

from azekura.client.proxy import Proxy
from azekura.errors import BadAnswer, Cancelled, ConnectionFailed, Forbidden
from azekura.remotes.policy import SLICE, DownloadPolicy
from azekura.remotes.port import Cancelled as Asked
from azekura.remotes.port import never
from azekura.remotes.reasons import reason_of
from azekura.remotes.trust import Trust, pin_is_ca
from azekura.remotes.urls import Origin, Url

_REDIRECTS = (301, 302, 303, 307, 308)
_PIECE = 256 * 1024  # bytes asked for at once
_TUNNEL_REFUSED = re.compile(r"Tunnel connection failed: (\d{3})", re.ASCII)


class Untrusted(ConnectionFailed):
    """The other end showed a certificate that is not trusted. Trying again is no use."""


class _OtherCertificate(SSLError):
    """Not the pinned one."""


class _Tracked:
    """Lets another thread end what this connection waits for."""

    sock: Any
    is_verified: bool
    live: weakref.WeakSet[socket.socket]
    pin: str = ""
    timeout: Any
    host: str
    _dns_host: str
    port: int
    _handle: socket.socket | None = None

    def _new_conn(self) -> socket.socket:
        """A TCP connection that can be given up while it is being made, which urllib3's own can't."""
        try:
            found = socket.getaddrinfo(self._dns_host.strip("[]"), self.port, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError) as exc:
            raise NewConnectionError(self, f"Failed to resolve {self.host!r} ({exc})") from exc  # type: ignore[arg-type]
        failure: OSError | None = None
        for family, kind, protocol, _, address in found:
            plain = socket.socket(family, kind, protocol)
            self._drop_handle()
            self._handle = plain.dup()
            self.live.add(self._handle)
            try:
                plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                plain.settimeout(self.timeout)
                plain.connect(address)
            except OSError as exc:
                plain.close()
                failure = exc
            else:
                return plain
        if isinstance(failure, TimeoutError):
            raise ConnectTimeoutError(self, f"Connection to {self.host} timed out") from failure
        raise NewConnectionError(self, f"Failed to establish a new connection: {failure}") from failure  # type: ignore[arg-type]

    def _drop_handle(self) -> None:
        if self._handle is not None:
            self._handle.close()
            self._handle = None

    def connect(self) -> None:
        try:
            super().connect()  # type: ignore[misc]
        finally:
            self._drop_handle()
        # TLS through a TLS tunnel (urllib3's own) is no socket, but has one
        self.live.add(getattr(self.sock, "socket", self.sock))
        if self.pin and hashlib.sha256(self.sock.getpeercert(binary_form=True)).hexdigest() != self.pin:
            raise _OtherCertificate("not the pinned certificate")
        # the library would warn of a chain that nobody verified; the very certificate is more than a chain
        self.is_verified = True


class _Plain(_Tracked, HTTPConnection):
    def __init__(self, *args: Any, live: weakref.WeakSet[socket.socket], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.live = live


class _Tls(_Tracked, HTTPSConnection):
    def __init__(self, *args: Any, live: weakref.WeakSet[socket.socket], pin: str = "", **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.live = live
        self.pin = pin


class _PlainPool(urllib3.HTTPConnectionPool):
    ConnectionCls = _Plain


class _TlsPool(urllib3.HTTPSConnectionPool):
    ConnectionCls = _Tls


class Response:
    """An answer whose body has not been read yet. Close it, or use it as a context manager."""

    def __init__(self, raw: urllib3.BaseHTTPResponse, url: Url) -> None:
        self._raw = raw
        self.status = raw.status
        self.url = url

    def header(self, name: str) -> str:
        """The header's value, or an empty text.

        Raises:
            BadAnswer: control characters in it.
        """
        value = self._raw.headers.get(name, "")
        if not value.isprintable():
            raise BadAnswer(f"{self.url.shown} sent a header {name} with control characters in it")
        return value.strip()

    def read(self) -> bytes:
        """The next bytes of the body as they come, without decoding; empty at its end.

        Raises:
            ConnectionFailed: cut off or silent for too long; its message is only the reason.
        """
        try:
            return self._raw.read1(_PIECE, decode_content=False)
        except (HTTPError, OSError, ValueError) as exc:
            raise ConnectionFailed(reason_of(exc)) from exc

    def close(self) -> None:
        with suppress(HTTPError, OSError):
            self._raw.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class Http:
    """Connections to one remote, and to where it redirects. One thread uses it; close it, or use it in ``with``.

    ``home`` is the remote's origin, or the origins of one server's several addresses: pin and credentials are theirs.
    ``roam`` says whether a redirect may leave them when there is no allow-list.
    """

    def __init__(
        self, home: tuple[Origin, ...], trust: Trust, policy: DownloadPolicy, user_agent: str, *, roam: bool
    ) -> None:
        self.home = home
        self.policy = policy
        self._trust = trust
        self._user_agent = user_agent
        self._roam = roam
        self._pools: dict[Origin, urllib3.HTTPConnectionPool] = {}
        self._live: weakref.WeakSet[socket.socket] = weakref.WeakSet()
        self._pin_is_ca = False
        self.aborted = False

    def check(self, origin: Origin, *, secure: bool) -> None:
        """Raise unless a packet may be sent to ``origin``; ``secure``: this download began over HTTPS.

        Raises:
            Forbidden: the administrator's list excludes it, or there is none and it may not leave home.
            BadAnswer: it would leave HTTPS.
        """
        if secure and origin.scheme != "https":
            raise BadAnswer(f"{self.home[0]} leads from HTTPS to plain HTTP ({origin}), which is not followed")
        if self.policy.allow_host is not None:
            if not self.policy.allow_host(origin.host):
                raise Forbidden(
                    f"Images may not be fetched from {origin.host}: it is not on this server's list of allowed hosts"
                )
        elif origin not in self.home and not self._roam:
            raise Forbidden(
                f"{self.home[0]} leads to another server ({origin}), which is not allowed for it",
                hint="an administrator can put that host on the list of allowed hosts",
            )

    def open(self, method: str, url: Url, headers: Mapping[str, str] | None = None) -> Response:
        """Send a request, follow its redirects, return the final answer.

        Raises:
            ConnectionFailed, Untrusted, BadAnswer, Forbidden: see :meth:`check` and the port.
        """
        secure = url.origin.scheme == "https"
        for _ in range(self.policy.redirects + 1):
            self.check(url.origin, secure=secure)
            response = self._once(method, url, dict(headers or {}))
            if response.status not in _REDIRECTS:
                return response
            try:
                location = response.header("Location")
            finally:
                response.close()
            if not location:
                raise BadAnswer(f"{url.shown} redirects, but does not say where to")
            url = url.join(location)
            secure = secure or url.origin.scheme == "https"
        raise BadAnswer(f"{url.origin} redirects more than {self.policy.redirects} times")

    def _once(self, method: str, url: Url, headers: dict[str, str]) -> Response:
        headers.setdefault("Accept-Encoding", "identity")
        headers["User-Agent"] = self._user_agent
        authorization = self._trust.credentials.authorization if self._trust.credentials else None
        if authorization and url.origin in self.home and url.origin.scheme == "https":
            headers["Authorization"] = authorization.header()
        try:
            try:
                raw = self._send(method, url, headers)
            except _OtherCertificate:
                if self._pin_is_ca or not pin_is_ca(self._trust.pin_pem or ""):
                    raise
                self._pin_is_ca = True
                self._pools.pop(url.origin).close()
                raw = self._send(method, url, headers)
        except (HTTPError, OSError, ValueError) as exc:
            if self.aborted:
                raise Cancelled("Cancelled while downloading") from exc
            raise self._translated(exc, url) from exc
        return Response(raw, url)

    def _send(self, method: str, url: Url, headers: dict[str, str]) -> urllib3.BaseHTTPResponse:
        # a proxy for plain HTTP is asked for the whole URL
        forwarded = url.origin.scheme == "http" and self._proxy_for(url.origin) is not None
        return self._pool(url.origin).urlopen(
            method,
            url.full if forwarded else url.target,
            headers=headers,
            redirect=False,
            retries=False,
            assert_same_host=False,
            preload_content=False,
            decode_content=False,
        )

    def _proxy_for(self, origin: Origin) -> Proxy | None:
        return self.policy.proxies.proxy_for(origin.scheme, origin.host)

    def _pool(self, origin: Origin) -> urllib3.HTTPConnectionPool:
        if origin in self._pools:
            return self._pools[origin]
        proxy = self._proxy_for(origin)
        through = self._through(proxy) if proxy else {}
        timeout = urllib3.Timeout(connect=self.policy.connect_timeout, read=self.policy.stall_timeout)
        pool: urllib3.HTTPConnectionPool
        if origin.scheme == "http":
            first = proxy or origin
            kind_of_pool = _PlainPool if first.scheme == "http" else _TlsPool
            pool = kind_of_pool(first.host, first.port, timeout=timeout, maxsize=1, live=self._live, **through)
        else:
            pin = self._trust.pin if origin in self.home and not self._pin_is_ca else ""
            kind = "pinned" if pin else "home" if origin in self.home else "elsewhere"
            pool = _TlsPool(
                origin.host,
                origin.port,
                timeout=timeout,
                maxsize=1,
                ssl_context=self._trust.context(kind),
                # the library takes its own default for the context's otherwise
                cert_reqs="CERT_NONE" if pin else "CERT_REQUIRED",
                assert_hostname=False if pin else None,
                live=self._live,
                pin=pin,
                **through,
            )
        self._pools[origin] = pool
        return pool

    @staticmethod
    def _through(proxy: Proxy) -> dict[str, Any]:
        """What makes a pool go through ``proxy``, which the system's authorities vouch for if it speaks TLS itself."""
        said = f"{proxy.user}:{proxy.password}"
        return {
            "_proxy": parse_url(str(proxy)),
            "_proxy_headers": make_headers(proxy_basic_auth=said) if proxy.user else {},
            "_proxy_config": ProxyConfig(
                ssl.create_default_context(),
                use_forwarding_for_https=False,
                assert_hostname=None,
                assert_fingerprint=None,
            ),
        }

    def _translated(self, exc: Exception, url: Url) -> ConnectionFailed:
        where = f"Failed to connect to {url.origin}"
        proxy = self._proxy_for(url.origin)
        if proxy is not None:
            where += f" through the proxy {proxy}"
        if isinstance(exc, ProxyError) and (refused := _TUNNEL_REFUSED.search(str(exc))):
            return ConnectionFailed(f"{where}: it refuses, with status {refused[1]}")
        if isinstance(exc, _OtherCertificate):
            return Untrusted(
                f"{url.origin} shows another certificate than the one pinned for it",
                hint="if its certificate was renewed on purpose, remove the remote and add it again",
            )
        if isinstance(exc, SSLError) or isinstance(exc.__cause__, ssl.SSLError):
            inner = exc.args[0] if exc.args else exc
            if isinstance(inner, ssl.SSLCertVerificationError):
                return Untrusted(f"{where}: its certificate isn't trusted: {inner.verify_message}")
            return ConnectionFailed(f"{where}: {reason_of(exc)}")
        return ConnectionFailed(f"{where}: {reason_of(exc)}")

    @contextmanager
    def watching(self, cancelled: Asked) -> Iterator[None]:
        """Within it, ``cancelled()`` turning true ends a wait for the network at once."""
        if cancelled is never:
            yield
            return
        done = threading.Event()

        def watch() -> None:
            while not done.wait(SLICE):
                if cancelled():
                    self.abort()  # and again, should another connection be in the making

        thread = threading.Thread(target=watch, name="download-watch", daemon=True)
        thread.start()
        try:
            yield
        finally:
            done.set()
            thread.join()

    def abort(self) -> None:
        """Break all connections, from any thread."""
        self.aborted = True
        for sock in list(self._live):
            with suppress(OSError):
                # not SSLSocket's own, which would let a reader see ciphertext
                socket.socket.shutdown(sock, socket.SHUT_RDWR)

    def close(self) -> None:
        for pool in self._pools.values():
            pool.close()
        self._pools.clear()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
