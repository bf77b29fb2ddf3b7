"""Storage pools: the records in the catalog and the drivers behind them."""

from __future__ import annotations

import builtins
import re
import threading
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from azekura.catalog import Catalog
from azekura.errors import AlreadyExists, InUse, InvalidRequest, NotFound
from azekura.model.instance import Instance, StoragePool, expand_devices
from azekura.services.sizes import parse_size
from azekura.services.state_folder import StateFolder
from azekura.storage.drivers import DRIVERS, open_driver
from azekura.storage.port import StorageDriver

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,62}", re.ASCII)


class Pools:
    """Opens drivers once and keeps them; creates and deletes pools."""

    def __init__(self, catalog: Catalog, folder: StateFolder) -> None:
        self._catalog = catalog
        self._folder = folder
        self._drivers: dict[str, StorageDriver] = {}
        self._lock = threading.RLock()

    def open(self, name: str) -> StorageDriver:
        """The driver of the pool ``name``.

        Raises:
            NotFound: no such pool, in LXD's words.
            StorageFailed: it is there but can't be used.
        """
        with self._lock:
            driver = self._drivers.get(name)
            if driver is None:
                with self._catalog.read() as tx:
                    pool = tx.pools.get(name)
                driver = self._driver(pool)
                self._drivers[name] = driver
            return driver

    def _driver(self, pool: StoragePool) -> StorageDriver:
        path = self._folder.pools / pool.name
        if pool.driver != "btrfs":
            return open_driver(pool.driver, path)
        source = self.source(pool)
        if not source.is_absolute() or "\0" in str(source):
            raise InvalidRequest("The source of a btrfs pool is the absolute path of a block device or a file")
        size = pool.config.get("size", "")
        try:
            return open_driver(pool.driver, path, source=source, size=parse_size(size) if size else None)
        except ValueError as exc:
            raise InvalidRequest(f'Invalid pool size "{size[:40]}": {exc}') from exc

    def source(self, pool: StoragePool) -> Path:
        """Where its content lies: what it was made with, else a place in the state folder."""
        if pool.driver == "btrfs":
            return Path(pool.config.get("source") or self._folder.disks / f"{pool.name}.img")
        return self._folder.pools / pool.name

    def list(self) -> list[StoragePool]:
        with self._catalog.read() as tx:
            return tx.pools.list()

    def get(self, name: str) -> StoragePool:
        with self._catalog.read() as tx:
            return tx.pools.get(name)

    def create(self, pool: StoragePool) -> None:
        """Make a pool.

        Raises:
            InvalidRequest: bad name or unknown driver.
            AlreadyExists: the name is taken.
            StorageFailed: the driver can't work here; nothing is left behind.
        """
        if not _NAME.fullmatch(pool.name):
            raise InvalidRequest(
                f'Invalid storage pool name "{pool.name[:80]}": letters, digits, "-", "_" and "." only'
            )
        if pool.driver not in DRIVERS:
            raise InvalidRequest(
                f'Unknown storage driver "{pool.driver}": this server has {", ".join(sorted(DRIVERS))}'
            )
        with self._lock:
            with self._catalog.read() as tx:
                if any(known.name == pool.name for known in tx.pools.list()):
                    raise AlreadyExists("storage pool", pool.name, message=f"Storage pool {pool.name} already exists")
            driver = self._driver(pool)
            driver.create()  # leaves nothing behind when it fails
            try:
                with self._catalog.write() as tx:
                    tx.pools.create(pool)
            except BaseException:
                driver.destroy()
                raise
            self._drivers[pool.name] = driver

    def update(self, pool: StoragePool, *, description: str, config: Mapping[str, str]) -> None:
        with self._catalog.write() as tx:
            tx.pools.replace(replace(pool, description=description, config=dict(config)))

    def delete(self, name: str) -> None:
        """Remove an unused pool and what is cached in it.

        Raises:
            NotFound: no such pool.
            InUse: instances or profiles stand on it, in LXD's words.
        """
        with self._lock:
            driver = self.open(name)
            if self.used_by(name):
                raise InUse("The storage pool is currently in use")
            for image in driver.images():
                driver.remove_image(image)
            driver.destroy()
            with self._catalog.write() as tx:
                tx.pools.delete(name)
            self._drivers.pop(name, None)

    def used_by(self, name: str) -> builtins.list[str]:
        """API paths of what names the pool."""
        with self._catalog.read() as tx:
            instances = [f"/1.0/instances/{one.name}" for one in tx.instances.list() if one.pool == name]
            profiles = [
                f"/1.0/profiles/{profile.name}"
                for profile in tx.profiles.list()
                if any(device.get("pool") == name for device in profile.devices.values())
            ]
        return instances + profiles

    def cached_images(self, name: str) -> builtins.list[str]:
        return self.open(name).images()

    def default(self) -> StorageDriver | None:
        """The pool that new instances get: the default profile's root disk, else the only pool, else none."""
        with self._catalog.read() as tx:
            pools = [pool.name for pool in tx.pools.list()]
            try:
                profile = tx.profiles.get("default")
            except NotFound:
                profile = None
        if profile is not None:
            named = root_pool(expand_devices([profile], {}))
            if named in pools:
                return self.open(named)
        return self.open(pools[0]) if len(pools) == 1 else None

    def of(self, instance: Instance) -> StorageDriver:
        return self.open(instance.pool)

    def recover(self) -> None:
        """At start: each pool removes what was half-made."""
        for pool in self.list():
            self.open(pool.name).recover()


def root_pool(devices: Mapping[str, Mapping[str, str]]) -> str:
    """The pool of the root disk among expanded devices; empty when there is no root disk."""
    for device in devices.values():
        if device.get("type") == "disk" and device.get("path") == "/":
            return device.get("pool", "")
    return ""
