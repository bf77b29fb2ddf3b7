"""``/1.0/instances`` (and the older ``/1.0/containers``): records and state."""

from __future__ import annotations

from typing import Any

from aiohttp import web

from azekura.daemon.call import Call, started, sync, url
from azekura.daemon.callers import Access
from azekura.daemon.filters import apply_filter
from azekura.errors import InvalidRequest
from azekura.model.operation import Operation
from azekura.services.instances.changes import (
    patch_instance,
    put_instance,
    rename_instance,
)
from azekura.services.instances.copies import (
    restore_snapshot,
    snapshot_to_restore,
)
from azekura.services.instances.create import create_instance, prepare
from azekura.services.instances.pool_moves import move_to_pool
from azekura.services.instances.requests import instance_request
from azekura.services.instances.restrictions import check_restricted
from azekura.services.instances.view import instance_state, show_instance, show_instances
from azekura.services.operations import Running
from azekura.wire.fields import Body
from azekura.wire.instances import instance_etag

MAX_STOP_LIMIT = 1_000_000  # what a client may give
STAGE = "stage"  # in the metadata of an operation that creates and starts: "create", then "start"
STOP_LIMIT = 600.0  # seconds a clean stop may take when the client gives none, as LXD's client waits


def instance_resources(name: str) -> dict[str, tuple[str, ...]]:
    return {"instances": (url("instances", name),), "containers": (url("containers", name),)}


async def list_all(call: Call) -> web.StreamResponse:
    recursion = call.recursion()
    shown = await call.work(show_instances, call.depot, call.server.lifecycle, full=recursion >= 2)
    if clause := call.query("filter"):
        shown = await call.work(apply_filter, clause, shown)
    if not recursion:
        kind = "containers" if call.request.path.startswith("/1.0/containers") else "instances"
        return sync([url(kind, one["name"]) for one in shown])
    return sync(shown)


async def create(call: Call) -> web.StreamResponse:
    request = instance_request(await call.json())
    if call.caller.access < Access.ADMIN:
        check_restricted(request.config, request.devices)
    lifecycle = call.server.lifecycle
    if request.start:
        lifecycle.get_ready()

    def begin() -> Operation:
        prepared = prepare(call.depot, request)

        def work(running: Running) -> None:
            create_instance(call.depot, prepared, running)
            if prepared.start:
                running.not_cancellable()
                running.update({STAGE: "start"})
                lifecycle.start(prepared.name)

        return call.depot.operations.start(
            "Creating instance",
            work,
            resources=instance_resources(prepared.name),
            metadata={STAGE: "create"} if prepared.start else {},
            may_cancel=True,
        )

    return started(await call.work(begin))


async def _refuse_for_restricted(call: Call, name: str, raw: Any) -> None:
    """A restricted client's change, looked at before it is made."""
    if call.caller.access >= Access.ADMIN:
        return

    def check() -> None:
        body = Body(raw, "instance")
        with call.depot.catalog.read() as tx:
            instance = tx.instances.get(name)
        check_restricted(
            body.mapping("config"), body.devices("devices"), before=instance.config, devices_before=instance.devices
        )

    await call.work(check)


async def show(call: Call) -> web.StreamResponse:
    full = call.recursion() >= 1
    instance, view = await call.work(show_instance, call.depot, call.server.lifecycle, call.path("name"), full=full)
    return sync(view, etag=instance_etag(instance))


async def update(call: Call) -> web.StreamResponse:
    """Change the record, or (``restore``) go back to a snapshot."""
    name = call.path("name")
    raw = await call.json()
    snapshot = Body(raw, "instance").text("restore")
    if snapshot:
        return await _restore(call, name, snapshot.removeprefix(f"{name}/"))
    await _refuse_for_restricted(call, name, raw)
    # checked before the operation begins, so that a mistake is the answer and not a failed operation
    await call.work(put_instance, call.depot, call.server.lifecycle, name, raw, call.if_match())

    def nothing_left(_: Running) -> None:
        """The change is made; clients wait for an operation because LXD answers with one."""

    return started(call.depot.operations.start("Updating instance", nothing_left, resources=instance_resources(name)))


async def _restore(call: Call, name: str, snapshot: str) -> web.StreamResponse:
    await call.work(snapshot_to_restore, call.depot, name, snapshot)
    lifecycle = call.server.lifecycle

    def work(_: Running) -> None:
        running = lifecycle.is_running(name)
        if running:
            lifecycle.stop(name, timeout=None, force=True)
        restore_snapshot(call.depot, name, snapshot)
        if running:
            lifecycle.start(name)

    return started(call.depot.operations.start("Restoring snapshot", work, resources=instance_resources(name)))


