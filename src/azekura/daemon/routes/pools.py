"""``/1.0/storage-pools``."""

from __future__ import annotations

import os
from dataclasses import replace
from typing import Any

from aiohttp import web

from azekura.daemon.call import Call, sync, url
from azekura.errors import NotFound, StaleETag
from azekura.model.instance import StoragePool
from azekura.wire.etag import etag_matches
from azekura.wire.fields import Body
from azekura.wire.instances import pool_etag, pool_to_json


def _view(call: Call, pool: StoragePool) -> dict[str, Any]:
    used = call.depot.pools.used_by(pool.name)
    with call.depot.catalog.read() as tx:
        known = {image.fingerprint.value for image in tx.images.list()}
    used += [url("images", one) for one in call.depot.pools.cached_images(pool.name) if one in known]
    shown = replace(pool, config={**pool.config, "source": str(call.depot.pools.source(pool))})
    return pool_to_json(shown, sorted(used))


async def list_all(call: Call) -> web.StreamResponse:
    pools = await call.work(call.depot.pools.list)
    if not call.recursion():
        return sync([url("storage-pools", pool.name) for pool in pools])
    return sync(await call.work(lambda: [_view(call, pool) for pool in pools]))


async def create(call: Call) -> web.StreamResponse:
    body = Body(await call.json(), "storage pool")
    pool = StoragePool(body.text("name"), body.text("driver"), body.mapping("config"), body.text("description"))
    await call.work(call.depot.pools.create, pool)
    call.depot.events.lifecycle("storage-pool-created", url("storage-pools", pool.name))
    return sync(location=url("storage-pools", pool.name))


async def show(call: Call) -> web.StreamResponse:
    pool = await call.work(call.depot.pools.get, call.path("name"))
    return sync(await call.work(_view, call, pool), etag=pool_etag(pool))


async def _change(call: Call, *, merge: bool) -> web.StreamResponse:
    pool = await call.work(call.depot.pools.get, call.path("name"))
    if_match = call.if_match()
    if if_match and not etag_matches(if_match, pool_etag(pool)):
        raise StaleETag(f"ETag doesn't match: {pool_etag(pool)} vs {if_match}")
    body = Body(await call.json(), "storage pool")
    given = body.mapping("config")
    config = {**pool.config, **given} if merge else {**given}
    for fixed in ("source", "size"):  # what the pool was made with stays
        config[fixed] = pool.config.get(fixed, "")
    description = body.text("description", pool.description) if merge else body.text("description")
    await call.work(
        call.depot.pools.update,
        pool,
        description=description,
        config={key: value for key, value in config.items() if value},
    )
    return sync()


async def update(call: Call) -> web.StreamResponse:
    return await _change(call, merge=False)


async def patch(call: Call) -> web.StreamResponse:
    return await _change(call, merge=True)


async def delete(call: Call) -> web.StreamResponse:
    name = call.path("name")
    await call.work(call.depot.pools.delete, name)
    call.depot.events.lifecycle("storage-pool-deleted", url("storage-pools", name))
    return sync()


async def resources(call: Call) -> web.StreamResponse:
    def read() -> dict[str, Any]:
        driver = call.depot.pools.open(call.path("name"))
        total, used = driver.space()
        counts = os.statvfs(driver.path)
        return {
            "space": {"used": used, "total": total},
            "inodes": {"used": counts.f_files - counts.f_ffree, "total": counts.f_files},
        }

    return sync(await call.work(read))


async def volumes(call: Call) -> web.StreamResponse:
    """The volumes of a pool, as far as clients want to see them: one a container, one an image."""
    name = call.path("name")

    def read() -> list[dict[str, Any]]:
        driver = call.depot.pools.open(name)
        rows = [("container", one, [url("instances", one)]) for one in driver.volumes()]
        rows += [("image", one, [url("images", one)]) for one in driver.images()]
        return [
            {
                "config": {},
                "description": "",
                "name": volume,
                "type": kind,
                "used_by": used,
                "location": "none",
                "content_type": "filesystem",
            }
            for kind, volume, used in rows
        ]

    rows = await call.work(read)
    if not call.recursion():
        return sync([url("storage-pools", name, "volumes", one["type"], one["name"]) for one in rows])
    return sync(rows)


async def no_volume(call: Call) -> web.StreamResponse:
    raise NotFound("storage volume", call.path("volume"), message="Storage volume not found")
