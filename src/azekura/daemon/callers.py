"""Who is calling: the unix socket's owner, a trusted certificate, a token's bearer, or anybody."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import TYPE_CHECKING

from aiohttp import web

from azekura.services.images.lookup import ADMIN, ANONYMOUS, Viewer

if TYPE_CHECKING:
    from azekura.services.trust import Trust


class Access(IntEnum):
    """What a route asks of its caller."""

    ANYONE = 0
    TRUSTED = 1  # any trusted certificate
    ADMIN = 2  # the unix socket or an unrestricted certificate


@dataclass(frozen=True, slots=True)
class Caller:
    """``protocol`` and ``name`` go into events; ``address`` is the peer's, empty for the unix socket."""

    access: Access
    protocol: str
    name: str = ""
    address: str = ""
    viewer: Viewer = ANONYMOUS

    @property
    def local(self) -> bool:
        return self.protocol == "unix"


def identify(request: web.Request, trust: Trust) -> Caller:
    """The caller of ``request``. The trust store is asked each time, so that a removal takes effect at once.

    Blocking (one indexed read); the certificate itself is parsed once for each connection.
    """
    transport = request.transport
    tls = transport.get_extra_info("ssl_object") if transport is not None else None
    if tls is None:
        return Caller(Access.ADMIN, "unix", "root", viewer=ADMIN)
    peer = transport.get_extra_info("peername") if transport is not None else None
    address = str(peer[0]) if peer else ""
    der = tls.getpeercert(True)
    if der is not None and (trusted := trust.identify(der)) is not None:
        if not trusted.restricted:
            return Caller(Access.ADMIN, "tls", trusted.fingerprint, address, ADMIN)
        if "default" in trusted.projects:
            return Caller(Access.TRUSTED, "tls", trusted.fingerprint, address, ADMIN)
        return Caller(Access.ANYONE, "tls", trusted.fingerprint, address)  # restricted to nothing that is here
    kind, _, bearer = request.headers.get("Authorization", "").partition(" ")
    if kind.lower() == "bearer" and bearer and (token := trust.reader(bearer.strip())) is not None:
        return Caller(Access.ANYONE, "token", token.name, address, Viewer(everything=False, scope=token.scope))
    return Caller(Access.ANYONE, "", "", address)
