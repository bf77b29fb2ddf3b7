"""Aliases: names of images that move in one step and remember where they pointed."""

from __future__ import annotations

import builtins
import enum

import sqlalchemy as sa

from azekura.catalog.alias_rows import ALIAS_COLUMNS, alias_from_row, alias_values, put_down_move
from azekura.catalog.columns import from_moment
from azekura.catalog.schema import alias_moves, aliases, images
from azekura.catalog.session import Session
from azekura.errors import AlreadyExists, NotFound, StaleETag
from azekura.model.fingerprint import Fingerprint
from azekura.model.image import Alias, AliasMove, ImageType


class AnyTarget(enum.Enum):
    """The type of ``ANY``: whatever an alias points to now, or whether it is there at all, doesn't matter."""

    ANY = "any"


ANY = AnyTarget.ANY

_ONE = aliases.c.name == sa.bindparam("wanted")
_FIND = sa.select(*ALIAS_COLUMNS).where(_ONE)


class Aliases:
    """Names are unique, whatever the type of the image. A deleted image can't be pointed to."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def create(self, alias: Alias, reason: str = "create") -> None:
        """Record a new alias.

        Raises:
            NotFound: no such image.
            AlreadyExists: the name is taken, in LXD's words.
        """
        self._image_type(alias.target)
        if not self._session.insert_absent(aliases, alias_values(alias)):
            raise AlreadyExists("alias", alias.name)
        put_down_move(self._session, alias, previous=None, target=alias.target, reason=reason)

    def find(self, name: str) -> Alias | None:
        """The alias of that name, None where there is none."""
        row = self._session.row(_FIND, {"wanted": name})
        return None if row is None else alias_from_row(row)

    def get(self, name: str) -> Alias:
        """The alias of that name.

        Raises:
            NotFound: in LXD's words.
        """
        alias = self.find(name)
        if alias is None:
            raise NotFound("image alias", name)
        return alias

    def list(self) -> list[Alias]:
        """All aliases by name."""
        return [alias_from_row(row) for row in self._session.rows(sa.select(*ALIAS_COLUMNS).order_by(aliases.c.name))]

    def replace(self, alias: Alias, reason: str = "update") -> None:
        """Put down target, description and type of the alias with that name.

        Raises:
            NotFound: no such alias, or no such image.
        """
        present = self.get(alias.name)
        self._image_type(alias.target)
        self._session.change(aliases.update().where(_ONE), {"wanted": alias.name, **alias_values(alias)})
        if present.target != alias.target:
            put_down_move(self._session, alias, previous=present.target, target=alias.target, reason=reason)

    def rename(self, old: str, new: str) -> None:
        """Give an alias another name. Both names' histories tell of it.

        Raises:
            NotFound: no alias ``old``.
            AlreadyExists: ``new`` is taken, in LXD's words.
        """
        alias = self.get(old)
        if self.find(new) is not None:
            raise AlreadyExists("alias", new)
        renamed = Alias(new, alias.target, alias.description, alias.type)
        self._session.change(aliases.update().where(_ONE), {"wanted": old, "name": new})
        put_down_move(self._session, alias, previous=alias.target, target=None, reason=f"renamed to {new}")
        put_down_move(self._session, renamed, previous=None, target=alias.target, reason=f"renamed from {old}")

    def delete(self, name: str, reason: str = "delete") -> None:
        """Remove an alias; its history stays.

        Raises:
            NotFound: in LXD's words.
        """
        alias = self.get(name)
        self._session.change(aliases.delete().where(_ONE), {"wanted": name})
        put_down_move(self._session, alias, previous=alias.target, target=None, reason=reason)

    def move(
        self, name: str, target: Fingerprint, *, expect: Fingerprint | AnyTarget | None, reason: str
    ) -> Fingerprint | None:
        """Point an alias to ``target`` if it points to ``expect`` now; where it pointed before.

        ``expect`` None means that it must not exist yet. With None or ``ANY`` it is created where it is missing.

        Raises:
            StaleETag: it points elsewhere, or there is one and should be none, or none and should be one.
            NotFound: no such image.
        """
        type_ = self._image_type(target)
        present = self.find(name)
        previous = present.target if present else None
        if expect is not ANY and expect != previous:
            raise StaleETag(
                f'Alias "{name}" points to {previous.short if previous else "nothing"} now, '
                f"not to {expect.short if isinstance(expect, Fingerprint) else 'nothing'}"
            )
        if present is None or previous is None:
            self.create(Alias(name, target, "", type_), reason)
            return None
        moved = Alias(name, target, present.description, type_)
        statement = aliases.update().where(_ONE, aliases.c.fingerprint == previous.value)
        if self._session.change(statement, {"wanted": name, **alias_values(moved)}) == 0:
            raise StaleETag(f'Alias "{name}" was moved by somebody else meanwhile')
        if target != previous:
            put_down_move(self._session, moved, previous=previous, target=target, reason=reason)
        return previous

    def history(self, name: str) -> builtins.list[AliasMove]:
        """Where the name pointed, newest first; empty for a name that never was."""
        rows = self._session.rows(
            sa.select(alias_moves.c.target, alias_moves.c.moved_at, alias_moves.c.reason)
            .where(alias_moves.c.name == name)
            .order_by(alias_moves.c.id.desc())
        )
        return [
            AliasMove(Fingerprint(target) if target else None, from_moment(moved_at), reason)
            for target, moved_at, reason in rows
        ]

    def _image_type(self, fingerprint: Fingerprint) -> ImageType:
        row = self._session.row(
            sa.select(images.c.type).where(images.c.fingerprint == fingerprint.value, images.c.deleted_at.is_(None))
        )
        if row is None:
            raise NotFound("image", fingerprint.value)
        return ImageType(row[0])
