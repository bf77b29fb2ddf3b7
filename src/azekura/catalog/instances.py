"""Instances: records, their own copy of metadata and templates; snapshots come in through here as well."""

from __future__ import annotations

import builtins
from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa

from azekura.catalog.columns import from_json, from_moment, to_json, to_moment
from azekura.catalog.instance_files import InstanceFiles
from azekura.catalog.schema import instance_profiles, instances, profiles, storage_pools
from azekura.catalog.session import Row, Session
from azekura.catalog.snapshots import Snapshots
from azekura.errors import AlreadyExists, NotFound
from azekura.model.fingerprint import Fingerprint
from azekura.model.instance import Instance, Snapshot

BASE_IMAGE = "volatile.base_image"  # LXD's key for the fingerprint of the image an instance was made from

_ONE = instances.c.name == sa.bindparam("wanted")
_SELECT = sa.select(
    instances.c.name,
    instances.c.architecture,
    instances.c.pool,
    instances.c.created_at,
    instances.c.config,
    instances.c.devices,
    instances.c.ephemeral,
    instances.c.description,
    instances.c.last_used_at,
)
_GET = _SELECT.where(_ONE)
_PROFILES_OF_ONE = (
    sa.select(instance_profiles.c.profile)
    .where(instance_profiles.c.instance == sa.bindparam("wanted"))
    .order_by(instance_profiles.c.position)
)
_PROFILES = sa.select(instance_profiles.c.instance, instance_profiles.c.profile).order_by(
    instance_profiles.c.instance, instance_profiles.c.position
)


