"""Who may talk to the daemon over the network."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class TrustedCertificate:
    """A client certificate in the trust store. ``fingerprint`` is the sha256 of its DER form, 64 hex digits."""

    fingerprint: str
    name: str
    pem: str
    type: str = "client"
    restricted: bool = False
    projects: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Token:
    """A secret handed out once; only its sha256 is kept.

    ``purpose``: ``join`` (one use: adds a certificate, restricted to the projects in ``scope``) or ``read``
    (bearer; image aliases that
    match ``scope``, a shell pattern such as ``debian/*``).
    """

    id: str
    secret_sha256: str
    purpose: str
    name: str
    created_at: datetime
    expires_at: datetime | None = None
    scope: str = ""
    restricted: bool = False
