"""The trust store: client certificates by fingerprint."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from azekura.catalog.columns import from_json, to_json
from azekura.catalog.schema import certificates
from azekura.catalog.session import Row, Session
from azekura.errors import AlreadyExists, Ambiguous, NotFound
from azekura.model.fingerprint import is_prefix
from azekura.model.trust import TrustedCertificate

_ONE = certificates.c.fingerprint == sa.bindparam("wanted")
_SELECT = sa.select(
    certificates.c.fingerprint,
    certificates.c.name,
    certificates.c.pem,
    certificates.c.type,
    certificates.c.restricted,
    certificates.c.projects,
)
_MATCHING = (
    _SELECT.where(certificates.c.fingerprint >= sa.bindparam("first"), certificates.c.fingerprint < sa.bindparam("end"))
    .order_by(certificates.c.fingerprint)
    .limit(100)
)


class Certificates:
    """Names needn't be unique, fingerprints are."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def add(self, certificate: TrustedCertificate) -> None:
        """Raises:
        AlreadyExists: it is trusted already, in LXD's words.
        """
        if not self._session.insert_absent(certificates, _values(certificate)):
            raise AlreadyExists("certificate", certificate.fingerprint, message="Certificate already in trust store")

    def get(self, prefix: str) -> TrustedCertificate:
        """The certificate whose fingerprint is ``prefix`` or begins with it.

        Raises:
            NotFound: none does.
            Ambiguous: several do.
        """
        rows = self._session.rows(_MATCHING, {"first": prefix, "end": prefix + "g"}) if is_prefix(prefix) else ()
        if not rows:
            raise NotFound("certificate", prefix)
        if len(rows) > 1:
            raise Ambiguous("More than one certificate matches", candidates=tuple(row[0] for row in rows))
        return _certificate(rows[0])

    def list(self) -> list[TrustedCertificate]:
        """All certificates by fingerprint."""
        return [_certificate(row) for row in self._session.rows(_SELECT.order_by(certificates.c.fingerprint))]

    def replace(self, certificate: TrustedCertificate) -> None:
        """Put down everything about the certificate with that (whole) fingerprint.

        Raises:
            NotFound: it isn't there.
        """
        statement = certificates.update().where(_ONE)
        if self._session.change(statement, {"wanted": certificate.fingerprint, **_values(certificate)}) == 0:
            raise NotFound("certificate", certificate.fingerprint)

    def remove(self, fingerprint: str) -> None:
        """Raises:
        NotFound: none with that (whole) fingerprint.
        """
        if self._session.change(certificates.delete().where(_ONE), {"wanted": fingerprint}) == 0:
            raise NotFound("certificate", fingerprint)


def _values(certificate: TrustedCertificate) -> dict[str, Any]:
    return {
        "fingerprint": certificate.fingerprint,
        "name": certificate.name,
        "pem": certificate.pem,
        "type": certificate.type,
        "restricted": certificate.restricted,
        "projects": to_json(certificate.projects),
    }


def _certificate(row: Row) -> TrustedCertificate:
    fingerprint, name, pem, type_, restricted, projects = row
    return TrustedCertificate(fingerprint, name, pem, type_, restricted, tuple(from_json(projects)))
