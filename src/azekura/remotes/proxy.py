"""Which proxy a request goes through, by LXD's rules (``shared.ProxyFromConfig``).

One proxy for ``http:`` URLs and one for ``https:`` URLs, neither in place of the other; where nothing is said, the
environment does (``HTTP_PROXY``, ``HTTPS_PROXY``, ``NO_PROXY``, or in lower case). ``localhost`` and loopback addresses
are always reached directly.
"""

from __future__ import annotations

import ipaddress
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from azekura.errors import InvalidRequest
from azekura.remotes.urls import Origin, Url, split_userinfo

_PORT = re.compile(r":\d+$", re.ASCII)


@dataclass(frozen=True, slots=True)
class Proxy:
    """One proxy. ``user`` and ``password`` are for the proxy alone."""

    origin: Origin
    user: str = field(default="", repr=False)
    password: str = field(default="", repr=False)

    @classmethod
    def parse(cls, text: str) -> Proxy:
        """``http://proxy:3128``, ``https://…``, with ``user:password@`` if it wants them; no scheme means http.

        Raises:
            InvalidRequest: none of these.
        """
        clean, user, password = split_userinfo(text if "://" in text else f"http://{text}")
        return cls(Url.parse(clean).origin, user, password)


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

    def proxy_for(self, origin: Origin) -> Proxy | None:
        """The proxy to reach ``origin`` through; None: directly.

        Raises:
            InvalidRequest: it is set to something that is no proxy.
        """
        text = self.https if origin.scheme == "https" else self.http
        if not text or self._is_direct(origin.host):
            return None
        try:
            return Proxy.parse(text)
        except InvalidRequest as exc:
            raise InvalidRequest(
                f"The proxy for {origin.scheme}:// is set to something that is no proxy's URL",
                hint=f"lxc config set core.proxy_{origin.scheme} http://HOST:PORT, or mend {origin.scheme}_proxy",
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
    """Whether ``pattern`` (``example.org``, ``.example.org``, an address, each perhaps with a port) means ``host``."""
    if pattern.startswith("["):
        pattern = pattern[1:].partition("]")[0]
    elif pattern.count(":") == 1:
        pattern = _PORT.sub("", pattern)
    name = pattern.removeprefix(".")
    return bool(name) and (host == name or host.endswith(f".{name}"))
