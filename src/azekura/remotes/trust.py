"""Which server certificates are good, and what we show of ourselves."""

from __future__ import annotations

import ssl
from dataclasses import dataclass, field

from azekura.client.bulk_tls import BulkContext
from azekura.client.tls import client_context, fingerprint_of_pem
from azekura.errors import InvalidRequest
from azekura.remotes.credentials import Credentials
from azekura.remotes.reasons import reason_of


@dataclass(frozen=True, slots=True)
class Trust:
    """Which server certificates are good: the one pinned, or what ``ca_pem`` (None: the system's CAs) vouches for.

    A pin may also be a CA's certificate, as LXD's ``servercerts/`` allow: then what it signed is good as well.
    """

    pin_pem: str | None = None
    ca_pem: str | None = None
    credentials: Credentials | None = field(default=None, repr=False)
    _contexts: dict[str, ssl.SSLContext] = field(default_factory=dict, repr=False, compare=False)

    @property
    def pin(self) -> str:
        """sha256 of the pinned certificate's DER form, in hex; empty if none is pinned.

        Raises:
            InvalidRequest: it isn't PEM.
        """
        return fingerprint_of_pem(self.pin_pem) if self.pin_pem else ""

    def context(self, kind: str) -> ssl.SSLContext:
        """``kind``: ``pinned`` (the caller compares), ``home`` (the remote's own origin) or ``elsewhere``.

        Raises:
            InvalidRequest: a certificate or key of the user's that can't be read.
        """
        if kind not in self._contexts:
            try:
                self._contexts[kind] = self._build(kind)
            except (ssl.SSLError, OSError, ValueError) as exc:
                raise InvalidRequest(f"Can't use the certificates given for this remote: {reason_of(exc)}") from exc
        return self._contexts[kind]

    def _build(self, kind: str) -> ssl.SSLContext:
        client = self.credentials.client if self.credentials and kind != "elsewhere" else None
        certificate, key = (client.certificate_pem, client.key_pem) if client else (None, None)
        if kind == "pinned":
            from azekura.remotes.pinned_tls import PinnedContext

            pinned = client_context(certificate, key, verify=False, kind=PinnedContext)
            assert isinstance(pinned, PinnedContext)
            pinned.show(certificate or "", key or "")
            return pinned
        context = client_context(certificate, key, verify=False, kind=BulkContext)
        context.verify_mode = ssl.CERT_REQUIRED
        context.check_hostname = True
        vouching = self.ca_pem or (self.credentials.ca_pem if self.credentials else "")
        if kind == "home" and self.pin_pem:
            vouching = self.pin_pem
        if vouching:
            context.load_verify_locations(cadata=vouching)
        else:
            context.load_default_certs(ssl.Purpose.SERVER_AUTH)
        return context


def pin_is_ca(pem: str) -> bool:
    """Whether the pinned certificate may vouch for others."""
    from cryptography import x509

    try:
        certificate = x509.load_pem_x509_certificate(pem.encode())
        return certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    except (ValueError, x509.ExtensionNotFound):
        return False
