"""Keeping images fresh: what has something newer, and taking it in."""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace

from azekura.catalog import ANY
from azekura.errors import AzekuraError, NotFound
from azekura.model.architecture import runnable
from azekura.model.image import Image
from azekura.services.depot import Depot
from azekura.services.images.download import download_image
from azekura.services.images.register import ImageWishes
from azekura.services.images.removal import delete_image
from azekura.services.images.sources import RemoteReference, server_for
from azekura.services.operations import Running

log = logging.getLogger("azekura.refresh")


@dataclass(frozen=True, slots=True)
class Freshness:
    """``newer`` is the fingerprint its source offers now; ``reason`` says why the image is not simply up to date."""

    image: Image
    newer: str
    reason: str


def _reference(image: Image) -> RemoteReference:
    if image.source is None:
        raise NotFound(
            "image source",
            message=f'Failed to update image "{image.fingerprint}" in project "default": Image source not found',
        )
    others = [name for name in runnable() if name != image.architecture]
    return RemoteReference(
        server=image.source.server,
        protocol=image.source.protocol,
        reference=image.source.alias,
        certificate=image.source.certificate,
        image_type=image.source.image_type,
        architectures=(image.architecture, *others),
    )


def refresh_image(depot: Depot, image: Image, running: Running, *, manual: bool) -> bool:
    """Take in what the image's source offers now. True when that is another image than this one.

    Aliases move in one step; public flag, profiles and last use are kept; the old image stays while it is pinned, and
    else goes: it can be brought back for a while, and as long as an instance stands on it.

    Raises:
        NotFound: the image has no source, in LXD's words; else as :func:`download_image`.
    """
    reference = _reference(image)
    server = server_for(depot, reference)
    remote = server.resolve(
        reference.reference, type=image.type, architectures=reference.architectures, cancelled=running.cancelled
    )
    if remote.fingerprint == image.fingerprint:
        return False
    wishes = ImageWishes(
        public=image.public,
        auto_update=True if manual else image.auto_update,
        cached=image.cached,
        profiles=image.profiles,
        last_used_at=image.last_used_at,
    )
    newer = download_image(depot, reference, wishes, running)
    if newer.fingerprint == image.fingerprint:
        return False
    with depot.catalog.write() as tx:
        current = tx.images.get(image.fingerprint)
        for alias in current.aliases:
            tx.aliases.move(alias.name, newer.fingerprint, expect=ANY, reason="refresh")
        fresh = tx.images.get(newer.fingerprint)
        tx.images.replace(
            replace(
                fresh,
                public=fresh.public or current.public,
                cached=current.cached,
                last_used_at=max(fresh.last_used_at, current.last_used_at),
                profiles=current.profiles,
            )
        )
        keep = current.pinned
        if keep and current.auto_update:
            # the newer image is the one that is kept fresh from now on
            tx.images.replace(replace(tx.images.get(image.fingerprint), auto_update=False))
    depot.events.lifecycle("image-refreshed", f"/1.0/images/{newer.fingerprint}")
    if not keep:
        delete_image(depot, image.fingerprint)
    return True


def freshness(depot: Depot, image: Image) -> Freshness | None:
    """What ``lxc image outdated`` says about an image: None when it is up to date."""
    if image.source is None:
        return None
    try:
        reference = _reference(image)
        remote = server_for(depot, reference).resolve(
            reference.reference, type=image.type, architectures=reference.architectures
        )
    except NotFound:
        return Freshness(image, "", "its source no longer has this image")
    except AzekuraError as exc:
        return Freshness(image, "", f"its source could not be asked: {exc}")
    if remote.fingerprint == image.fingerprint:
        return None
    newer = remote.fingerprint.value if remote.fingerprint else ""
    if image.pinned:
        return Freshness(image, newer, "not updated: it is pinned")
    if not image.auto_update:
        return Freshness(image, newer, "not updated: auto-update is off for it")
    return Freshness(image, newer, "the next auto-update takes it in")


def outdated(depot: Depot) -> list[Freshness]:
    """All images with a source that are not up to date, or can't be known to be."""
    with depot.catalog.read() as tx:
        images = tx.images.list()
    found = (freshness(depot, image) for image in images if image.source is not None)
    return [one for one in found if one is not None]


def auto_update(depot: Depot, running: Running) -> int:
    """Refresh every image that wants it; a failure is logged and the old image stays. Returns how many changed."""
    with depot.catalog.read() as tx:
        images = [one for one in tx.images.list() if one.auto_update and one.source is not None and not one.pinned]
    changed = 0
    for image in images:
        running.check()
        try:
            changed += refresh_image(depot, image, running, manual=False)
        except AzekuraError as exc:
            log.warning("image %s was not updated: %s", image.fingerprint.short, exc)
    return changed
