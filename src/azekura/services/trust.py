"""Who may talk to the server over the network: certificates, join tokens, scoped tokens, the trust password."""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
import threading
import time
import uuid
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from azekura.catalog import Transaction
from azekura.errors import AlreadyExists, AzekuraError, Forbidden, InvalidRequest, TooLarge
from azekura.model.lifespan import end_of
from azekura.model.trust import Token, TrustedCertificate
from azekura.services.depot import Depot
from azekura.services.settings import Settings, password_matches

MAX_PEM = 64 * 1024
_TRIES = 5  # wrong passwords in a row from one address before it has to wait
_PENALTY = 60.0  # seconds


def parse_certificate(pem_or_base64: str) -> x509.Certificate:
    """A certificate in PEM, or in base64 DER as LXD's clients send it.

    Raises:
        InvalidRequest: it is neither.
        TooLarge: longer than any certificate.
    """
    if len(pem_or_base64) > MAX_PEM:
        raise TooLarge("The certificate is longer than 64 KiB")
    text = pem_or_base64.strip()
    try:
        if "-----BEGIN" in text:
            return x509.load_pem_x509_certificate(text.encode())
        return x509.load_der_x509_certificate(base64.b64decode(text, validate=True))
    except (ValueError, TypeError) as exc:
        raise InvalidRequest(f"Invalid certificate: {str(exc)[:100]}") from exc


def fingerprint_of(der: bytes) -> str:
    """sha256 of a certificate's DER form, 64 hex digits."""
    return hashlib.sha256(der).hexdigest()


def is_current(certificate: x509.Certificate, now: datetime) -> bool:
    """Whether ``now`` is between its dates."""
    return certificate.not_valid_before_utc <= now <= certificate.not_valid_after_utc


def _add(tx: Transaction, trusted: TrustedCertificate) -> None:
    try:
        tx.certificates.add(trusted)
    except AlreadyExists:
        raise AlreadyExists("certificate", trusted.fingerprint, message="Certificate already in trust store") from None


