"""``/1.0/images/aliases``, and moving, history and rollback, which are ours."""

from __future__ import annotations

from aiohttp import web

from azekura.catalog import ANY, AnyTarget
from azekura.daemon.call import Call, sync, url
from azekura.errors import InvalidRequest
from azekura.model.fingerprint import Fingerprint
from azekura.services.images.aliases import (
    alias_history,
    create_alias,
    delete_alias,
    move_alias,
    rename_alias,
    rollback_alias,
    update_alias,
)
from azekura.services.images.lookup import get_alias
from azekura.wire.fields import Body
from azekura.wire.images import alias_etag, alias_to_json
from azekura.wire.times import format_time


async def list_all(call: Call) -> web.StreamResponse:
    def read() -> list[dict[str, str]]:
        with call.depot.catalog.read() as tx:
            return [alias_to_json(alias) for alias in tx.aliases.list()]

    aliases = await call.work(read)
    if not call.recursion():
        return sync([url("images", "aliases", alias["name"]) for alias in aliases])
    return sync(aliases)


async def create(call: Call) -> web.StreamResponse:
    body = Body(await call.json(), "alias")
    name, target = body.text("name"), body.text("target")
    await call.work(create_alias, call.depot, name, target, body.text("description"))
    return sync(location=url("images", "aliases", name))


async def show(call: Call) -> web.StreamResponse:
    alias = await call.work(get_alias, call.depot.catalog, call.path("name"), call.caller.viewer)
    return sync(alias_to_json(alias), etag=alias_etag(alias))


async def update(call: Call) -> web.StreamResponse:
    body = Body(await call.json(), "alias")
    if not body.text("target"):
        raise InvalidRequest("The target field is required")
    await call.work(
        update_alias,
        call.depot,
        call.path("name"),
        target=body.text("target"),
        description=body.text("description"),
        if_match=call.if_match(),
    )
    return sync()


async def patch(call: Call) -> web.StreamResponse:
    body = Body(await call.json(), "alias")
    await call.work(
        update_alias,
        call.depot,
        call.path("name"),
        target=body.text("target") or None,
        description=body.text("description") if body.has("description") else None,
        if_match=call.if_match(),
    )
    return sync()


async def rename(call: Call) -> web.StreamResponse:
    new = Body(await call.json(), "alias").text("name")
    await call.work(rename_alias, call.depot, call.path("name"), new)
    return sync(location=url("images", "aliases", new))


async def delete(call: Call) -> web.StreamResponse:
    await call.work(delete_alias, call.depot, call.path("name"))
    return sync()


async def move(call: Call) -> web.StreamResponse:
    """Point an alias elsewhere; ``expect`` makes it compare-and-swap (null: it must not be there yet)."""
    body = Body(await call.json(), "alias")
    expect: Fingerprint | AnyTarget | None = ANY
    if "expect" in body.raw:
        expect = Fingerprint.parse(body.text("expect")) if body.has("expect") else None
    previous, target = await call.work(move_alias, call.depot, call.path("name"), body.text("target"), expect=expect)
    return sync({"previous": previous.value if previous else None, "target": target.value})


async def history(call: Call) -> web.StreamResponse:
    moves = await call.work(alias_history, call.depot, call.path("name"))
    return sync(
        [
            {
                "target": one.target.value if one.target else None,
                "moved_at": format_time(one.moved_at),
                "reason": one.reason,
            }
            for one in moves
        ]
    )


async def rollback(call: Call) -> web.StreamResponse:
    steps = Body(await call.json(), "alias").number("steps", 1)
    previous, target = await call.work(rollback_alias, call.depot, call.path("name"), steps)
    return sync({"previous": previous.value if previous else None, "target": target.value})
