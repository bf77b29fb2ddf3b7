"""``/1.0/profiles``."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from aiohttp import web

from azekura.daemon.call import Call, sync, url
from azekura.errors import StaleETag
from azekura.model.instance import Profile
from azekura.services.instances.profile_changes import replace_profile
from azekura.services.instances.profiles import create_profile, delete_profile, merge_profile, rename_profile
from azekura.wire.etag import etag_matches
from azekura.wire.fields import Body
from azekura.wire.instances import profile_etag, profile_to_json


async def list_all(call: Call) -> web.StreamResponse:
    def read() -> list[dict[str, Any]]:
        with call.depot.catalog.read() as tx:
            return [profile_to_json(one, tx.profiles.used_by(one.name)) for one in tx.profiles.list()]

    profiles = await call.work(read)
    return sync(profiles if call.recursion() else [url("profiles", one["name"]) for one in profiles])


async def create(call: Call) -> web.StreamResponse:
    body = Body(await call.json(), "profile")
    profile = Profile(body.text("name"), body.text("description"), body.mapping("config"), body.devices("devices"))
    await call.work(create_profile, call.depot, profile)
    return sync(location=url("profiles", profile.name))


def _read(call: Call) -> tuple[Profile, list[str]]:
    with call.depot.catalog.read() as tx:
        profile = tx.profiles.get(call.path("name"))
        return profile, tx.profiles.used_by(profile.name)


async def show(call: Call) -> web.StreamResponse:
    profile, used = await call.work(_read, call)
    return sync(profile_to_json(profile, used), etag=profile_etag(profile))


async def _guarded(call: Call) -> Profile:
    profile, _ = await call.work(_read, call)
    if_match = call.if_match()
    if if_match and not etag_matches(if_match, profile_etag(profile)):
        raise StaleETag(f"ETag doesn't match: {profile_etag(profile)} vs {if_match}")
    return profile


async def update(call: Call) -> web.StreamResponse:
    profile = await _guarded(call)
    body = Body(await call.json(), "profile")
    changed = replace(
        profile,
        description=body.text("description"),
        config={key: value for key, value in body.mapping("config").items() if value},
        devices=body.devices("devices"),
    )
    await call.work(replace_profile, call.depot, call.server.lifecycle, changed)
    return sync()


async def patch(call: Call) -> web.StreamResponse:
    profile = await _guarded(call)
    body = Body(await call.json(), "profile")
    changed = merge_profile(
        profile,
        config=body.mapping("config"),
        devices=body.devices("devices"),
        description=body.text("description") if body.has("description") else None,
    )
    await call.work(replace_profile, call.depot, call.server.lifecycle, changed)
    return sync()


async def rename(call: Call) -> web.StreamResponse:
    new = Body(await call.json(), "profile").text("name")
    await call.work(rename_profile, call.depot, call.path("name"), new)
    return sync(location=url("profiles", new))


async def delete(call: Call) -> web.StreamResponse:
    await call.work(delete_profile, call.depot, call.path("name"))
    return sync()
