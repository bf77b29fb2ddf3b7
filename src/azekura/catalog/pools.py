"""Storage pools: the records; what lies in them is the storage drivers' matter."""

from __future__ import annotations

import builtins
from typing import Any

import sqlalchemy as sa

from azekura.catalog.columns import from_json, to_json
from azekura.catalog.schema import instances, storage_pools
from azekura.catalog.session import Row, Session
from azekura.errors import AlreadyExists, InUse, NotFound
from azekura.model.instance import StoragePool

_ONE = storage_pools.c.name == sa.bindparam("wanted")
_SELECT = sa.select(storage_pools.c.name, storage_pools.c.driver, storage_pools.c.config, storage_pools.c.description)


class Pools:
    """An instance's pool can't go while the instance is there."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def create(self, pool: StoragePool) -> None:
        """Raises:
        AlreadyExists: the name is taken.
        """
        if not self._session.insert_absent(storage_pools, _values(pool)):
            raise AlreadyExists("storage pool", pool.name)

    def get(self, name: str) -> StoragePool:
        """Raises:
        NotFound: in LXD's words.
        """
        row = self._session.row(_SELECT.where(_ONE), {"wanted": name})
        if row is None:
            raise NotFound("storage pool", name)
        return _pool(row)

    def list(self) -> list[StoragePool]:
        """All pools by name."""
        return [_pool(row) for row in self._session.rows(_SELECT.order_by(storage_pools.c.name))]

    def replace(self, pool: StoragePool) -> None:
        """Put down driver, configuration and description of the pool with that name.

        Raises:
            NotFound: in LXD's words.
        """
        if self._session.change(storage_pools.update().where(_ONE), {"wanted": pool.name, **_values(pool)}) == 0:
            raise NotFound("storage pool", pool.name)

    def rename(self, old: str, new: str) -> None:
        """Give a pool another name; its instances follow.

        Raises:
            NotFound: no pool ``old``.
            AlreadyExists: ``new`` is taken.
        """
        self.get(old)
        if self._session.row(_SELECT.where(_ONE), {"wanted": new}) is not None:
            raise AlreadyExists("storage pool", new)
        self._session.change(storage_pools.update().where(_ONE), {"wanted": old, "name": new})

    def delete(self, name: str) -> None:
        """Raises:
        NotFound: in LXD's words.
        InUse: an instance stands on it, in LXD's words.
        """
        self.get(name)
        if self.used_by(name):
            raise InUse("The storage pool is currently in use")
        self._session.change(storage_pools.delete().where(_ONE), {"wanted": name})

    def used_by(self, name: str) -> builtins.list[str]:
        """Names of the instances that stand on the pool."""
        rows = self._session.rows(
            sa.select(instances.c.name).where(instances.c.pool == name).order_by(instances.c.name)
        )
        return [row[0] for row in rows]


def _values(pool: StoragePool) -> dict[str, Any]:
    return {
        "name": pool.name,
        "driver": pool.driver,
        "config": to_json(pool.config),
        "description": pool.description,
    }


def _pool(row: Row) -> StoragePool:
    name, driver, config, description = row
    return StoragePool(name, driver, from_json(config), description)
