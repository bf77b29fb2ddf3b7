"""Profiles: configuration and devices that instances share."""

from __future__ import annotations

import builtins
from typing import Any

import sqlalchemy as sa

from azekura.catalog.columns import from_json, to_json
from azekura.catalog.schema import images, instance_profiles, profiles, snapshots
from azekura.catalog.session import Row, Session
from azekura.errors import AlreadyExists, InUse, NotFound
from azekura.model.instance import Profile

_ONE = profiles.c.name == sa.bindparam("wanted")
_SELECT = sa.select(profiles.c.name, profiles.c.description, profiles.c.config, profiles.c.devices)


class Profiles:
    """The catalog makes none by itself, not even ``default``."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def create(self, profile: Profile) -> None:
        """Raises:
        AlreadyExists: the name is taken, in LXD's words.
        """
        if not self._session.insert_absent(profiles, _values(profile)):
            raise AlreadyExists("profile", profile.name)

    def get(self, name: str) -> Profile:
        """Raises:
        NotFound: in LXD's words.
        """
        row = self._session.row(_SELECT.where(_ONE), {"wanted": name})
        if row is None:
            raise NotFound("profile", name)
        return _profile(row)

    def list(self) -> list[Profile]:
        """All profiles by name."""
        return [_profile(row) for row in self._session.rows(_SELECT.order_by(profiles.c.name))]

    def replace(self, profile: Profile) -> None:
        """Put down description, configuration and devices of the profile with that name.

        Raises:
            NotFound: in LXD's words.
        """
        if self._session.change(profiles.update().where(_ONE), {"wanted": profile.name, **_values(profile)}) == 0:
            raise NotFound("profile", profile.name)

    def rename(self, old: str, new: str) -> None:
        """Give a profile another name, wherever it is named: instances, snapshots, images.

        Raises:
            NotFound: no profile ``old``.
            AlreadyExists: ``new`` is taken, in LXD's words.
        """
        self.get(old)
        if self._session.row(_SELECT.where(_ONE), {"wanted": new}) is not None:
            raise AlreadyExists("profile", new)
        self._session.change(profiles.update().where(_ONE), {"wanted": old, "name": new})
        self._rewrite_lists(old, new)

    def delete(self, name: str) -> None:
        """Remove a profile; images and snapshots that name it no longer do.

        Raises:
            NotFound: in LXD's words.
            InUse: an instance uses it, in LXD's words.
        """
        self.get(name)
        if self.used_by(name):
            raise InUse("Profile is currently in use")
        self._session.change(profiles.delete().where(_ONE), {"wanted": name})
        self._rewrite_lists(name, None)

    def used_by(self, name: str) -> builtins.list[str]:
        """Names of the instances that use the profile."""
        rows = self._session.rows(
            sa.select(instance_profiles.c.instance)
            .where(instance_profiles.c.profile == name)
            .distinct()
            .order_by(instance_profiles.c.instance)
        )
        return [row[0] for row in rows]

    def _rewrite_lists(self, old: str, new: str | None) -> None:
        """Images and snapshots keep profiles as one JSON text: they only name them, and stay when one goes."""
        for table, key in ((images, (images.c.fingerprint,)), (snapshots, (snapshots.c.instance, snapshots.c.name))):
            for row in self._session.rows(sa.select(table.c.profiles, *key)):
                names = from_json(row[0])
                if old in names:
                    kept = (new if name == old else name for name in names)
                    same = (column == value for column, value in zip(key, row[1:], strict=True))
                    text = to_json(tuple(name for name in kept if name is not None))
                    self._session.change(table.update().where(*same).values(profiles=text))


def _values(profile: Profile) -> dict[str, Any]:
    return {
        "name": profile.name,
        "description": profile.description,
        "config": to_json(profile.config),
        "devices": to_json(profile.devices),
    }


def _profile(row: Row) -> Profile:
    name, description, config, devices = row
    return Profile(name, description, from_json(config), from_json(devices))
