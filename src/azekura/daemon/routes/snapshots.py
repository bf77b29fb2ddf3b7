"""``/1.0/instances/NAME/snapshots``."""

from __future__ import annotations

from typing import Any

from aiohttp import web

from azekura.daemon.call import Call, started, sync, url
from azekura.daemon.routes.instances import check_exists, instance_resources
from azekura.errors import InvalidRequest
from azekura.services.instances.copies import (
    delete_snapshot,
    get_snapshot,
    rename_snapshot,
    snapshot_to_json,
)
from azekura.services.instances.profiles import load_profiles
from azekura.services.instances.snapshot_taking import take_snapshot
from azekura.services.operations import Running
from azekura.wire.fields import Body
from azekura.wire.times import parse_time


async def list_snapshots(call: Call) -> web.StreamResponse:
    name = call.path("name")

    def read() -> list[Any]:
        with call.depot.catalog.read() as tx:
            instance = tx.instances.get(name)
            profiles = load_profiles(tx, instance.profiles)
            return [snapshot_to_json(profiles, one) for one in tx.instances.list_snapshots(name)]

    snapshots = await call.work(read)
    if not call.recursion():
        return sync([url("instances", name, "snapshots", one["name"]) for one in snapshots])
    return sync(snapshots)


async def add_snapshot(call: Call) -> web.StreamResponse:
    name = call.path("name")
    body = Body(await call.json(), "snapshot")
    if body.flag("stateful"):
        raise InvalidRequest("Stateful snapshots are not offered by this server")
    expires = parse_time(body.text("expires_at")) if body.has("expires_at") else None
    lifecycle = call.server.lifecycle
    await call.work(check_exists, call, name)

    def work(_: Running) -> None:
        take_snapshot(call.depot, lifecycle, name, body.text("name"), expires)

    return started(call.depot.operations.start("Snapshotting instance", work, resources=instance_resources(name)))


async def show_snapshot(call: Call) -> web.StreamResponse:
    def read() -> Any:
        instance, snapshot = get_snapshot(call.depot, call.path("name"), call.path("snapshot"))
        with call.depot.catalog.read() as tx:
            profiles = load_profiles(tx, instance.profiles)
        return snapshot_to_json(profiles, snapshot)

    return sync(await call.work(read))


async def change_snapshot(call: Call) -> web.StreamResponse:
    name, snapshot = call.path("name"), call.path("snapshot")
    new = Body(await call.json(), "snapshot").text("name")
    await call.work(get_snapshot, call.depot, name, snapshot)

    def work(_: Running) -> None:
        rename_snapshot(call.depot, name, snapshot, new)

    return started(call.depot.operations.start("Renaming snapshot", work, resources=instance_resources(name)))


async def remove_snapshot(call: Call) -> web.StreamResponse:
    name, snapshot = call.path("name"), call.path("snapshot")
    await call.work(get_snapshot, call.depot, name, snapshot)

    def work(_: Running) -> None:
        delete_snapshot(call.depot, name, snapshot)

    return started(call.depot.operations.start("Deleting snapshot", work, resources=instance_resources(name)))
