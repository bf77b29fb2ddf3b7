"""Letting go of cached images that nobody used for long enough."""

from __future__ import annotations

import logging
from datetime import datetime, timedelta

from azekura.model.image import NEVER, Image
from azekura.services.depot import Depot
from azekura.services.images.removal import collect_deleted, delete_image
from azekura.services.settings import Settings

log = logging.getLogger("azekura.expiry")


def is_expired(image: Image, now: datetime, days: int) -> bool:
    """LXD's rule: cached, and ``days`` (0 or less: never) since its last use, or its upload where it had none."""
    if days <= 0 or not image.cached or image.pinned:
        return False
    last = image.last_used_at if image.last_used_at != NEVER else image.uploaded_at
    return last + timedelta(days=days) <= now


def expire_images(depot: Depot) -> list[Image]:
    """Delete what is expired and what was deleted long enough ago; returns the expired ones."""
    days = Settings(depot.catalog).number("images.remote_cache_expiry")
    now = depot.clock()
    with depot.catalog.read() as tx:
        expired = [image for image in tx.images.list() if is_expired(image, now, days)]
    for image in expired:
        log.info("cached image %s was not used for %d days: deleted", image.fingerprint.short, days)
        delete_image(depot, image.fingerprint)
    collect_deleted(depot)
    return expired
