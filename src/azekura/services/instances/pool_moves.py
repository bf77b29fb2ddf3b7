"""Moving a stopped instance, with its snapshots, to another storage pool."""

from __future__ import annotations

from dataclasses import replace

from azekura.errors import InvalidRequest, NotFound
from azekura.model.instance import expand_devices
from azekura.services.depot import Depot
from azekura.services.instances.copies import on_pool
from azekura.services.instances.image_trees import BASE_BLOB
from azekura.services.instances.lifecycle import Lifecycle
from azekura.services.instances.profiles import load_profiles
from azekura.services.instances.volumes_across import copy_across


def move_to_pool(depot: Depot, lifecycle: Lifecycle, name: str, pool: str, *, instance_only: bool) -> None:
    """Move ``name`` to ``pool``; the root disk becomes the instance's own device.

    Raises:
        NotFound: no such instance or pool.
        InvalidRequest: it is running, or on that pool already.
        StorageFailed, NoSpace: it is where it was.
    """
    with depot.instance_locks.hold(name):
        with depot.catalog.read() as tx:
            instance = tx.instances.get(name)
            devices = expand_devices(load_profiles(tx, instance.profiles), instance.devices)
            snapshots = tx.instances.list_snapshots(name)
            if pool not in {one.name for one in tx.pools.list()}:
                raise NotFound("storage pool", pool, message="Storage pool not found")
        if lifecycle.is_running(name):
            raise InvalidRequest("Instance must be stopped to be moved between pools")
        if pool == instance.pool:
            raise InvalidRequest("Requested storage pool is the same as current pool")
        source, target = depot.pools.of(instance), depot.pools.open(pool)
        if instance_only:
            gone, snapshots = snapshots, []
        else:
            gone = []
        try:
            copy_across(source, name, target, name)
            for one in snapshots:
                copy_across(source, f"{name}/{one.name}", target, f"{name}/{one.name}")
        except BaseException:
            if name in target.volumes():
                for left in target.snapshots(name):
                    target.delete_snapshot(name, left)
                target.delete_volume(name)
            raise
        root = next((key for key, device in devices.items() if device.get("path") == "/"), "root")
        roots = {root: {"type": "disk", "path": "/", **devices.get(root, {}), "pool": pool}}
        with depot.catalog.write() as tx:
            for one in gone:
                tx.instances.delete_snapshot(name, one.name)
            for one in snapshots:
                tx.instances.replace_snapshot(replace(one, instance=on_pool(one.instance, pool, roots)))
            tx.instances.replace(on_pool(instance, pool, roots))
            blob = instance.config.get(BASE_BLOB)
            if blob:
                tx.blobs.drop_reference(blob, "instance", name)
        for kept in source.snapshots(name):
            source.delete_snapshot(name, kept)
        source.delete_volume(name)
    depot.events.lifecycle("instance-updated", f"/1.0/instances/{name}")
