"""``/``, ``/1.0``: what this server is and how it is set up; resources; projects, of which there is one."""

from __future__ import annotations

from typing import Any

from aiohttp import web

from azekura.daemon.call import Call, sync, url
from azekura.daemon.callers import Access
from azekura.daemon.extensions import EXTENSIONS
from azekura.errors import InvalidRequest, NotFound, Unsupported
from azekura.services.host_info import environment, resources
from azekura.wire.etag import etag_of
from azekura.wire.fields import Body


async def versions(_: Call) -> web.StreamResponse:
    return sync(["/1.0"])


async def show(call: Call) -> web.StreamResponse:
    trusted = call.caller.access >= Access.TRUSTED
    view: dict[str, Any] = {
        "api_extensions": list(EXTENSIONS),
        "api_status": "stable",
        "api_version": "1.0",
        "auth": "trusted" if trusted else "untrusted",
        "public": False,
        "auth_methods": ["tls"],
    }
    if not trusted:
        return sync(view)

    def fill() -> None:
        view["config"] = call.server.settings.shown()
        addresses = call.server.listeners.addresses() if call.server.listeners else []
        view["environment"] = environment(
            call.depot,
            addresses=addresses,
            certificate=call.server.certificate_pem,
            fingerprint=call.server.certificate_fingerprint,
        )
        view["environment"]["project"] = call.request.query.get("project") or "default"

    await call.work(fill)
    return sync(view, etag=etag_of([view["config"]]))


async def _change(call: Call, *, replace: bool) -> web.StreamResponse:
    config = Body(await call.json(), "server configuration").mapping("config")
    if (if_match := call.if_match()) is not None:
        from azekura.errors import StaleETag
        from azekura.wire.etag import etag_matches

        current = etag_of([await call.work(call.server.settings.shown)])
        if not etag_matches(if_match, current):
            raise StaleETag(f"ETag doesn't match: {current} vs {if_match}")
    if "core.https_address" in config and call.server.listeners is not None:
        call.server.settings.check(config)
    before = await call.work(call.server.settings.stored)
    changed = await call.work(call.server.settings.change, config, replace=replace)
    await _apply(call, changed, before)
    call.depot.events.lifecycle("config-updated", "/1.0")
    return sync()


async def _apply(call: Call, changed: dict[str, str], before: dict[str, str]) -> None:
    """Have changed settings take effect; with an address that can't be listened on all is as ``before``."""
    listeners = call.server.listeners
    if "core.https_address" in changed and listeners is not None:
        try:
            await listeners.listen(changed["core.https_address"])
        except BaseException:
            await call.work(call.server.settings.restore, {key: before.get(key) for key in changed})
            raise
    if call.server.background is not None and changed:
        call.server.background.settings_changed(set(changed))


async def update(call: Call) -> web.StreamResponse:
    return await _change(call, replace=True)


async def patch(call: Call) -> web.StreamResponse:
    return await _change(call, replace=False)


async def openapi(call: Call) -> web.StreamResponse:
    from azekura.daemon.openapi import document_text

    text = await call.work(document_text)
    return web.Response(text=text, content_type="application/json")


async def show_resources(call: Call) -> web.StreamResponse:
    return sync(await call.work(resources))


PROJECT_CONFIG = {
    "features.images": "true",
    "features.networks": "true",
    "features.profiles": "true",
    "features.storage.volumes": "true",
}


def _project(call: Call) -> dict[str, Any]:
    with call.depot.catalog.read() as tx:
        used = [url("instances", one.name) for one in tx.instances.list()]
        used += [url("profiles", one.name) for one in tx.profiles.list()]
        used += [url("images", one.fingerprint.value) for one in tx.images.list()]
    return {"config": PROJECT_CONFIG, "description": "Default LXD project", "name": "default", "used_by": used}


async def list_projects(call: Call) -> web.StreamResponse:
    if not call.recursion():
        return sync([url("projects", "default")])
    return sync([await call.work(_project, call)])


async def show_project(call: Call) -> web.StreamResponse:
    if call.path("name") != "default":
        raise NotFound("project", call.path("name"), message="Project not found")
    project = await call.work(_project, call)
    return sync(project, etag=etag_of([project["description"], project["config"]]))


async def refuse_project(call: Call) -> web.StreamResponse:
    await call.raw()
    raise Unsupported(
        'This server has one project, "default", which can\'t be changed',
        hint="run a second daemon with its own LXD_DIR to keep things apart",
    )


async def no_networks(call: Call) -> web.StreamResponse:
    """Networks are not managed here; the list is empty so that clients go on."""
    call.recursion()
    return sync([])


async def no_network(call: Call) -> web.StreamResponse:
    raise NotFound("network", call.path("name"), message="Network not found")


async def empty_list(_: Call) -> web.StreamResponse:
    return sync([])


async def wait_ready(call: Call) -> web.StreamResponse:
    """Answers when the daemon has started what it starts by itself (``lxd waitready``)."""
    await call.server.ready.wait()
    return sync()


async def shut_down(call: Call) -> web.StreamResponse:
    """``lxd shutdown``: stop the containers cleanly, then the daemon."""
    if not call.caller.local:
        raise NotFound("page", message="not found")
    timeout = call.query("timeout", "60")
    if not timeout.isascii() or not timeout.isdigit() or len(timeout) > 6:
        raise InvalidRequest("The timeout is a number of seconds")
    call.server.stop_instances = float(timeout)
    call.server.stopping.set()
    return sync()
