"""Changing what is recorded about an image: PUT, PATCH, pin."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from azekura.errors import NotFound, StaleETag
from azekura.model.fingerprint import Fingerprint
from azekura.model.image import Image
from azekura.services.depot import Depot
from azekura.wire.etag import etag_matches
from azekura.wire.fields import Body
from azekura.wire.images import ImagePut, image_etag


def change_image(
    depot: Depot, fingerprint: Fingerprint, change: Callable[[Image], Image], if_match: str | None = None
) -> Image:
    """Apply ``change`` to the record in one transaction.

    Raises:
        NotFound: no such image, or a profile named in the change is unknown.
        StaleETag: ``if_match`` is not the record's ETag, in LXD's words.
    """
    with depot.catalog.write() as tx:
        image = tx.images.get(fingerprint)
        if if_match and not etag_matches(if_match, image_etag(image)):
            raise StaleETag(f"ETag doesn't match: {image_etag(image)} vs {if_match.strip().strip(chr(34))}")
        changed = change(image)
        for name in changed.profiles:
            if name not in image.profiles:
                try:
                    tx.profiles.get(name)
                except NotFound:
                    raise NotFound("profile", name, message=f"Profile '{name}' doesn't exist") from None
        tx.images.replace(changed)
    depot.events.lifecycle("image-updated", f"/1.0/images/{fingerprint}")
    return changed


def put_image(depot: Depot, fingerprint: Fingerprint, put: ImagePut, if_match: str | None) -> None:
    """Replace what can be changed. See :func:`change_image` for the errors."""

    def change(image: Image) -> Image:
        return replace(
            image,
            auto_update=put.auto_update,
            public=put.public,
            properties=put.properties,
            expires_at=put.expires_at or image.expires_at,
            profiles=put.profiles if put.profiles is not None else ("default",),
        )

    change_image(depot, fingerprint, change, if_match)


def patch_image(depot: Depot, fingerprint: Fingerprint, raw: Any, if_match: str | None) -> None:
    """Merge: flags that are given, properties key by key (an empty value removes one).

    Raises:
        InvalidRequest: a field of the wrong type; else as :func:`change_image`.
    """
    body = Body(raw, "image")
    properties = body.mapping("properties")

    def change(image: Image) -> Image:
        merged = {**image.properties, **properties}
        return replace(
            image,
            auto_update=body.flag("auto_update", image.auto_update),
            public=body.flag("public", image.public),
            properties={key: value for key, value in merged.items() if value},
        )

    change_image(depot, fingerprint, change, if_match)


def pin_image(depot: Depot, fingerprint: Fingerprint, *, pinned: bool) -> None:
    """A pinned image is never pruned, expired or replaced by an update."""
    change_image(depot, fingerprint, lambda image: replace(image, pinned=pinned))
