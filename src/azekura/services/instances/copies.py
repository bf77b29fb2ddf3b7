"""Copies and snapshots of instances."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

from azekura.catalog import Snapshot
from azekura.errors import AlreadyExists, InvalidRequest, NotFound
from azekura.model.image import NEVER
from azekura.model.instance import Instance, InstanceStatus, Profile, expand_devices
from azekura.services.depot import Depot
from azekura.services.instances.cloud_init import new_id
from azekura.services.instances.config_keys import without_empty
from azekura.services.instances.image_trees import BASE_BLOB
from azekura.services.instances.network_cards import card_settings
from azekura.services.instances.profiles import load_profiles
from azekura.services.instances.records import add_record, remove_record
from azekura.services.instances.requests import InstanceRequest
from azekura.services.instances.volumes_across import copy_across
from azekura.services.pools import root_pool
from azekura.wire.instances import instance_to_json
from azekura.wire.times import format_time

_KEPT_VOLATILE = ("volatile.base_image", BASE_BLOB)


def copy_instance(depot: Depot, request: InstanceRequest, source: str, *, instance_only: bool) -> Instance:
    """A new instance with the root file system and configuration of another, or of one of its snapshots.

    Raises:
        NotFound: no such source.
        AlreadyExists: the name is taken.
        InvalidRequest: it would have no root disk.
    """
    origin, _, snapshot = source.partition("/")
    with depot.catalog.read() as tx:
        base = tx.instances.get(origin)
        files = tx.instances.get_files(origin)
        if snapshot:
            base = tx.instances.get_snapshot(origin, snapshot).instance
            files = tx.instances.get_files(origin, snapshot=snapshot)
    config = {key: value for key, value in base.config.items() if not key.startswith("volatile.")}
    config.update({key: base.config[key] for key in _KEPT_VOLATILE if key in base.config})
    config.update(request.config)
    config["volatile.apply_template"] = "copy"
    config["volatile.uuid"] = str(uuid.uuid4())
    config.update(new_id())
    config["volatile.last_state.power"] = "STOPPED"
    copy = replace(
        base,
        name=request.name,
        created_at=depot.clock(),
        config={key: value for key, value in config.items() if value},
        devices=without_empty({**base.devices, **request.devices}),
        profiles=request.profiles if request.profiles is not None else base.profiles,
        ephemeral=request.ephemeral,
        description=request.description or base.description,
    )
    with depot.catalog.read() as tx:
        expanded = expand_devices(load_profiles(tx, copy.profiles), copy.devices)
    pool = root_pool(expanded)
    if not pool:
        raise InvalidRequest("No root device could be found")
    copy = on_pool(replace(copy, config={**copy.config, **card_settings(expanded, copy.config)}), pool, {})
    origin_driver, driver = depot.pools.of(base), depot.pools.of(copy)
    with depot.instance_locks.hold(request.name):
        with depot.catalog.write() as tx:
            add_record(tx, copy, *files)
        try:
            copy_across(origin_driver, source, driver, copy.name)
            if not snapshot and not instance_only:
                _copy_snapshots(depot, origin, copy)
        except BaseException:
            with depot.catalog.write() as tx:
                remove_record(tx, copy)
            if copy.name in driver.volumes():
                driver.delete_volume(copy.name)
            raise
    depot.events.lifecycle("instance-created", f"/1.0/instances/{copy.name}", {"type": "container"})
    return copy


def _copy_snapshots(depot: Depot, origin: str, copy: Instance) -> None:
    with depot.catalog.read() as tx:
        snapshots = tx.instances.list_snapshots(origin)
    for one in snapshots:
        copy_one_snapshot(depot, origin, one, copy)


def copy_one_snapshot(depot: Depot, origin: str, one: Snapshot, copy: Instance) -> None:
    """Give ``copy`` a snapshot of ``origin``, of the same name.

    Raises: as :func:`copy_instance`.
    """
    copy_across(depot.pools.of(one.instance), f"{origin}/{one.name}", depot.pools.of(copy), f"{copy.name}/{one.name}")
    with depot.catalog.write() as tx:
        roots = {key: device for key, device in copy.devices.items() if device.get("path") == "/"}
        record = replace(on_pool(one.instance, copy.pool, roots), name=copy.name)
        tx.instances.create_snapshot(replace(one, instance=record))


def on_pool(instance: Instance, pool: str, roots: Mapping[str, Mapping[str, str]]) -> Instance:
    """The record for a root file system that lies on ``pool``, with the root disk that says so (by its name). On
    another pool it stands on no image's tree."""
    if pool == instance.pool:
        return instance
    config = {key: one for key, one in instance.config.items() if key != BASE_BLOB}
    return replace(instance, pool=pool, config=config, devices={**instance.devices, **roots})


