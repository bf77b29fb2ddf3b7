"""Snapshots: an instance's record as it was."""

from __future__ import annotations

import builtins
from typing import Any

import sqlalchemy as sa

from azekura.catalog.columns import from_json, from_moment, to_json, to_moment
from azekura.catalog.schema import snapshots
from azekura.catalog.session import Row, Session
from azekura.errors import AlreadyExists, NotFound
from azekura.model.instance import Instance, Snapshot

_SELECT = sa.select(
    snapshots.c.instance,
    snapshots.c.name,
    snapshots.c.created_at,
    snapshots.c.expires_at,
    snapshots.c.stateful,
    snapshots.c.architecture,
    snapshots.c.pool,
    snapshots.c.instance_created_at,
    snapshots.c.config,
    snapshots.c.devices,
    snapshots.c.profiles,
    snapshots.c.ephemeral,
    snapshots.c.description,
    snapshots.c.last_used_at,
)
_OLDEST_FIRST = (snapshots.c.instance, snapshots.c.created_at, snapshots.c.name)


class Snapshots:
    """The names of profiles are kept as they were: a snapshot doesn't keep a profile from being deleted."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def create(self, snapshot: Snapshot) -> None:
        if not self._session.insert_absent(snapshots, _values(snapshot)):
            raise AlreadyExists("snapshot", f"{snapshot.instance.name}/{snapshot.name}")

    def get(self, instance: str, name: str) -> Snapshot:
        row = self._session.row(_SELECT.where(*_one(instance, name)))
        if row is None:
            raise _not_found(instance, name)
        return _snapshot(row)

    def list(self, instance: str) -> list[Snapshot]:
        rows = self._session.rows(_SELECT.where(snapshots.c.instance == instance).order_by(*_OLDEST_FIRST))
        return [_snapshot(row) for row in rows]

    def all(self) -> dict[str, builtins.list[Snapshot]]:
        by_instance: dict[str, builtins.list[Snapshot]] = {}
        for row in self._session.rows(_SELECT.order_by(*_OLDEST_FIRST)):
            by_instance.setdefault(row.instance, []).append(_snapshot(row))
        return by_instance

    def replace(self, snapshot: Snapshot) -> None:
        statement = snapshots.update().where(*_one(snapshot.instance.name, snapshot.name))
        if self._session.change(statement.values(_values(snapshot))) == 0:
            raise _not_found(snapshot.instance.name, snapshot.name)

    def rename(self, instance: str, old: str, new: str) -> None:
        if self._session.row(_SELECT.where(*_one(instance, new))) is not None:
            raise AlreadyExists("snapshot", f"{instance}/{new}")
        if self._session.change(snapshots.update().where(*_one(instance, old)).values(name=new)) == 0:
            raise _not_found(instance, old)

    def delete(self, instance: str, name: str) -> None:
        if self._session.change(snapshots.delete().where(*_one(instance, name))) == 0:
            raise _not_found(instance, name)


def _one(instance: str, name: str) -> tuple[sa.ColumnElement[bool], ...]:
    return snapshots.c.instance == instance, snapshots.c.name == name


def _not_found(instance: str, name: str) -> NotFound:
    return NotFound("snapshot", f"{instance}/{name}", message="Instance snapshot not found")


def _values(snapshot: Snapshot) -> dict[str, Any]:
    instance = snapshot.instance
    return {
        "instance": instance.name,
        "name": snapshot.name,
        "created_at": to_moment(snapshot.created_at),
        "expires_at": to_moment(snapshot.expires_at),
        "stateful": snapshot.stateful,
        "architecture": instance.architecture,
        "pool": instance.pool,
        "instance_created_at": to_moment(instance.created_at),
        "config": to_json(instance.config),
        "devices": to_json(instance.devices),
        "profiles": to_json(instance.profiles),
        "ephemeral": instance.ephemeral,
        "description": instance.description,
        "last_used_at": to_moment(instance.last_used_at),
    }


def _snapshot(row: Row) -> Snapshot:
    instance = Instance(
        name=row.instance,
        architecture=row.architecture,
        pool=row.pool,
        created_at=from_moment(row.instance_created_at),
        config=from_json(row.config),
        devices=from_json(row.devices),
        profiles=tuple(from_json(row.profiles)),
        ephemeral=row.ephemeral,
        description=row.description,
        last_used_at=from_moment(row.last_used_at),
    )
    return Snapshot(row.name, instance, from_moment(row.created_at), from_moment(row.expires_at), row.stateful)
