"""An image as a row, and back."""

from __future__ import annotations

from typing import Any

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
from azekura.model.image import Alias, Image, ImageFile, ImageFiles, ImageType, SplitFiles, UnifiedFiles
from azekura.model.source import ImageSource, Origin, Protocol

# plain dictionaries: an enumeration's call costs a microsecond, and lists are long
_TYPES = {type_.value: type_ for type_ in ImageType}
_ORIGINS = {origin.value: origin for origin in Origin}

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


def image_from_row(row: Row, aliases: tuple[Alias, ...]) -> Image:
    """The image of a row of ``IMAGE_COLUMNS``."""
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
    return Image(
        fingerprint=Fingerprint(fingerprint),
        type=_TYPES[type_],
        architecture=architecture,
        files=files,
        created_at=from_moment(created_at),
        uploaded_at=from_moment(uploaded_at),
        origin=_ORIGINS[origin],
        filename=filename,
        public=public,
        auto_update=auto_update,
        cached=cached,
        pinned=pinned,
        expires_at=from_moment(expires_at),
        last_used_at=from_moment(last_used_at),
        properties=from_json(properties),
        profiles=tuple(from_json(profiles)),
        aliases=aliases,
        source=None if server is None else ImageSource(server, Protocol(protocol), alias, certificate, image_type),
        deleted_at=from_moment_or_none(deleted_at),
    )


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