def get_snapshot(depot: Depot, name: str, snapshot: str) -> tuple[Instance, Snapshot]:
    """Raises:
    NotFound: no such instance or snapshot.
    """
    with depot.catalog.read() as tx:
        return tx.instances.get(name), tx.instances.get_snapshot(name, snapshot)


def check_snapshot_name(name: str) -> str:
    """Raises:
    InvalidRequest: it can't name a snapshot.
    """
    if "/" in name or not name or len(name) > 63 or not name.isprintable() or " " in name or name in (".", ".."):
        raise InvalidRequest(f"Invalid snapshot name: {name[:80]!r}")
    return name


def create_snapshot(depot: Depot, name: str, snapshot: str, *, expires_at: datetime = NEVER) -> str:
    """Keep the instance as it is now; a running one should be frozen by the caller meanwhile.

    Raises:
        NotFound: no such instance.
        AlreadyExists: the snapshot's name is taken.
    """
    with depot.instance_locks.hold(name):
        with depot.catalog.read() as tx:
            instance = tx.instances.get(name)
            known = {one.name for one in tx.instances.list_snapshots(name)}
        if not snapshot:
            number = 0
            while f"snap{number}" in known:
                number += 1
            snapshot = f"snap{number}"
        check_snapshot_name(snapshot)
        if snapshot in known:
            raise AlreadyExists("snapshot", snapshot, message=f'Snapshot "{name}/{snapshot}" already exists')
        driver = depot.pools.of(instance)
        driver.snapshot(name, snapshot)
        try:
            with depot.catalog.write() as tx:
                tx.instances.create_snapshot(Snapshot(snapshot, instance, depot.clock(), expires_at))
        except BaseException:
            driver.delete_snapshot(name, snapshot)
            raise
    depot.events.lifecycle("instance-snapshot-created", f"/1.0/instances/{name}/snapshots/{snapshot}")
    return snapshot


def delete_snapshot(depot: Depot, name: str, snapshot: str) -> None:
    """Raises:
    NotFound: no such instance or snapshot.
    """
    with depot.instance_locks.hold(name):
        instance, _ = get_snapshot(depot, name, snapshot)
        depot.pools.of(instance).delete_snapshot(name, snapshot)
        with depot.catalog.write() as tx:
            tx.instances.delete_snapshot(name, snapshot)
    depot.events.lifecycle("instance-snapshot-deleted", f"/1.0/instances/{name}/snapshots/{snapshot}")


def rename_snapshot(depot: Depot, name: str, snapshot: str, new: str) -> None:
    """Raises:
    NotFound, AlreadyExists, InvalidRequest.
    """
    check_snapshot_name(new)
    with depot.instance_locks.hold(name):
        instance, _ = get_snapshot(depot, name, snapshot)
        with depot.catalog.write() as tx:
            tx.instances.rename_snapshot(name, snapshot, new)
            depot.pools.of(instance).rename_snapshot(name, snapshot, new)


def snapshot_to_restore(depot: Depot, name: str, snapshot: str) -> tuple[Instance, Snapshot]:
    """Raises:
    NotFound: no such instance or snapshot, in the words LXD has for a restore.
    """
    with depot.catalog.read() as tx:
        instance = tx.instances.get(name)
        try:
            return instance, tx.instances.get_snapshot(name, snapshot)
        except NotFound as exc:
            raise NotFound("snapshot", snapshot, message=f"Snapshot {name}/{snapshot} does not exist") from exc


def restore_snapshot(depot: Depot, name: str, snapshot: str) -> None:
    """Put a stopped instance back to what it was at a snapshot: file system, configuration, devices, profiles.

    Raises:
        NotFound: no such instance or snapshot.
    """
    with depot.instance_locks.hold(name):
        instance, kept = snapshot_to_restore(depot, name, snapshot)
        depot.pools.of(instance).restore(name, snapshot)
        config = dict(kept.instance.config)
        config["volatile.last_state.power"] = "STOPPED"
        with depot.catalog.write() as tx:
            tx.instances.replace(
                replace(
                    instance,
                    config=config,
                    devices=kept.instance.devices,
                    profiles=kept.instance.profiles,
                    ephemeral=kept.instance.ephemeral,
                    description=kept.instance.description,
                )
            )
    depot.events.lifecycle("instance-restored", f"/1.0/instances/{name}", {"snapshot": snapshot})


def snapshot_to_json(profiles: list[Profile], snapshot: Snapshot) -> Mapping[str, Any]:
    """The API's view of a snapshot."""
    view = instance_to_json(snapshot.instance, profiles, InstanceStatus.STOPPED)
    for key in ("status", "status_code", "location", "type", "project", "description"):
        view.pop(key)
    view["name"] = snapshot.name
    view["created_at"] = format_time(snapshot.created_at)
    view["expires_at"] = format_time(snapshot.expires_at)
    view["size"] = -1
    return view