class Instances:
    """An instance's pool and profiles exist, always."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._files = InstanceFiles(session)
        self._snapshots = Snapshots(session)

    def create(self, instance: Instance) -> None:
        """Record a new instance.

        Raises:
            AlreadyExists: the name is taken, in LXD's words.
            NotFound: no such pool, or one of the profiles isn't there.
        """
        self._require(instance)
        if not self._session.insert_absent(instances, _values(instance)):
            raise AlreadyExists("instance", instance.name)
        self._put_profiles(instance)

    def get(self, name: str) -> Instance:
        """Raises:
        NotFound: in LXD's words.
        """
        row = self._session.row(_GET, {"wanted": name})
        if row is None:
            raise NotFound("instance", name)
        return _instance(row, tuple(one[0] for one in self._session.rows(_PROFILES_OF_ONE, {"wanted": name})))

    def list(self) -> list[Instance]:
        """All instances by name."""
        named: dict[str, builtins.list[str]] = {}
        for instance, profile in self._session.rows(_PROFILES):
            named.setdefault(instance, []).append(profile)
        rows = self._session.rows(_SELECT.order_by(instances.c.name))
        return [_instance(row, tuple(named.get(row[0], ()))) for row in rows]

    def replace(self, instance: Instance) -> None:
        """Put down everything about the instance with that name.

        Raises:
            NotFound: no such instance, pool or profile.
        """
        self._require(instance)
        if self._session.change(instances.update().where(_ONE), {"wanted": instance.name, **_values(instance)}) == 0:
            raise NotFound("instance", instance.name)
        self._session.change(instance_profiles.delete().where(instance_profiles.c.instance == instance.name))
        self._put_profiles(instance)

    def rename(self, old: str, new: str) -> None:
        """Give an instance another name; snapshots, metadata and templates follow.

        Raises:
            NotFound: no instance ``old``.
            AlreadyExists: ``new`` is taken, in LXD's words.
        """
        if self._session.row(_GET, {"wanted": new}) is not None:
            raise AlreadyExists("instance", new)
        if self._session.change(instances.update().where(_ONE), {"wanted": old, "name": new}) == 0:
            raise NotFound("instance", old)

    def delete(self, name: str) -> None:
        """Remove an instance with its snapshots, metadata and templates.

        Raises:
            NotFound: in LXD's words.
        """
        if self._session.change(instances.delete().where(_ONE), {"wanted": name}) == 0:
            raise NotFound("instance", name)

    def used_image(self, fingerprint: Fingerprint | str) -> builtins.list[str]:
        """Names of the instances that were made from the image (``volatile.base_image``)."""
        rows = self._session.rows(
            sa.select(instances.c.name).where(instances.c.base_image == str(fingerprint)).order_by(instances.c.name)
        )
        return [row[0] for row in rows]

    def get_files(self, name: str, *, snapshot: str = "") -> tuple[bytes, dict[str, bytes]]:
        """``metadata.yaml`` and template files of an instance, or of one of its snapshots.

        Raises:
            NotFound: no such instance or snapshot, or nothing was ever set.
        """
        return self._files.get(name, snapshot)

    def set_files(self, name: str, metadata_yaml: bytes, templates: Mapping[str, bytes]) -> None:
        """Put down the instance's own ``metadata.yaml`` and template files, in place of all that were there.

        Raises:
            NotFound: no such instance.
        """
        self.get(name)
        self._files.set(name, metadata_yaml, templates)

    def create_snapshot(self, snapshot: Snapshot) -> None:
        """Record a snapshot, with a copy of the instance's metadata and templates as they are.

        Raises:
            NotFound: no such instance.
            AlreadyExists: the instance has one of that name.
        """
        self.get(snapshot.instance.name)
        self._snapshots.create(snapshot)
        self._files.copy_to_snapshot(snapshot.instance.name, snapshot.name)

    def get_snapshot(self, name: str, snapshot: str) -> Snapshot:
        """Raises:
        NotFound: no such instance or snapshot.
        """
        return self._snapshots.get(name, snapshot)

    def list_snapshots(self, name: str) -> builtins.list[Snapshot]:
        """The snapshots of an instance, oldest first; empty for an instance that isn't there."""
        return self._snapshots.list(name)

    def all_snapshots(self) -> dict[str, builtins.list[Snapshot]]:
        """The snapshots of all instances that have any, oldest first."""
        return self._snapshots.all()

    def replace_snapshot(self, snapshot: Snapshot) -> None:
        """Put down everything about a snapshot but its names.

        Raises:
            NotFound: no such snapshot.
        """
        self._snapshots.replace(snapshot)

    def rename_snapshot(self, name: str, old: str, new: str) -> None:
        """Raises:
        NotFound: no snapshot ``old``.
        AlreadyExists: ``new`` is taken.
        """
        self._snapshots.rename(name, old, new)
        self._files.rename_snapshot(name, old, new)

    def delete_snapshot(self, name: str, snapshot: str) -> None:
        """Raises:
        NotFound: no such snapshot.
        """
        self._snapshots.delete(name, snapshot)
        self._files.delete(name, snapshot)

    def _require(self, instance: Instance) -> None:
        if self._session.row(sa.select(storage_pools.c.name).where(storage_pools.c.name == instance.pool)) is None:
            raise NotFound("storage pool", instance.pool)
        known = {row[0] for row in self._session.rows(sa.select(profiles.c.name))}
        for name in instance.profiles:
            if name not in known:
                raise NotFound("profile", name, message=f'Requested profile "{name}" doesn\'t exist')

    def _put_profiles(self, instance: Instance) -> None:
        rows = [
            {"instance": instance.name, "position": position, "profile": profile}
            for position, profile in enumerate(instance.profiles)
        ]
        if rows:
            self._session.change(instance_profiles.insert(), rows)


def _values(instance: Instance) -> dict[str, Any]:
    return {
        "name": instance.name,
        "architecture": instance.architecture,
        "pool": instance.pool,
        "created_at": to_moment(instance.created_at),
        "config": to_json(instance.config),
        "devices": to_json(instance.devices),
        "ephemeral": instance.ephemeral,
        "description": instance.description,
        "last_used_at": to_moment(instance.last_used_at),
        "base_image": instance.config.get(BASE_IMAGE, ""),
    }


def _instance(row: Row, named: tuple[str, ...]) -> Instance:
    name, architecture, pool, created_at, config, devices, ephemeral, description, last_used_at = row
    return Instance(
        name=name,
        architecture=architecture,
        pool=pool,
        created_at=from_moment(created_at),
        config=from_json(config),
        devices=from_json(devices),
        profiles=named,
        ephemeral=ephemeral,
        description=description,
        last_used_at=from_moment(last_used_at),
    )
