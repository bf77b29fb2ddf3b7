"""Deleting drops references; bytes go later, when nothing refers to them any more (docs/design.md, promise 3)."""

from __future__ import annotations

import contextlib
from collections.abc import Collection
from datetime import timedelta

from azekura.catalog import Transaction
from azekura.errors import InUse, NotFound
from azekura.model.fingerprint import Fingerprint
from azekura.model.image import Image
from azekura.services.depot import Depot
from azekura.services.settings import Settings


def delete_image(depot: Depot, fingerprint: Fingerprint) -> None:
    """Take an image out of sight. It can be brought back until the grace time is over and no instance stands on it.

    Raises:
        NotFound: no such image.
    """
    with depot.catalog.write() as tx:
        image = tx.images.get(fingerprint)
        tx.images.delete(fingerprint, depot.clock())
        for file in image.files.all:
            tx.blobs.add_reference(file.sha256, "deleted", fingerprint.value)
            tx.blobs.drop_reference(file.sha256, "image", fingerprint.value)
    depot.events.lifecycle("image-deleted", f"/1.0/images/{fingerprint}")
    collect_deleted(depot)


def undelete_image(depot: Depot, prefix: str) -> Image:
    """Bring a deleted image back, with the aliases that are still free.

    Raises:
        NotFound: nothing deleted (and still kept) matches.
    """
    with depot.catalog.write() as tx:
        matches = [one for one in tx.images.list(deleted=True) if one.fingerprint.value.startswith(prefix)]
        matches = [one for one in matches if one.deleted_at is not None]
        if len(matches) != 1:
            raise NotFound(
                "image",
                prefix,
                message=f"No deleted image matches {prefix[:64]!r}" if not matches else "More than one image matches",
                hint="lxc image list --deleted shows what can be brought back",
            )
        image = tx.images.undelete(matches[0].fingerprint)
        for file in image.files.all:
            tx.blobs.add_reference(file.sha256, "image", image.fingerprint.value)
            tx.blobs.drop_reference(file.sha256, "deleted", image.fingerprint.value)
    depot.events.lifecycle("image-created", f"/1.0/images/{image.fingerprint}", {"type": image.type.value})
    return image


def purge_image(tx: Transaction, image: Image) -> None:
    """Forget a deleted image's row; its blobs lose their last tie to it."""
    for file in image.files.all:
        tx.blobs.drop_reference(file.sha256, "deleted", image.fingerprint.value)
    tx.images.purge(image.fingerprint)


def grace(depot: Depot) -> timedelta:
    """How long a deleted image can be brought back."""
    return timedelta(hours=max(0, Settings(depot.catalog).number("images.undelete_hours")))


def collect_deleted(depot: Depot, *, also: Collection[Fingerprint] = ()) -> list[Image]:
    """Purge deleted images whose grace time is over, and those of ``also`` before that; then their blobs.

    One whose rootfs an instance holds isn't due: only its row and metadata would go, and with them the way back.
    """
    before = depot.clock() - grace(depot)
    with depot.catalog.write() as tx:
        due = [image for image in tx.images.deleted_before(before) if not _is_stood_on(tx, image)]
        if also:
            known = {image.fingerprint for image in due}
            due += [
                one for one in tx.images.list(deleted=True) if one.fingerprint in also and one.fingerprint not in known
            ]
        for image in due:
            purge_image(tx, image)
    collect_blobs(depot)
    return due


def _is_stood_on(tx: Transaction, image: Image) -> bool:
    return any(held.kind == "instance" for file in image.files.all for held in tx.blobs.references(file.sha256))


def collect_blobs(depot: Depot) -> int:
    """Delete blobs that nothing refers to; returns the bytes freed.

    It runs inside a write transaction, as commits of new blobs do: whoever refers to a blob has said so before, or
    brings the blob itself in after.
    """
    freed = 0
    with depot.catalog.write() as tx:
        for sha256, size in tx.blobs.unreferenced(depot.clock()):
            with contextlib.suppress(NotFound):  # a crash came between the two lines last time
                depot.blobs.delete(sha256)
                freed += size
            tx.blobs.forget(sha256)
    collect_trees(depot)
    return freed


def collect_trees(depot: Depot) -> None:
    """Remove image trees from the pools whose image is gone and on which no volume stands."""
    with depot.catalog.read() as tx:
        known = {image.fingerprint.value for image in tx.images.list()}
        pools = [pool.name for pool in tx.pools.list()]
    for name in pools:
        driver = depot.pools.open(name)
        used = {driver.volume_image(volume) for volume in driver.volumes()}
        for fingerprint in driver.images():
            if fingerprint not in known and fingerprint not in used:
                # a snapshot may stand on it, which the driver knows
                with depot.image_locks.hold(fingerprint), contextlib.suppress(InUse):
                    driver.remove_image(fingerprint)
