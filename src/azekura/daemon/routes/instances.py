"""``/1.0/instances`` (and the older ``/1.0/containers``): records, state, snapshots, metadata, logs."""

from __future__ import annotations

from typing import Any

import yaml
from aiohttp import web

from azekura.daemon.call import Call, started, sync, url
from azekura.daemon.filters import apply_filter
from azekura.errors import InvalidRequest, NotFound
from azekura.formats.metadata_yaml import dump_metadata, parse_metadata
from azekura.model.instance import InstanceStatus
from azekura.services.instances.changes import (
    delete_template,
    patch_instance,
    put_instance,
    read_files,
    rename_instance,
    write_metadata,
    write_template,
)
from azekura.services.instances.copies import (
    create_snapshot,
    delete_snapshot,
    get_snapshot,
    rename_snapshot,
    restore_snapshot,
    snapshot_to_json,
    snapshot_to_restore,
)
from azekura.services.instances.create import create_instance, prepare
from azekura.services.instances.profiles import load_profiles
from azekura.services.instances.requests import instance_request
from azekura.services.instances.view import instance_state, show_instance, show_instances
from azekura.services.operations import Running
from azekura.wire.etag import etag_of
from azekura.wire.fields import Body
from azekura.wire.instances import instance_etag
from azekura.wire.times import parse_time

STOP_LIMIT = 600.0  # seconds a clean stop may take when the client gives none, as LXD's client waits


def _resources(name: str) -> dict[str, tuple[str, ...]]:
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
    request = await call.work(prepare, call.depot, request)

    def work(running: Running) -> None:
        create_instance(call.depot, request, running)

    operation = call.depot.operations.start(
        "Creating instance", work, resources=_resources(request.name), may_cancel=True
    )
    return started(operation)


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
    # checked before the operation begins, so that a mistake is the answer and not a failed operation
    await call.work(put_instance, call.depot, call.server.lifecycle, name, raw, call.if_match())

    def nothing_left(_: Running) -> None:
        """The change is made; clients wait for an operation because LXD answers with one."""

    return started(call.depot.operations.start("Updating instance", nothing_left, resources=_resources(name)))


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

    return started(call.depot.operations.start("Restoring snapshot", work, resources=_resources(name)))


async def patch(call: Call) -> web.StreamResponse:
    name = call.path("name")
    await call.work(patch_instance, call.depot, call.server.lifecycle, name, await call.json(), call.if_match())
    return sync()


async def rename(call: Call) -> web.StreamResponse:
    name = call.path("name")
    body = Body(await call.json(), "instance")
    if body.flag("migration") and body.text("name") in ("", name):
        raise InvalidRequest("This server sends no instances to others: publish an image and copy that")
    new = body.text("name")
    await call.work(_exists, call, name)

    def work(_: Running) -> None:
        rename_instance(call.depot, call.server.lifecycle, name, new)

    return started(call.depot.operations.start("Renaming instance", work, resources=_resources(name)))


def _exists(call: Call, name: str) -> None:
    with call.depot.catalog.read() as tx:
        tx.instances.get(name)


async def delete(call: Call) -> web.StreamResponse:
    name = call.path("name")
    await call.work(_exists, call, name)
    if await call.work(call.server.lifecycle.is_running, name):
        raise InvalidRequest("Instance is running")

    def work(_: Running) -> None:
        call.server.lifecycle.delete(name)

    return started(call.depot.operations.start("Deleting instance", work, resources=_resources(name)))


async def state(call: Call) -> web.StreamResponse:
    def read() -> dict[str, Any]:
        with call.depot.catalog.read() as tx:
            instance = tx.instances.get(call.path("name"))
        return instance_state(call.depot, call.server.lifecycle, instance)

    return sync(await call.work(read))


async def change_state(call: Call) -> web.StreamResponse:
    name = call.path("name")
    body = Body(await call.json(), "instance state")
    await call.work(_exists, call, name)
    return started(_start_action(call, [name], body))


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
    return started(_start_action(call, wanted, body))


_DESCRIPTIONS = {
    "start": "Starting instance",
    "stop": "Stopping instance",
    "restart": "Restarting instance",
    "freeze": "Freezing instance",
    "unfreeze": "Unfreezing instance",
}


def _start_action(call: Call, names: list[str], body: Body) -> Any:
    action = body.text("action")
    if action not in _DESCRIPTIONS:
        raise InvalidRequest(f"Unknown state action '{action[:40]}'")
    if body.flag("stateful"):
        raise InvalidRequest("Stateful stops and starts are not offered by this server")
    given = body.number("timeout", -1)
    timeout = float(given) if given > 0 else STOP_LIMIT
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


# -- snapshots


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
    expires = parse_time(body.text("expires_at"))
    lifecycle = call.server.lifecycle
    await call.work(_exists, call, name)

    def work(_: Running) -> None:
        freeze = lifecycle.status(name) is InstanceStatus.RUNNING
        if freeze:
            lifecycle.freeze(name)  # a file system that stands still for the copy
        try:
            create_snapshot(call.depot, name, body.text("name"), expires_at=expires)
        finally:
            if freeze:
                lifecycle.unfreeze(name)

    return started(call.depot.operations.start("Snapshotting instance", work, resources=_resources(name)))


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

    return started(call.depot.operations.start("Renaming snapshot", work, resources=_resources(name)))


