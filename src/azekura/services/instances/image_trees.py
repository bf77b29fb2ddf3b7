"""Having an image's root file system in a pool: unpacked once, or its squashfs mounted as it is."""

from __future__ import annotations

import logging

from azekura.errors import NotFound, StorageFailed, Unsupported
from azekura.formats.confined import ConfinedScan, unpack_squashfs_confined
from azekura.formats.magic import Container, sniff
from azekura.formats.scan import Limits
from azekura.model.fingerprint import Fingerprint
from azekura.model.image import Image, ImageFile, SplitFiles
from azekura.model.instance import Instance
from azekura.model.source import Origin
from azekura.services.depot import Depot
from azekura.services.images.staging import mounts_squashfs
from azekura.services.operations import Running
from azekura.storage.port import StorageDriver

log = logging.getLogger("azekura.trees")

BASE_BLOB = "volatile.base_blob"  # the file an instance's image can be made from again; held by a blob reference


def rootfs_file(image: Image) -> ImageFile:
    """The file of an image that holds its root file system."""
    return image.files.rootfs if isinstance(image.files, SplitFiles) else image.files.tarball


def ensure_tree(depot: Depot, driver: StorageDriver, image: Image, running: Running | None = None) -> None:
    """Have the image's root file system in the pool. Called with the image's lock held.

    Raises:
        InvalidRequest, NoSpace, StorageFailed: nothing is left behind.
    """
    if not driver.has_image(image.fingerprint.value):
        _fill(depot, driver, image.fingerprint.value, rootfs_file(image).sha256, image.origin, running)


def restore_tree(depot: Depot, driver: StorageDriver, instance: Instance) -> None:
    """Make the tree that an instance stands on again, if a power loss took it before it had reached the disk.

    Raises:
        StorageFailed: the image's file is gone too.
    """
    fingerprint = driver.volume_image(instance.name)
    if fingerprint is None and driver.shares_images and BASE_BLOB in instance.config:
        raise StorageFailed(
            f"A power loss took what {instance.name} stands on while it was made",
            hint=f"delete it and make it again: lxc delete {instance.name}",
        )
    if fingerprint is None or driver.has_image(fingerprint):
        return
    with depot.image_locks.hold(fingerprint):
        try:
            with depot.catalog.read() as tx:
                origin = tx.images.get(Fingerprint.parse(fingerprint), deleted=True).origin
        except NotFound:
            origin = Origin.NETWORK
        try:
            _fill(depot, driver, fingerprint, instance.config.get(BASE_BLOB, fingerprint), origin, None)
        except NotFound as exc:
            raise StorageFailed(
                f"The image {fingerprint[:12]} that {instance.name} stands on is gone",
                hint="import that image again, then start the instance",
            ) from exc


def _fill(
    depot: Depot, driver: StorageDriver, fingerprint: str, sha256: str, origin: Origin, running: Running | None
) -> None:
    path = depot.blobs.path(sha256)
    with depot.blobs.open(sha256) as raw:
        head = raw.read(512)
        raw.seek(0)
        if sniff(head).container is Container.SQUASHFS and path is not None:
            if mounts_squashfs(depot, driver, origin):
                try:
                    driver.adopt_squashfs(fingerprint, path)
                    return
                except Unsupported as exc:  # a compressor this kernel was built without
                    log.info("%s; it is unpacked instead", exc)
            with driver.fill_image() as fill:
                unpack_squashfs_confined(path, fill.path, Limits())
                fill.commit(fingerprint)
            return
        size = depot.blobs.size(sha256)
        with driver.fill_image() as fill:
            scan = ConfinedScan("unified" if sha256 == fingerprint else "rootfs", fill.path, Limits())
            try:
                done = 0
                while data := raw.read(1 << 20):
                    scan.write(data)
                    done += len(data)
                    if running is not None:
                        running.check()
                        running.progress("create_instance_from_image_unpack_progress", "Unpack", done, size, 0)
                scan.finish()
            except BaseException:
                scan.abort()
                raise
            fill.commit(fingerprint)
