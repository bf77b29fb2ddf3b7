"""Images and aliases in LXD's JSON (``shared/api/image.go``; the order of fields is LXD's)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from azekura.model.image import NEVER, Alias, Image
from azekura.wire.etag import etag_of
from azekura.wire.fields import Body
from azekura.wire.times import format_time, parse_time


def image_to_json(image: Image) -> dict[str, Any]:
    """The API's view of an image."""
    view: dict[str, Any] = {
        "auto_update": image.auto_update,
        "properties": dict(sorted(image.properties.items())),
        "public": image.public,
        "expires_at": format_time(image.expires_at),
        "profiles": list(image.profiles),
        "aliases": [{"name": alias.name, "description": alias.description} for alias in image.aliases],
        "architecture": image.architecture,
        "cached": image.cached,
        "filename": image.filename,
        "fingerprint": image.fingerprint.value,
        "size": image.size,
        "type": image.type.value,
        "created_at": format_time(image.created_at),
        "last_used_at": format_time(image.last_used_at),
        "uploaded_at": format_time(image.uploaded_at),
    }
    if image.source is not None:
        view["update_source"] = {
            "alias": image.source.alias,
            "certificate": image.source.certificate,
            "protocol": image.source.protocol.value,
            "server": image.source.server,
            "image_type": image.source.image_type,
        }
    if image.pinned:
        view["pinned"] = True
    if image.deleted_at is not None:
        view["deleted_at"] = format_time(image.deleted_at)
    return view


def image_etag(image: Image) -> str:
    """ETag over what PUT can change: public, auto_update, properties."""
    return etag_of([image.public, image.auto_update, dict(image.properties)])


@dataclass(frozen=True, slots=True)
class ImagePut:
    """What a PUT of an image asks for. ``expires_at`` None keeps the old date; ``profiles`` None means the default."""

    auto_update: bool
    public: bool
    properties: dict[str, str]
    expires_at: datetime | None
    profiles: tuple[str, ...] | None


def image_put_from_json(raw: Any) -> ImagePut:
    """Read an ImagePut. Properties with empty values are dropped, as LXD drops them.

    Raises:
        InvalidRequest: a field of the wrong type.
    """
    body = Body(raw, "image")
    expires = parse_time(body.text("expires_at"))
    auto_update = body.flag("auto_update") or body.flag("autoupdate")  # the key of LXD 2.0
    return ImagePut(
        auto_update=auto_update,
        public=body.flag("public"),
        properties={key: value for key, value in body.mapping("properties").items() if value},
        expires_at=None if expires == NEVER else expires,
        profiles=body.texts("profiles") if body.has("profiles") else None,
    )


def alias_to_json(alias: Alias) -> dict[str, Any]:
    """The API's view of an alias."""
    return {
        "description": alias.description,
        "target": alias.target.value,
        "name": alias.name,
        "type": alias.type.value,
    }


def alias_etag(alias: Alias) -> str:
    return etag_of([alias_to_json(alias)])
