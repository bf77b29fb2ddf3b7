"""Secrets that let a stranger fetch one private image once."""

from __future__ import annotations

from datetime import datetime, timedelta

import sqlalchemy as sa

from azekura.catalog.columns import to_moment, to_moment_or_none
from azekura.catalog.schema import image_secrets
from azekura.catalog.session import Session
from azekura.errors import AlreadyExists
from azekura.model.fingerprint import Fingerprint

# LXD's clients use a secret twice, for the record and then for the files, and count on these few seconds.
GRACE = timedelta(seconds=5)

_ONE = image_secrets.c.secret_sha256 == sa.bindparam("wanted")


class ImageSecrets:
    """Of the secret only the sha256 is kept. It goes with its image."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def add(self, fingerprint: Fingerprint, secret_sha256: str, expires_at: datetime | None = None) -> None:
        """Raises:
        AlreadyExists: that secret was given out before.
        """
        values = {
            "secret_sha256": secret_sha256,
            "fingerprint": fingerprint.value,
            "expires_at": to_moment_or_none(expires_at),
            "used_at": None,
        }
        if not self._session.insert_absent(image_secrets, values):
            raise AlreadyExists("secret", fingerprint.short)

    def use(self, fingerprint: Fingerprint, secret_sha256: str, now: datetime, *, grace: timedelta = GRACE) -> bool:
        """Whether the secret opens the image. Once used it does so for ``grace`` more, then never again."""
        row = self._session.row(
            sa.select(image_secrets.c.expires_at, image_secrets.c.used_at).where(
                _ONE, image_secrets.c.fingerprint == fingerprint.value
            ),
            {"wanted": secret_sha256},
        )
        moment = to_moment(now)
        if row is None:
            return False
        if row.used_at is not None:
            return bool(moment < row.used_at + _microseconds(grace))
        if row.expires_at is not None and moment >= row.expires_at:
            return False
        self._session.change(image_secrets.update().where(_ONE), {"wanted": secret_sha256, "used_at": moment})
        return True

    def revoke(self, secret_sha256: str) -> None:
        """Make a secret worthless; one that isn't there already is."""
        self._session.change(image_secrets.delete().where(_ONE), {"wanted": secret_sha256})

    def delete_expired(self, now: datetime, *, grace: timedelta = GRACE) -> int:
        """Remove secrets that open nothing any more; how many."""
        moment = to_moment(now)
        return self._session.change(
            image_secrets.delete().where(
                sa.or_(
                    sa.and_(image_secrets.c.used_at.is_(None), image_secrets.c.expires_at <= moment),
                    image_secrets.c.used_at <= moment - _microseconds(grace),
                )
            )
        )


def _microseconds(span: timedelta) -> int:
    """Microseconds."""
    return span // timedelta(microseconds=1)
