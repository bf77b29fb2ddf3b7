"""What uses space, and why it is kept."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from azekura.model.fingerprint import Fingerprint
from azekura.model.image import Image
from azekura.services.depot import Depot


@dataclass(frozen=True, slots=True)
class ImageUsage:
    """Bytes of one image: ``unique`` would be freed if it alone went, ``shared`` are other images' as well."""

    image: Image
    unique: int
    shared: int
    used_by: tuple[str, ...]


def used_by(depot: Depot, fingerprint: Fingerprint) -> list[str]:
    """API paths of the instances that were made from the image."""
    with depot.catalog.read() as tx:
        return [f"/1.0/instances/{name}" for name in tx.instances.used_image(fingerprint.value)]


def image_usage(depot: Depot) -> list[ImageUsage]:
    """The usage of every image, deleted ones that can be brought back included."""
    with depot.catalog.read() as tx:
        listed = tx.images.list()
        known = {image.fingerprint for image in listed}
        images = listed + [one for one in tx.images.list(deleted=True) if one.fingerprint not in known]
        instances = tx.instances.list()
    holders: dict[str, int] = {}
    for image in images:
        for sha256 in {file.sha256 for file in image.files.all}:
            holders[sha256] = holders.get(sha256, 0) + 1
    users: dict[str, list[str]] = {}
    for instance in instances:
        base = instance.config.get("volatile.base_image", "")
        users.setdefault(base, []).append(f"/1.0/instances/{instance.name}")
    return [
        ImageUsage(
            image=image,
            unique=sum(file.size for file in image.files.all if holders[file.sha256] == 1),
            shared=sum(file.size for file in image.files.all if holders[file.sha256] > 1),
            used_by=tuple(users.get(image.fingerprint.value, ())),
        )
        for image in images
    ]


def usage_report(depot: Depot) -> dict[str, Any]:
    """The numbers of ``lxc image usage``, in bytes."""
    rows = image_usage(depot)
    sizes: dict[str, int] = {}
    for row in rows:
        for file in row.image.files.all:
            sizes[file.sha256] = file.size
    needed = {file.sha256 for row in rows if not _idle(row) for file in row.image.files.all}
    reclaimable = sum(size for sha256, size in sizes.items() if sha256 not in needed)
    with depot.catalog.read() as tx:
        stored = sum(size for _, size in tx.blobs.list())
    return {
        "images": [
            {
                "fingerprint": row.image.fingerprint.value,
                "aliases": [alias.name for alias in row.image.aliases],
                "size": row.image.size,
                "unique": row.unique,
                "shared": row.shared,
                "used_by": list(row.used_by),
                "pinned": row.image.pinned,
                "cached": row.image.cached,
                "deleted": row.image.deleted_at is not None,
            }
            for row in rows
        ],
        "logical": sum(row.image.size for row in rows),
        "unique": sum(sizes.values()),
        "shared": sum(row.image.size for row in rows) - sum(sizes.values()),
        "stored": stored,
        "reclaimable": reclaimable,
    }


def _idle(row: ImageUsage) -> bool:
    """Nobody would notice if it went: it is deleted already, or has no alias, no instance, no pin and is not public."""
    if row.image.deleted_at is not None:
        return not row.used_by
    return not (row.image.aliases or row.used_by or row.image.pinned or row.image.public)
