"""``/1.0/images``: list, upload, show, change, delete, export, refresh, and what is ours alone."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import secrets
from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qsl

from aiohttp import web

from azekura.daemon.call import Call, clean_text, started, sync, sync_encoded, url
from azekura.daemon.filters import apply_filter
from azekura.daemon.form_export import send_form
from azekura.daemon.routes.image_sources import start_from_json
from azekura.daemon.transfer import BlobResponse, receive_file, receive_form
from azekura.errors import AzekuraError, Forbidden, InvalidRequest, NotFound
from azekura.model.fingerprint import Fingerprint
from azekura.model.image import Image
from azekura.model.operation import OperationClass, OperationStatus
from azekura.model.source import Origin
from azekura.services.images.changes import patch_image, pin_image, put_image
from azekura.services.images.export import export_files
from azekura.services.images.importing import finish_upload
from azekura.services.images.lookup import ADMIN, find_image, get_image, list_images
from azekura.services.images.prune import PruneRule, prune
from azekura.services.images.refresh import outdated, refresh_image
from azekura.services.images.register import AliasWish, ImageWishes, check_wishes
from azekura.services.images.removal import delete_image, undelete_image
from azekura.services.images.staging import Staging
from azekura.services.images.usage import usage_report, used_by
from azekura.services.operations import Running
from azekura.services.settings import truth
from azekura.wire.envelope import sync_body
from azekura.wire.fields import Body
from azekura.wire.images import image_etag, image_put_from_json, image_to_json


async def list_all(call: Call) -> web.StreamResponse:
    recursion = call.recursion()
    deleted = truth(call.query("deleted", "0"))
    images = await call.work(list_images, call.depot.catalog, call.caller.viewer, deleted=deleted)
    clause = call.query("filter")
    if clause:
        kept = await call.work(apply_filter, clause, [image_to_json(image) for image in images])
        return sync(kept if recursion else [url("images", one["fingerprint"]) for one in kept])
    if not recursion:
        return sync([url("images", image.fingerprint.value) for image in images])
    return sync_encoded(await call.work(lambda: sync_body([image_to_json(image) for image in images])))


async def create(call: Call) -> web.StreamResponse:
    """An upload, or JSON that names a source."""
    kind = call.request.content_type
    secret = call.header("X-LXD-secret")
    if secret:
        return await _receive_push(call, secret)
    if not call.caller.viewer.everything:
        raise Forbidden("not authorized")
    if kind == "multipart/form-data":
        return await _upload(call, _header_wishes(call), form=True)
    if kind != "application/octet-stream" and await _looks_like_json(call):
        return await start_from_json(call, await call.json())
    return await _upload(call, _header_wishes(call), form=False)


async def _looks_like_json(call: Call) -> bool:
    if call.request.content_type == "application/json":
        return True
    content = call.request.content
    first = await content.readany()
    content.unread_data(first)
    return first.lstrip()[:1] == b"{"


def _header_wishes(call: Call) -> ImageWishes:
    properties: dict[str, str] = {}
    for header in call.request.headers.getall("X-LXD-properties", []):
        for key, value in parse_qsl(clean_text(header), keep_blank_values=True):
            properties.setdefault(key, value)
    expected = call.header("X-LXD-fingerprint")
    profiles = [value for key, value in parse_qsl(call.header("X-LXD-profiles")) if key == "profile"]
    aliases = [value for key, value in parse_qsl(call.header("X-LXD-aliases")) if key == "alias"]
    return ImageWishes(
        public=truth(call.header("X-LXD-public")),
        filename=call.header("X-LXD-filename")[:255],
        properties=properties,
        profiles=tuple(profiles) or None,
        aliases=tuple(AliasWish(name) for name in aliases),
        reuse=truth(call.header("X-LXD-reuse")),
        expected=Fingerprint.parse(expected) if expected else None,
    )


async def _upload(
    call: Call, wishes: ImageWishes, *, form: bool, shown: Mapping[str, str] | None = None
) -> web.StreamResponse:
    await call.work(check_wishes, call.depot, wishes)
    origin = Origin.ADMIN if call.caller.local else Origin.NETWORK
    limit = await call.work(call.server.settings.get, "images.size_limit")
    staging = Staging(call.depot, origin, size_limit=int(limit) if limit else 0)
    try:
        if form:
            wishes = replace(wishes, filename=(await receive_form(call, staging))[:255])
        else:
            await receive_file(call, staging, "unified")
    except BaseException:
        await asyncio.shield(call.work(staging.abort))
        raise

    def work(running: Running) -> Mapping[str, Any]:
        try:
            image = finish_upload(call.depot, staging, wishes, last_call=running.check)
        except AzekuraError:
            if wishes.expected is not None:
                running.update({"fingerprint": wishes.expected.value})
            raise
        return {"fingerprint": image.fingerprint.value, "size": str(image.size)}

    return started(call.depot.operations.start("Downloading image", work, metadata=shown))


async def _receive_push(call: Call, secret: str) -> web.StreamResponse:
    """Another server sends an image that somebody here asked it for."""
    fingerprint = call.header("X-LXD-fingerprint")
    running = _token_operation(call, secret)
    if running is None or not isinstance(running.context, ImageWishes):  # a secret for something else, maybe
        raise Forbidden("not authorized")
    if not fingerprint or fingerprint != running.operation.metadata.get("fingerprint"):
        raise Forbidden("not authorized")
    wishes = running.context
    sent = _header_wishes(call)
    wishes = replace(
        wishes,
        expected=Fingerprint.parse(fingerprint),
        filename=sent.filename or wishes.filename,
        properties={**sent.properties, **wishes.properties},
        replace_properties=bool(wishes.properties),
        adopt=True,
    )
    pushed = {"secret": secrets.token_hex(32)}  # with it the sender, a stranger, waits for the end
    response = await _upload(call, wishes, form=call.request.content_type == "multipart/form-data", shown=pushed)
    await call.work(call.depot.operations.finish, running, OperationStatus.SUCCESS)
    return response


def _token_operation(call: Call, secret: str) -> Running | None:
    for operation in call.depot.operations.list():
        if operation.kind is not OperationClass.TOKEN or operation.status.final:
            continue
        kept = str(operation.metadata.get("secret", ""))
        if kept and secrets.compare_digest(kept.encode(), secret.encode()):
            with contextlib.suppress(NotFound):  # it ended meanwhile
                return call.depot.operations.running(operation.id)
    return None


async def _visible(call: Call) -> Image:
    """The image a request names, if its caller may see it or carries a valid secret for it."""
    reference = call.path("fingerprint")
    secret = call.query("secret")
    if secret and not call.caller.viewer.everything:
        image = await call.work(_by_secret, call, reference, secret)
        if image is not None:
            running = _token_operation(call, secret)
            if running is not None and running.context == image.fingerprint:
                await call.work(call.depot.operations.finish, running, OperationStatus.CANCELLED)  # LXD's word
            return image
    return await call.work(get_image, call.depot.catalog, reference, call.caller.viewer)


def _by_secret(call: Call, reference: str, secret: str) -> Image | None:
    digest = hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()
    try:
        image = get_image(call.depot.catalog, reference, ADMIN)
    except AzekuraError:
        return None
    with call.depot.catalog.write() as tx:
        allowed = tx.secrets.use(image.fingerprint, digest, call.depot.clock())
    return image if allowed else None


async def show(call: Call) -> web.StreamResponse:
    image = await _visible(call)
    return sync(image_to_json(image), etag=image_etag(image))


async def update(call: Call) -> web.StreamResponse:
    image = await _visible(call)
    put = image_put_from_json(await call.json())
    await call.work(put_image, call.depot, image.fingerprint, put, call.if_match())
    return sync()


async def patch(call: Call) -> web.StreamResponse:
    image = await _visible(call)
    await call.work(patch_image, call.depot, image.fingerprint, await call.json(), call.if_match())
    return sync()


async def delete(call: Call) -> web.StreamResponse:
    image = await _visible(call)

    def work(_: Running) -> None:
        delete_image(call.depot, image.fingerprint)

    resources = {"images": (url("images", image.fingerprint.value),)}
    return started(call.depot.operations.start("Deleting image", work, resources=resources))


async def export(call: Call) -> web.StreamResponse:
    image = await _visible(call)
    files = await call.work(export_files, call.depot, image)
    call.depot.events.publish(
        "lifecycle",
        {"action": "image-retrieved", "source": url("images", image.fingerprint.value), "context": {}},
        keep=False,
    )
    if len(files) == 1 and files[0].path is not None:
        return BlobResponse(call, files[0].path, files[0].filename)
    return await send_form(call, files)


async def push(call: Call) -> web.StreamResponse:
    """Send the image to another server, which gave us a secret for it."""
    from azekura.services.images.push import push_image, push_request

    image = await _visible(call)
    request = push_request(await call.json())

    def work(running: Running) -> None:
        push_image(call.depot, image, request, running)

    resources = {"images": (url("images", image.fingerprint.value),)}
    return started(call.depot.operations.start("Downloading image", work, resources=resources, may_cancel=True))


async def refresh(call: Call) -> web.StreamResponse:
    image = await call.work(get_image, call.depot.catalog, call.path("fingerprint"), ADMIN)

    def work(running: Running) -> Mapping[str, Any]:
        return {"refreshed": refresh_image(call.depot, image, running, manual=True)}

    resources = {"images": (url("images", image.fingerprint.value),)}
    return started(call.depot.operations.start("Refreshing image", work, resources=resources, may_cancel=True))


async def secret(call: Call) -> web.StreamResponse:
    """A secret with which somebody without trust may fetch this image, once."""
    image = await _visible(call)
    value = secrets.token_hex(32)
    digest = hashlib.sha256(value.encode()).hexdigest()
    expires = call.depot.clock() + timedelta(hours=24)

    def keep() -> Running:
        with call.depot.catalog.write() as tx:
            tx.secrets.add(image.fingerprint, digest, expires)
        running = call.depot.operations.create(
            "Image download token",
            kind=OperationClass.TOKEN,
            resources={"images": (url("images", image.fingerprint.value),)},
            metadata={"secret": value},
            may_cancel=True,
        )
        running.context = image.fingerprint
        running.on_cancel = revoke
        return running

    def revoke() -> None:
        with call.depot.catalog.write() as tx:
            tx.secrets.revoke(digest)

    running = await call.work(keep)
    return started(running.operation)


async def users(call: Call) -> web.StreamResponse:
    image = await _visible(call)
    return sync(await call.work(used_by, call.depot, image.fingerprint))


async def pin(call: Call) -> web.StreamResponse:
    image = await _visible(call)
    body = Body(await call.json())
    await call.work(pin_image, call.depot, image.fingerprint, pinned=body.flag("pinned", True))
    return sync()


async def undelete(call: Call) -> web.StreamResponse:
    image = await call.work(undelete_image, call.depot, call.path("fingerprint"))
    return sync(image_to_json(image))


async def usage(call: Call) -> web.StreamResponse:
    return sync(await call.work(usage_report, call.depot))


async def prune_images(call: Call) -> web.StreamResponse:
    body = Body(await call.json())
    older = body.number("older_than_days", -1)
    free = body.number("to_free", -1)
    rule = PruneRule(
        older_than=timedelta(days=min(older, 100_000)) if older >= 0 else None,
        unused=body.flag("unused"),
        to_free=free if free >= 0 else None,
    )
    pruned = await call.work(prune, call.depot, rule, dry_run=body.flag("dry_run"))
    return sync(
        [
            {
                "fingerprint": one.image.fingerprint.value,
                "aliases": [alias.name for alias in one.image.aliases],
                "size": one.size,
                "reason": one.reason,
                "removed": one.removed,
            }
            for one in pruned
        ]
    )


async def list_outdated(call: Call) -> web.StreamResponse:
    found = await call.work(outdated, call.depot)
    return sync(
        [
            {
                "fingerprint": one.image.fingerprint.value,
                "aliases": [alias.name for alias in one.image.aliases],
                "newer": one.newer,
                "reason": one.reason,
            }
            for one in found
        ]
    )


async def resolve(call: Call) -> web.StreamResponse:
    """Ours: alias or fingerprint in one request."""
    reference = call.query("reference")
    if not reference:
        raise InvalidRequest('Give the image with "?reference="')
    try:
        image = await call.work(find_image, call.depot.catalog, reference, call.caller.viewer)
    except NotFound:
        raise NotFound("image", reference, message="Image not found") from None
    return sync(image_to_json(image), etag=image_etag(image))