class Trust:
    """The trust store of one daemon."""

    def __init__(self, depot: Depot, *, seconds: Callable[[], float] = time.monotonic) -> None:
        self._depot = depot
        self._seconds = seconds
        self._failures: dict[str, tuple[int, float]] = {}
        self._lock = threading.Lock()

    def identify(self, der: bytes) -> TrustedCertificate | None:
        """The trusted certificate that a peer proved to hold; None for strangers and outside its dates."""
        with self._depot.catalog.read() as tx:
            try:
                trusted = tx.certificates.get(fingerprint_of(der))
            except AzekuraError:
                return None
        certificate = x509.load_der_x509_certificate(der)
        return trusted if is_current(certificate, self._depot.clock()) else None

    def add(
        self,
        certificate: x509.Certificate,
        name: str,
        *,
        restricted: bool = False,
        projects: Sequence[str] = (),
    ) -> TrustedCertificate:
        """Trust a certificate.

        Raises:
            AlreadyExists: it is trusted already, in LXD's words.
        """
        der = certificate.public_bytes(Encoding.DER)
        trusted = TrustedCertificate(
            fingerprint=fingerprint_of(der),
            name=(name or _common_name(certificate))[:255],
            pem=certificate.public_bytes(Encoding.PEM).decode(),
            restricted=restricted,
            projects=tuple(projects),
        )
        with self._depot.catalog.write() as tx:
            _add(tx, trusted)
        self._depot.events.lifecycle("certificate-created", f"/1.0/certificates/{trusted.fingerprint}")
        return trusted

    def change(self, fingerprint: str, entry: TrustedCertificate, certificate: x509.Certificate | None) -> None:
        """Put ``entry`` down for the one with that (whole) fingerprint; ``certificate`` takes the place of the old.

        Raises:
            NotFound: it isn't there any more.
            AlreadyExists: ``certificate`` has an entry of its own.
            InvalidRequest: ``certificate`` is outside its dates.
        """
        if certificate is not None and not is_current(certificate, self._depot.clock()):
            raise InvalidRequest("Invalid certificate: it is not valid at this time")
        if certificate is not None:
            der = certificate.public_bytes(Encoding.DER)
            pem = certificate.public_bytes(Encoding.PEM).decode()
            entry = replace(entry, fingerprint=fingerprint_of(der), pem=pem)
        with self._depot.catalog.write() as tx:
            if entry.fingerprint == fingerprint:
                tx.certificates.replace(entry)
            else:
                tx.certificates.remove(fingerprint)
                _add(tx, entry)
        self._depot.events.lifecycle("certificate-updated", f"/1.0/certificates/{fingerprint}")

    def remove(self, fingerprint: str) -> None:
        """Raises:
        NotFound, Ambiguous.
        """
        with self._depot.catalog.write() as tx:
            found = tx.certificates.get(fingerprint)
            tx.certificates.remove(found.fingerprint)
        self._depot.events.lifecycle("certificate-deleted", f"/1.0/certificates/{found.fingerprint}")

    # -- adding oneself

    def check_password(self, password: str, address: str) -> None:
        """Raises:
        Forbidden: wrong, not set, or too many wrong ones from that address.
        """
        now = self._seconds()
        with self._lock:
            count, since = self._failures.get(address, (0, now))
            if count >= _TRIES and now - since < _PENALTY:
                raise Forbidden("not authorized", hint="too many wrong passwords, try again in a minute")
        with self._depot.catalog.read() as tx:
            stored = tx.settings.get("core.trust_password") or ""
        if password_matches(stored, password):
            with self._lock:
                self._failures.pop(address, None)
            return
        with self._lock:
            self._failures = {
                known: (tries, when) for known, (tries, when) in self._failures.items() if now - when < _PENALTY
            }
            tries = self._failures.get(address, (0, now))[0]
            self._failures[address] = (tries + 1, now)
        raise Forbidden("not authorized")

    def issue_join_token(self, name: str, *, restricted: bool, projects: Sequence[str]) -> tuple[Token, str]:
        """A token that adds one certificate. Returns the record, and the secret that is never kept."""
        secret = secrets.token_hex(32)
        ends = end_of(Settings(self._depot.catalog).get("core.remote_token_expiry"), self._depot.clock())
        token = self._new_token("join", name, secret, expires_at=ends)
        token = replace(token, restricted=restricted, scope=",".join(projects))
        with self._depot.catalog.write() as tx:
            tx.tokens.add(token)
        return token, secret

    def issue_read_token(self, name: str, scope: str, expires_at: datetime | None) -> tuple[Token, str]:
        """A bearer token that reads images with aliases like ``scope``. Returns the record and the secret."""
        if not scope:
            raise InvalidRequest('A read token needs a scope, for instance "debian/*"')
        secret = "azk_" + secrets.token_urlsafe(32)
        token = replace(self._new_token("read", name, secret, expires_at=expires_at), scope=scope)
        with self._depot.catalog.write() as tx:
            tx.tokens.add(token)
        return token, secret

    def _new_token(self, purpose: str, name: str, secret: str, *, expires_at: datetime | None) -> Token:
        return Token(
            id=str(uuid.uuid4()),
            secret_sha256=_sha256(secret),
            purpose=purpose,
            name=name,
            created_at=self._depot.clock(),
            expires_at=expires_at,
        )

    def take_join_token(self, text: str) -> Token | None:
        """The join token that ``text`` (LXD's base64 form, or the bare secret) is; it can't be used again.

        None when it is not a token of ours, or was used, revoked or is too old.
        """
        secret = text.strip()
        try:
            decoded = json.loads(base64.b64decode(secret, validate=True))
            secret = str(decoded["secret"])
        except (ValueError, KeyError, TypeError):
            pass
        with self._depot.catalog.write() as tx:
            now = self._depot.clock()
            token = tx.tokens.find(_sha256(secret), now)
            if token is None or token.purpose != "join":
                return None
            return tx.tokens.take(token.secret_sha256, now)

    def reader(self, bearer: str) -> Token | None:
        """The read token a request carries, if it is valid now."""
        with self._depot.catalog.read() as tx:
            token = tx.tokens.find(_sha256(bearer), self._depot.clock())
        return token if token is not None and token.purpose == "read" else None

    def tokens(self) -> list[Token]:
        with self._depot.catalog.read() as tx:
            return list(tx.tokens.list())

    def revoke(self, token_id: str) -> None:
        with self._depot.catalog.write() as tx:
            tx.tokens.revoke(token_id)


def encode_join_token(name: str, secret: str, certificate_fingerprint: str, addresses: list[str], expires: str) -> str:
    """A join token in the form LXD's clients take (base64 of JSON)."""
    fields = {
        "client_name": name,
        "fingerprint": certificate_fingerprint,
        "addresses": addresses,
        "secret": secret,
        "expires_at": expires,
    }
    return base64.b64encode(json.dumps(fields).encode()).decode()


def _sha256(secret: str) -> str:
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()


def _common_name(certificate: x509.Certificate) -> str:
    names = certificate.subject.get_attributes_for_oid(x509.NameOID.COMMON_NAME)
    return str(names[0].value) if names else "unnamed"
