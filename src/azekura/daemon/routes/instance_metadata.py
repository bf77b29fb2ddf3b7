"""``/1.0/instances/NAME/metadata``: the container's own copy of metadata.yaml and templates."""

from __future__ import annotations

from typing import Any

import yaml
from aiohttp import web

from azekura.daemon.call import Call, sync
from azekura.errors import InvalidRequest, NotFound
from azekura.formats.metadata_yaml import dump_metadata, parse_metadata
from azekura.services.instances.changes import (
    delete_template,
    read_files,
    write_metadata,
    write_template,
)
from azekura.wire.etag import etag_of
from azekura.wire.fields import Body


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
    try:
        text = yaml.safe_dump(raw, sort_keys=True, allow_unicode=True).encode()
    except (yaml.YAMLError, RecursionError) as exc:
        raise InvalidRequest("Invalid metadata: it can't be written as metadata.yaml") from exc
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