async def remove_snapshot(call: Call) -> web.StreamResponse:
    name, snapshot = call.path("name"), call.path("snapshot")
    await call.work(get_snapshot, call.depot, name, snapshot)

    def work(_: Running) -> None:
        delete_snapshot(call.depot, name, snapshot)

    return started(call.depot.operations.start("Deleting snapshot", work, resources=_resources(name)))


# -- metadata and templates of the container


async def show_metadata(call: Call) -> web.StreamResponse:
    metadata_yaml, _ = await call.work(read_files, call.depot, call.path("name"))
    view = _metadata_view(metadata_yaml)
    return sync(view, etag=etag_of([view]))


def _metadata_view(metadata_yaml: bytes) -> dict[str, Any]:
    if not metadata_yaml.strip():
        return {"architecture": "", "creation_date": 0, "expiry_date": 0, "properties": {}, "templates": {}}
    metadata = parse_metadata(metadata_yaml)
    return {
        "architecture": metadata.architecture,
        "creation_date": metadata.creation_date,
        "expiry_date": metadata.expiry_date,
        "properties": dict(sorted(metadata.properties.items())),
        "templates": {
            rule.path: {
                "when": list(rule.when),
                "create_only": rule.create_only,
                "template": rule.template,
                "properties": dict(rule.properties) or None,
            }
            for rule in sorted(metadata.templates, key=lambda rule: rule.path)
        },
    }


async def put_metadata(call: Call) -> web.StreamResponse:
    name = call.path("name")
    raw = await call.json()
    await call.work(_store_metadata, call, name, raw)
    return sync()


async def patch_metadata(call: Call) -> web.StreamResponse:
    name = call.path("name")
    metadata_yaml, _ = await call.work(read_files, call.depot, name)
    merged = {**_metadata_view(metadata_yaml), **Body(await call.json(), "metadata").raw}
    await call.work(_store_metadata, call, name, merged)
    return sync()


def _store_metadata(call: Call, name: str, raw: Any) -> None:
    Body(raw, "metadata")
    text = yaml.safe_dump(raw, sort_keys=True, allow_unicode=True).encode()
    write_metadata(call.depot, name, dump_metadata(parse_metadata(text)))


async def templates(call: Call) -> web.StreamResponse:
    """The list of template files, or (``path=``) the content of one."""
    _, files = await call.work(read_files, call.depot, call.path("name"))
    wanted = call.query("path")
    if not wanted:
        return sync(sorted(files))
    if wanted not in files:
        raise NotFound("template", wanted, message=f'Template "{wanted[:80]}" not found')
    return web.Response(
        body=files[wanted],
        content_type="application/octet-stream",
        headers={"Content-Disposition": "inline;filename=template"},
    )


async def put_template(call: Call) -> web.StreamResponse:
    await call.work(write_template, call.depot, call.path("name"), call.query("path"), await call.raw())
    return sync()


async def remove_template(call: Call) -> web.StreamResponse:
    await call.work(delete_template, call.depot, call.path("name"), call.query("path"))
    return sync()


# -- logs and console

LOG_NAMES = ("lxc.log", "console.log", "lxc.conf")


async def list_logs(call: Call) -> web.StreamResponse:
    name = call.path("name")

    def read() -> list[str]:
        _exists(call, name)
        folder = call.server.lifecycle.log_folder(name)
        names = sorted(one.name for one in folder.iterdir()) if folder.is_dir() else []
        return [url("instances", name, "logs", one) for one in names if _log_name(one)]

    return sync(await call.work(read))


def _log_name(text: str) -> bool:
    return text in LOG_NAMES or (text.startswith("exec_") and "/" not in text and text.isascii())


def _log_path(call: Call) -> Any:
    name, file = call.path("name"), call.path("file")
    _exists(call, name)
    path = call.server.lifecycle.log_folder(name) / file
    if not _log_name(file) or not path.is_file():
        raise NotFound("log file", file, message="not found")
    return path


async def show_log(call: Call) -> web.StreamResponse:
    path = await call.work(_log_path, call)
    return web.FileResponse(path, headers={"Content-Disposition": f"inline;filename={path.name}"})


async def remove_log(call: Call) -> web.StreamResponse:
    path = await call.work(_log_path, call)
    if not path.name.startswith("exec_"):
        raise InvalidRequest("Only recorded outputs of commands can be deleted")
    await call.work(path.unlink)
    return sync()


async def console_log(call: Call) -> web.StreamResponse:
    name = call.path("name")

    def read() -> bytes:
        _exists(call, name)
        return call.depot.runtime().console_log(name)

    return web.Response(body=await call.work(read), content_type="application/octet-stream")


async def clear_console_log(call: Call) -> web.StreamResponse:
    name = call.path("name")

    def clear() -> None:
        _exists(call, name)
        path = call.server.lifecycle.log_folder(name) / "console.log"
        if path.exists():
            with path.open("r+b") as log:
                log.truncate(0)

    await call.work(clear)
    return sync()


async def no_console(call: Call) -> web.StreamResponse:
    from azekura.errors import Unsupported

    await call.work(_exists, call, call.path("name"))
    raise Unsupported("Attaching to a console is not offered; lxc console --show-log and lxc exec are")


async def no_backups(call: Call) -> web.StreamResponse:
    await call.work(_exists, call, call.path("name"))
    return sync([])
