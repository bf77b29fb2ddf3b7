"""Shrinking the store: what may go, why, and in which order."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import datetime, timedelta

from azekura.errors import NotFound
from azekura.model.image import NEVER, Image
from azekura.services.depot import Depot
from azekura.services.images.removal import collect_deleted, delete_image
from azekura.services.images.usage import ImageUsage, image_usage


@dataclass(frozen=True, slots=True)
class PruneRule:
    """What may be removed. Without any wish: images without alias, instance or pin."""

    older_than: timedelta | None = None
    unused: bool = False
    to_free: int | None = None


@dataclass(frozen=True, slots=True)
class Pruned:
    """One image that was removed, or would be. ``size``: bytes that go with it and those in line before it."""

    image: Image
    size: int
    reason: str
    removed: bool


def prune(depot: Depot, rule: PruneRule, *, dry_run: bool) -> list[Pruned]:
    """Remove what ``rule`` names, least recently used first. Pinned images and those with instances always stay.

    Bytes of images that were deleted before count first when ``to_free`` is given: they are gone from sight already.
    """
    usage = image_usage(depot)
    holders = Counter(sha256 for row in usage for sha256 in {file.sha256 for file in row.image.files.all})
    rows = [row for row in usage if not row.used_by]
    deleted = [row for row in rows if row.image.deleted_at is not None]
    rows = [row for row in rows if row.image.deleted_at is None and not row.image.pinned]
    now = depot.clock()
    chosen: list[tuple[ImageUsage, str]] = []
    for row in sorted(rows, key=_last_use):
        idle_days = (now - _last_use(row)).days
        if rule.older_than is not None and now - _last_use(row) < rule.older_than:
            continue
        if rule.older_than is None and rule.to_free is None and not rule.unused and row.image.aliases:
            continue
        if rule.to_free is not None and row.image.aliases and not rule.unused and rule.older_than is None:
            continue
        reasons = ["no instance uses it"]
        if not row.image.aliases:
            reasons.append("no alias points to it")
        if row.image.cached:
            reasons.append("it was downloaded for a launch")
        reasons.append(f"last used {idle_days} day(s) ago" if row.image.last_used_at != NEVER else "never used")
        chosen.append((row, ", ".join(reasons)))

    candidates = chosen
    if rule.to_free is not None:
        gone = [(row, "it was deleted and could still be brought back") for row in sorted(deleted, key=_last_use)]
        candidates = gone + chosen
    pruned: list[Pruned] = []
    freed = 0
    for row, reason in candidates:
        if rule.to_free is not None and freed >= rule.to_free:
            break
        if not dry_run and row.image.deleted_at is None:
            try:
                delete_image(depot, row.image.fingerprint)
            except NotFound:
                continue  # somebody else deleted it meanwhile
        size = _released(row.image, holders)
        pruned.append(Pruned(row.image, size, reason, not dry_run))
        freed += size
    if not dry_run and rule.to_free is not None:
        collect_deleted(depot, also={one.image.fingerprint for one in pruned})
    return pruned


def _released(image: Image, holders: Counter[str]) -> int:
    """Bytes that go with ``image``: of its files those that no image before it in line still holds."""
    size = 0
    for file in {file.sha256: file for file in image.files.all}.values():
        holders[file.sha256] -= 1
        if not holders[file.sha256]:
            size += file.size
    return size


def _last_use(row: ImageUsage) -> datetime:
    return row.image.last_used_at if row.image.last_used_at != NEVER else row.image.uploaded_at