async def patch(call: Call) -> web.StreamResponse:
    name = call.path("name")
    raw = await call.json()
    await _refuse_for_restricted(call, name, raw)
    await call.work(patch_instance, call.depot, call.server.lifecycle, name, raw, call.if_match())
    return sync()


async def rename(call: Call) -> web.StreamResponse:
    name = call.path("name")
    body = Body(await call.json(), "instance")
    pool = body.text("pool")
    if body.flag("migration") and not pool and body.text("name") in ("", name):
        raise InvalidRequest("This server sends no instances to others: publish an image and copy that")
    new = body.text("name")
    await call.work(check_exists, call, name)
    if pool:
        return started(_move(call, name, new, pool, instance_only=body.flag("instance_only")))

    def work(_: Running) -> None:
        rename_instance(call.depot, call.server.lifecycle, name, new)

    return started(call.depot.operations.start("Renaming instance", work, resources=instance_resources(name)))


def _move(call: Call, name: str, new: str, pool: str, *, instance_only: bool) -> Any:
    """Move an instance to another pool and give it another name, where one is asked for."""

    def work(_: Running) -> None:
        move_to_pool(call.depot, call.server.lifecycle, name, pool, instance_only=instance_only)
        if new not in ("", name):
            rename_instance(call.depot, call.server.lifecycle, name, new)

    return call.depot.operations.start("Migrating instance", work, resources=instance_resources(name))


def check_exists(call: Call, name: str) -> None:
    """Raises:
    NotFound: no such instance.
    """
    with call.depot.catalog.read() as tx:
        tx.instances.get(name)


async def delete(call: Call) -> web.StreamResponse:
    name = call.path("name")
    await call.work(check_exists, call, name)
    if await call.work(call.server.lifecycle.is_running, name):
        raise InvalidRequest("Instance is running")

    def work(_: Running) -> None:
        call.server.lifecycle.delete(name)

    return started(call.depot.operations.start("Deleting instance", work, resources=instance_resources(name)))


async def state(call: Call) -> web.StreamResponse:
    def read() -> dict[str, Any]:
        with call.depot.catalog.read() as tx:
            instance = tx.instances.get(call.path("name"))
        return instance_state(call.depot, call.server.lifecycle, instance)

    return sync(await call.work(read))


async def change_state(call: Call) -> web.StreamResponse:
    name = call.path("name")
    body = Body(await call.json(), "instance state")

    def begin() -> Operation:
        check_exists(call, name)
        return _start_action(call, [name], body)

    return started(await call.work(begin))


async def change_all_states(call: Call) -> web.StreamResponse:
    """``PUT /1.0/instances``: one action for all."""
    body = Body(await call.json(), "instance state").body("state")

    def names() -> list[str]:
        with call.depot.catalog.read() as tx:
            return [one.name for one in tx.instances.list()]

    wanted = [
        name
        for name in await call.work(names)
        if call.server.lifecycle.is_running(name) != (body.text("action") == "start")
    ]
    return started(await call.work(_start_action, call, wanted, body))


_DESCRIPTIONS = {
    "start": "Starting instance",
    "stop": "Stopping instance",
    "restart": "Restarting instance",
    "freeze": "Freezing instance",
    "unfreeze": "Unfreezing instance",
}


def _start_action(call: Call, names: list[str], body: Body) -> Operation:
    action = body.text("action")
    if action not in _DESCRIPTIONS:
        raise InvalidRequest(f"Unknown state action '{action[:40]}'")
    if body.flag("stateful"):
        raise InvalidRequest("Stateful stops and starts are not offered by this server")
    given = body.number("timeout", -1)
    timeout = float(min(given, MAX_STOP_LIMIT)) if given > 0 else STOP_LIMIT
    force = body.flag("force")
    lifecycle = call.server.lifecycle

    def work(_: Running) -> None:
        for name in names:
            match action:
                case "start":
                    lifecycle.start(name)
                case "stop":
                    lifecycle.stop(name, timeout=timeout, force=force)
                case "restart":
                    lifecycle.restart(name, timeout=timeout, force=force)
                case "freeze":
                    lifecycle.freeze(name)
                case _:
                    lifecycle.unfreeze(name)

    resources = {
        "instances": tuple(url("instances", name) for name in names),
        "containers": tuple(url("containers", name) for name in names),
    }
    return call.depot.operations.start(_DESCRIPTIONS[action], work, resources=resources)
