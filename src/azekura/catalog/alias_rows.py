"""Aliases as rows, and their history: every move is put down, with what it takes to undo it."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import sqlalchemy as sa

from azekura.catalog.columns import to_moment
from azekura.catalog.schema import alias_moves, aliases
from azekura.catalog.session import Row, Session
from azekura.model.fingerprint import Fingerprint
from azekura.model.image import Alias, ImageType

# a plain dictionary: an enumeration's call costs a microsecond, and lists are long
IMAGE_TYPES = {type_.value: type_ for type_ in ImageType}
IMAGE_DELETED = "image deleted"
IMAGE_UNDELETED = "image undeleted"

ALIAS_COLUMNS = (aliases.c.name, aliases.c.fingerprint, aliases.c.description, aliases.c.type)


def alias_from_row(row: Row) -> Alias:
    """The alias of a row of ``ALIAS_COLUMNS``."""
    name, fingerprint, description, type_ = row
    return Alias(name, Fingerprint(fingerprint), description, IMAGE_TYPES[type_])


def alias_values(alias: Alias) -> dict[str, Any]:
    return {
        "name": alias.name,
        "fingerprint": alias.target.value,
        "description": alias.description,
        "type": alias.type.value,
    }


def put_down_move(
    session: Session,
    alias: Alias,
    *,
    previous: Fingerprint | None,
    target: Fingerprint | None,
    reason: str,
    when: datetime | None = None,
) -> None:
    """Write into the history that ``alias`` went from ``previous`` to ``target`` (None: it wasn't, it is gone)."""
    session.change(
        alias_moves.insert(),
        {
            "name": alias.name,
            "previous": previous.value if previous else None,
            "target": target.value if target else None,
            "moved_at": to_moment(when or session.clock()),
            "reason": reason,
            "description": alias.description,
            "type": alias.type.value,
        },
    )


def release_aliases(session: Session, image: Fingerprint, when: datetime) -> None:
    """Remove the aliases of an image that goes away."""
    statement = sa.select(*ALIAS_COLUMNS).where(aliases.c.fingerprint == image.value)
    for alias in [alias_from_row(row) for row in session.rows(statement)]:
        put_down_move(session, alias, previous=image, target=None, reason=IMAGE_DELETED, when=when)
    session.change(aliases.delete().where(aliases.c.fingerprint == image.value))


def restore_aliases(session: Session, image: Fingerprint, deleted_at: int) -> None:
    """Bring back the aliases that went with the image at ``deleted_at`` (microseconds), where nobody took the name."""
    moves = session.rows(
        sa.select(alias_moves.c.name, alias_moves.c.description, alias_moves.c.type)
        .where(
            alias_moves.c.previous == image.value,
            alias_moves.c.reason == IMAGE_DELETED,
            alias_moves.c.moved_at == deleted_at,
        )
        .distinct()
    )
    for name, description, type_ in moves:
        alias = Alias(name, image, description, ImageType(type_))
        if session.insert_absent(aliases, alias_values(alias)):
            put_down_move(session, alias, previous=None, target=image, reason=IMAGE_UNDELETED)
