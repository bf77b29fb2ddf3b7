"""Tokens: of the secret only the sha256 is kept."""

from __future__ import annotations

from datetime import datetime

import sqlalchemy as sa

from azekura.catalog.columns import from_moment, from_moment_or_none, to_moment, to_moment_or_none
from azekura.catalog.schema import tokens
from azekura.catalog.session import Row, Session
from azekura.errors import AlreadyExists, NotFound
from azekura.model.trust import Token

_SELECT = sa.select(
    tokens.c.id,
    tokens.c.secret_sha256,
    tokens.c.purpose,
    tokens.c.name,
    tokens.c.created_at,
    tokens.c.expires_at,
    tokens.c.scope,
    tokens.c.restricted,
)
_FIND = _SELECT.where(
    tokens.c.secret_sha256 == sa.bindparam("wanted"),
    sa.or_(tokens.c.expires_at.is_(None), tokens.c.expires_at > sa.bindparam("now")),
)


class Tokens:
    """``secret_sha256`` is the hex digest of the secret: an index look-up of it tells nobody anything by its time."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def add(self, token: Token) -> None:
        """Raises:
        AlreadyExists: the id or the secret is taken.
        """
        values = {
            "id": token.id,
            "secret_sha256": token.secret_sha256,
            "purpose": token.purpose,
            "name": token.name,
            "created_at": to_moment(token.created_at),
            "expires_at": to_moment_or_none(token.expires_at),
            "scope": token.scope,
            "restricted": token.restricted,
        }
        if not self._session.insert_absent(tokens, values):
            raise AlreadyExists("token", token.name)

    def find(self, secret_sha256: str, now: datetime) -> Token | None:
        """The token with that secret, None where there is none or it has expired."""
        row = self._session.row(_FIND, {"wanted": secret_sha256, "now": to_moment(now)})
        return None if row is None else _token(row)

    def take(self, secret_sha256: str, now: datetime) -> Token | None:
        """As :meth:`find`, and nobody ever gets it again: of any number who try, one succeeds."""
        token = self.find(secret_sha256, now)
        if token is None or self._session.change(tokens.delete().where(tokens.c.id == token.id)) == 0:
            return None
        return token

    def list(self) -> list[Token]:
        """All tokens, expired ones too, in the order they were made."""
        return [_token(row) for row in self._session.rows(_SELECT.order_by(tokens.c.created_at, tokens.c.id))]

    def revoke(self, token_id: str) -> None:
        """Raises:
        NotFound: no token has that id.
        """
        if self._session.change(tokens.delete().where(tokens.c.id == token_id)) == 0:
            raise NotFound("token", token_id)

    def delete_expired(self, now: datetime) -> int:
        """Remove tokens that have expired; how many."""
        return self._session.change(tokens.delete().where(tokens.c.expires_at <= to_moment(now)))


def _token(row: Row) -> Token:
    id_, secret_sha256, purpose, name, created_at, expires_at, scope, restricted = row
    return Token(
        id=id_,
        secret_sha256=secret_sha256,
        purpose=purpose,
        name=name,
        created_at=from_moment(created_at),
        expires_at=from_moment_or_none(expires_at),
        scope=scope,
        restricted=restricted,
    )
