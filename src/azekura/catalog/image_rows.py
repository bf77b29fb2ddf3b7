"""An image as a row, and back."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any

from azekura.catalog.alias_rows import IMAGE_TYPES
from azekura.catalog.columns import (
    from_json,
    from_moment,
    from_moment_or_none,
    to_json,
    to_moment,
    to_moment_or_none,
)
from azekura.catalog.schema import images
from azekura.catalog.session import Row
from azekura.model.fingerprint import Fingerprint
from azekura.model.image import Alias, Image, ImageFile, ImageFiles, SplitFiles, UnifiedFiles
from azekura.model.source import ImageSource, Origin, Protocol

_ORIGINS = {origin.value: origin for origin in Origin}
_PROTOCOLS = {protocol.value: protocol for protocol in Protocol}

IMAGE_COLUMNS = (
    images.c.fingerprint,
    images.c.type,
    images.c.architecture,
    images.c.metadata_sha256,
    images.c.metadata_size,
    images.c.metadata_extension,
    images.c.rootfs_sha256,
    images.c.rootfs_size,
    images.c.rootfs_extension,
    images.c.created_at,
    images.c.uploaded_at,
    images.c.origin,
    images.c.filename,
    images.c.public,
    images.c.auto_update,
    images.c.cached,
    images.c.pinned,
    images.c.expires_at,
    images.c.last_used_at,
    images.c.properties,
    images.c.profiles,
    images.c.source_server,
    images.c.source_protocol,
    images.c.source_alias,
    images.c.source_certificate,
    images.c.source_image_type,
    images.c.deleted_at,
)


def image_from_row(row: Row, alias_rows: Sequence[Row]) -> Image:
    """The image of a row of ``IMAGE_COLUMNS``, and its aliases of rows of ``ALIAS_COLUMNS``."""
    (
        fingerprint,
        type_,
        architecture,
        metadata_sha256,
        metadata_size,
        metadata_extension,
        rootfs_sha256,
        rootfs_size,
        rootfs_extension,
        created_at,
        uploaded_at,
        origin,
        filename,
        public,
        auto_update,
        cached,
        pinned,
        expires_at,
        last_used_at,
        properties,
        profiles,
        server,
        protocol,
        alias,
        certificate,
        image_type,
        deleted_at,
    ) = row
    files: ImageFiles
    if rootfs_sha256 is None:
        files = UnifiedFiles(ImageFile(metadata_sha256, metadata_size, metadata_extension))
    else:
        files = SplitFiles(
            ImageFile(metadata_sha256, metadata_size, metadata_extension),
            ImageFile(rootfs_sha256, rootfs_size, rootfs_extension),
        )
    own = Fingerprint(fingerprint)
    return Image(
        own,
        IMAGE_TYPES[type_],
        architecture,
        files,
        from_moment(created_at),
        from_moment(uploaded_at),
        _ORIGINS[origin],
        filename,
        bool(public),
        bool(auto_update),
        bool(cached),
        bool(pinned),
        from_moment(expires_at),
        from_moment(last_used_at),
        from_json(properties),
        _names(profiles),
        tuple([Alias(name, own, text, IMAGE_TYPES[kind]) for name, _, text, kind in alias_rows]),
        None if server is None else ImageSource(server, _PROTOCOLS[protocol], alias, certificate, image_type),
        from_moment_or_none(deleted_at),
    )


@functools.lru_cache(maxsize=64)
def _names(text: str) -> tuple[str, ...]:
    """A list of profiles; nearly all images name the same."""
    return tuple(from_json(text))


def new_values(image: Image) -> dict[str, Any]:
    """All columns of a new row; aliases have a table of their own."""
    metadata, rootfs = _split(image.files)
    return {
        "fingerprint": image.fingerprint.value,
        "type": image.type.value,
        "architecture": image.architecture,
        "metadata_sha256": metadata.sha256,
        "metadata_size": metadata.size,
        "metadata_extension": metadata.extension,
        "rootfs_sha256": rootfs.sha256 if rootfs else None,
        "rootfs_size": rootfs.size if rootfs else None,
        "rootfs_extension": rootfs.extension if rootfs else None,
        "created_at": to_moment(image.created_at),
        "uploaded_at": to_moment(image.uploaded_at),
        "deleted_at": to_moment_or_none(image.deleted_at),
        **mutable_values(image),
    }


def mutable_values(image: Image) -> dict[str, Any]:
    """The columns that may change while the bytes stay the same."""
    source = image.source
    return {
        "origin": image.origin.value,
        "filename": image.filename,
        "public": image.public,
        "auto_update": image.auto_update,
        "cached": image.cached,
        "pinned": image.pinned,
        "expires_at": to_moment(image.expires_at),
        "last_used_at": to_moment(image.last_used_at),
        "properties": to_json(image.properties),
        "profiles": to_json(image.profiles),
        "source_server": source.server if source else None,
        "source_protocol": source.protocol.value if source else None,
        "source_alias": source.alias if source else None,
        "source_certificate": source.certificate if source else None,
        "source_image_type": source.image_type if source else None,
    }


def _split(files: ImageFiles) -> tuple[ImageFile, ImageFile | None]:
    match files:
        case UnifiedFiles(tarball):
            return tarball, None
        case SplitFiles(metadata, rootfs):
            return metadata, rootfs
