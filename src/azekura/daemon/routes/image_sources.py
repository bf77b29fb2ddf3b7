"""POST ``/1.0/images`` with JSON: an image from a remote, a URL, an instance, or pushed by another server."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl

from aiohttp import web

from azekura.daemon.call import Call, started, url
from azekura.errors import InvalidRequest
from azekura.formats.compression import parse_algorithm
from azekura.model.image import NEVER
from azekura.model.operation import OperationClass
from azekura.model.reference import check_instance_name
from azekura.services.images.download import download_image, import_from_url
from azekura.services.images.publish import PublishRequest, publish
from azekura.services.images.register import AliasWish, ImageWishes, check_wishes
from azekura.services.images.sources import RemoteReference
from azekura.services.instances.requests import parse_protocol
from azekura.services.operations import Running
from azekura.services.settings import truth
from azekura.wire.fields import Body
from azekura.wire.times import parse_time


def _wishes(call: Call, body: Body) -> ImageWishes:
    header = call.header("X-LXD-aliases")
    expires = parse_time(body.text("expires_at"))
    return ImageWishes(
        public=body.flag("public"),
        auto_update=body.flag("auto_update"),
        filename=body.text("filename")[:255],
        properties=body.mapping("properties"),
        profiles=body.texts("profiles") if body.has("profiles") else None,
        aliases=(
            *(AliasWish(one.text("name"), one.text("description")) for one in body.bodies("aliases")),
            *(AliasWish(value) for key, value in parse_qsl(header) if key == "alias"),
        ),
        reuse=body.flag("reuse") or truth(call.header("X-LXD-reuse")),
        expires_at=None if expires == NEVER else expires,
    )


async def start_from_json(call: Call, raw: Any) -> web.StreamResponse:
    """Start what the body asks for.

    Raises:
        InvalidRequest: malformed, in LXD's words where it has any.
    """
    body = Body(raw, "image")
    if not body.has("source"):
        raise InvalidRequest("Invalid images JSON")
    source = body.body("source")
    wishes = _wishes(call, body)
    match source.text("type"):
        case "image" if source.text("mode") == "push":
            return await _expect_push(call, source, wishes)
        case "image":
            return await _from_remote(call, source, wishes)
        case "url":
            return await _from_url(call, source, wishes)
        case "instance" | "container" | "snapshot" as kind:
            return await _from_instance(call, body, source, wishes, kind)
        case "" if source.text("mode") == "push":
            return await _expect_push(call, source, wishes)
        case _:
            raise InvalidRequest("Invalid images JSON")


async def _from_remote(call: Call, source: Body, wishes: ImageWishes) -> web.StreamResponse:
    reference = source.text("fingerprint") or source.text("alias")
    if not reference:
        raise InvalidRequest("must specify one of alias or fingerprint for init from image")
    if not source.text("server"):
        raise InvalidRequest("The source of the image names no server")
    remote = RemoteReference(
        server=source.text("server"),
        protocol=parse_protocol(source.text("protocol")),
        reference=reference,
        certificate=source.text("certificate"),
        secret=source.text("secret"),
        image_type=source.text("image_type") or "container",
    )
    await call.work(check_wishes, call.depot, wishes)

    def work(running: Running) -> Mapping[str, Any]:
        image = download_image(call.depot, remote, wishes, running)
        return {"fingerprint": image.fingerprint.value, "size": str(image.size)}

    return started(call.depot.operations.start("Downloading image", work, may_cancel=True))


async def _from_url(call: Call, source: Body, wishes: ImageWishes) -> web.StreamResponse:
    address = source.text("url")
    if not address:
        raise InvalidRequest("Missing URL")
    await call.work(check_wishes, call.depot, wishes)

    def work(running: Running) -> Mapping[str, Any]:
        image = import_from_url(call.depot, address, wishes, running)
        return {"fingerprint": image.fingerprint.value, "size": str(image.size)}

    return started(call.depot.operations.start("Downloading image", work, may_cancel=True))


async def _from_instance(call: Call, body: Body, source: Body, wishes: ImageWishes, kind: str) -> web.StreamResponse:
    name = source.text("name")
    if not name:
        raise InvalidRequest("No source provided")
    instance, slash, _ = name.partition("/")
    check_instance_name(instance)
    if kind == "snapshot" and not slash:
        raise InvalidRequest("Not a snapshot")
    if kind != "snapshot" and slash:
        raise InvalidRequest("This is a snapshot")
    given = body.text("compression_algorithm")
    algorithm = parse_algorithm(given or await call.work(_default_algorithm, call))
    request = PublishRequest(
        source=name,
        algorithm=algorithm,
        properties=body.mapping("properties") if body.has("properties") else None,
        expires_at=wishes.expires_at,
        wishes=wishes,
    )
    await call.work(check_wishes, call.depot, wishes)

    def exists() -> None:
        with call.depot.catalog.read() as tx:
            tx.instances.get(instance)

    await call.work(exists)

    def work(running: Running) -> Mapping[str, Any]:
        image = publish(call.depot, call.server.lifecycle, request, running)
        return {"fingerprint": image.fingerprint.value, "size": str(image.size)}

    resources = {"instances": (url("instances", instance),)}
    return started(call.depot.operations.start("Downloading image", work, resources=resources, may_cancel=True))


def _default_algorithm(call: Call) -> str:
    """What the administrator set; else zstd, which is both faster and smaller than LXD's gzip (docs/adr/0009)."""
    return call.server.settings.get("images.compression_algorithm")


async def _expect_push(call: Call, source: Body, wishes: ImageWishes) -> web.StreamResponse:
    """Give out a secret with which another server may send the image."""
    fingerprint = source.text("fingerprint")
    if not fingerprint:
        raise InvalidRequest("must specify one of alias or fingerprint for init from image")
    await call.work(check_wishes, call.depot, wishes)
    running = await call.work(
        call.depot.operations.create,
        "Image upload token",
        kind=OperationClass.TOKEN,
        metadata={"secret": secrets.token_hex(32), "fingerprint": fingerprint},
        may_cancel=True,
    )
    running.context = wishes
    return started(running.operation)
