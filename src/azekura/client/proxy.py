"""Which proxy a request goes through, by LXD's rules (``shared.ProxyFromConfig``).

One proxy for ``http:`` URLs and one for ``https:`` URLs, neither in place of the other; where nothing is said, the
environment does (``HTTP_PROXY``, ``HTTPS_PROXY``, ``NO_PROXY``, or in lower case). ``localhost`` and loopback addresses
are always reached directly. HTTPS goes through a proxy as a tunnel (CONNECT): TLS is between us and the server.
"""

from __future__ import annotations

import base64
import ipaddress
import os
import re
import socket
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import unquote

from azekura.errors import ConnectionFailed, InvalidRequest, Unsupported

_PORT = re.compile(r":\d+$", re.ASCII)
_URL = re.compile(
    r"(?:(?P<scheme>https?)://)?(?:(?P<said>[^/\x00-\x20\x7f]*)@)?"
    r"(?P<host>\[[0-9a-f:.]{2,45}\]|[0-9a-z](?:[0-9a-z._-]{0,252}[0-9a-z_])?\.?)(?::(?P<port>[0-9]{1,5}))?/?",
    re.ASCII | re.IGNORECASE,
)
_PORTS = {"http": 80, "https": 443}
_ANSWER = 16 * 1024  # bytes of a proxy's answer to CONNECT


@dataclass(frozen=True, slots=True)
class Proxy:
    """One proxy. ``user`` and ``password`` are for the proxy alone."""

    scheme: str
    host: str
    port: int
    user: str = field(default="", repr=False)
    password: str = field(default="", repr=False)

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.scheme}://{host}" + ("" if self.port == _PORTS[self.scheme] else f":{self.port}")

    @classmethod
    def parse(cls, text: str) -> Proxy:
        """``http://proxy:3128``, ``https://…``, with ``user:password@`` if it wants them; no scheme means http.

        Raises:
            InvalidRequest: none of these.
        """
        match = _URL.fullmatch(text)
        port = int(match["port"] or 0) if match else 0
        if not match or port > 65535 or match["port"] in ("0", "00000"):
            raise InvalidRequest("Not a proxy's URL: only https and http are understood, as http://HOST:PORT")
        scheme = (match["scheme"] or "http").lower()
        user, _, password = (match["said"] or "").partition(":")
        host = match["host"].strip("[]").lower()
        return cls(scheme, host, port or _PORTS[scheme], unquote(user), unquote(password))


@dataclass(frozen=True, slots=True)
class Proxies:
    """Proxy URLs by the scheme of what is fetched (empty: none). ``ignore``: hosts reached directly, comma-separated;
    a name stands for all below it too, ``*`` for all. May hold passwords, so it does not show."""

    http: str = field(default="", repr=False)
    https: str = field(default="", repr=False)
    ignore: str = ""

    @classmethod
    def of(
        cls, http: str = "", https: str = "", ignore: str = "", environment: Mapping[str, str] | None = None
    ) -> Proxies:
        """These; the environment's where one is empty."""
        env = os.environ if environment is None else environment

        def known(given: str, name: str) -> str:
            return given or env.get(name) or env.get(name.lower()) or ""

        return cls(known(http, "HTTP_PROXY"), known(https, "HTTPS_PROXY"), known(ignore, "NO_PROXY"))

    def proxy_for(self, scheme: str, host: str) -> Proxy | None:
        """The proxy to reach ``host`` (no brackets) through by ``http`` or ``https``; None: directly.

        Raises:
            InvalidRequest: it is set to something that is no proxy.
        """
        text = self.https if scheme == "https" else self.http
        if not text or self._is_direct(host.lower()):
            return None
        try:
            return Proxy.parse(text)
        except InvalidRequest as exc:
            raise InvalidRequest(
                f"The proxy for {scheme}:// is set to something that is no proxy's URL",
                hint=f"lxc config set core.proxy_{scheme} http://HOST:PORT, or mend {scheme}_proxy",
            ) from exc

    def _is_direct(self, host: str) -> bool:
        if host == "localhost":
            return True
        try:
            if ipaddress.ip_address(host.partition("%")[0]).is_loopback:
                return True
        except ValueError:
            pass
        if self.ignore.strip() == "*":
            return True
        return any(_matches(host, pattern.strip().lower()) for pattern in self.ignore.split(","))


def _matches(host: str, pattern: str) -> bool:
    """Whether ``pattern`` (``example.org``, ``.example.org``, an address, each perhaps with a port, or
    ``10.0.0.0/8``) means ``host``."""
    if pattern.startswith("["):
        pattern = pattern[1:].partition("]")[0]
    elif pattern.count(":") == 1:
        pattern = _PORT.sub("", pattern)
    if "/" in pattern:
        try:
            return ipaddress.ip_address(host.partition("%")[0]) in ipaddress.ip_network(pattern, strict=False)
        except ValueError:
            return False
    name = pattern.removeprefix(".")
    return bool(name) and (host == name or host.endswith(f".{name}"))


def dial(proxies: Proxies, host: str, port: int, timeout: float | None) -> socket.socket:
    """A TCP connection to ``host`` (no brackets) for TLS, through a tunnel where a proxy is set for it.

    Raises:
        OSError: no connection.
        ConnectionFailed: the proxy refuses.
        Unsupported: the proxy itself speaks TLS.
    """
    proxy = proxies.proxy_for("https", host)
    if proxy is None:
        return socket.create_connection((host, port), timeout=timeout)
    if proxy.scheme != "http":
        raise Unsupported(
            f"The proxy {proxy} speaks TLS itself, which connections to LXD servers can't go through",
            hint="give the proxy as http://HOST:PORT, or except the server in NO_PROXY",
        )
    tunnel = socket.create_connection((proxy.host, proxy.port), timeout=timeout)
    try:
        target = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        lines = [f"CONNECT {target} HTTP/1.1", f"Host: {target}"]
        if proxy.user:
            said = base64.b64encode(f"{proxy.user}:{proxy.password}".encode()).decode()
            lines.append(f"Proxy-Authorization: Basic {said}")
        tunnel.sendall(("\r\n".join(lines) + "\r\n\r\n").encode())
        head = b""
        while b"\r\n\r\n" not in head:
            # byte by byte: what follows is TLS, and not ours to take
            data = tunnel.recv(1)
            if not data or len(head) > _ANSWER:
                raise ConnectionFailed(f"The proxy {proxy} gave no answer that makes sense")
            head += data
        status = head.split(None, 2)[1:2]
        if not head.startswith(b"HTTP/1.") or status != [b"200"]:
            shown = status[0][:3].decode("ascii", "replace") if status else "none"
            raise ConnectionFailed(f"The proxy {proxy} refuses to connect to {target}, with status {shown}")
    except BaseException:
        tunnel.close()
        raise
    return tunnel
