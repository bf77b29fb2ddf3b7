"""Publishing: a stopped instance, or a snapshot, becomes an image. One pass: walk, tar, compress, hash, store."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from azekura.errors import AlreadyExists, AzekuraError, InvalidRequest
from azekura.formats.compression import Algorithm, open_writer
from azekura.formats.metadata_yaml import dump_metadata, parse_metadata
from azekura.formats.pack import pack_image
from azekura.model.image import NEVER, Image
from azekura.model.instance import Instance
from azekura.model.metadata import ImageMetadata
from azekura.model.source import Origin
from azekura.services.depot import Depot
from azekura.services.images.register import ImageWishes, check_wishes, register
from azekura.services.images.staging import Staging
from azekura.services.instances.copies import get_snapshot
from azekura.services.instances.lifecycle import Lifecycle
from azekura.services.operations import Running


@dataclass(frozen=True, slots=True)
class PublishRequest:
    """``properties`` None keeps those of the container's metadata, else they replace them."""

    source: str  # c1, or c1/snap0
    algorithm: Algorithm
    properties: Mapping[str, str] | None
    expires_at: datetime | None
    wishes: ImageWishes


def publish(depot: Depot, lifecycle: Lifecycle, request: PublishRequest, running: Running) -> Image:
    """Make the image.

    Raises:
        NotFound: no such instance or snapshot.
        InvalidRequest: the instance is running, in LXD's words.
        AlreadyExists: the very same image is there already, in LXD's words.
        NoSpace, StorageFailed, Cancelled: nothing is left behind.
    """
    check_wishes(depot, request.wishes)
    name, _, snapshot = request.source.partition("/")
    with depot.instance_locks.hold(name):
        with depot.catalog.read() as tx:
            instance = tx.instances.get(name)
            metadata_yaml, templates = tx.instances.get_files(name, snapshot=snapshot)
        if snapshot:
            instance = get_snapshot(depot, name, snapshot)[1].instance
        elif lifecycle.is_running(name):
            raise InvalidRequest("Cannot export a running instance as an image")
        metadata_yaml = _metadata(depot, instance, metadata_yaml, request)
        driver = depot.pools.of(instance)
        with (
            Staging(depot, Origin.MADE_HERE, unpack=False) as staging,
            driver.view(request.source) as view,
        ):
            part = staging.part("unified")
            writer = open_writer(part, request.algorithm)
            started = time.monotonic()

            def progress(done: int) -> None:
                speed = done / max(time.monotonic() - started, 0.001)
                running.progress("create_image_from_container_pack_progress", "Image pack", done, None, speed)

            pack_image(view, metadata_yaml, templates, writer, progress=progress, cancelled=running.cancelled)
            writer.close()
            if part.fault is not None:
                raise part.fault
            staged = staging.finish()
            running.not_cancellable()
            wishes = replace(request.wishes, created_at=depot.clock(), expires_at=request.expires_at or NEVER)
            try:
                return register(depot, staging, staged, wishes)
            except AlreadyExists as exc:
                if exc.kind != "image":
                    raise
                raise AlreadyExists(
                    "image",
                    staged.fingerprint.value,
                    message=f"The image already exists: {staged.fingerprint}",
                ) from exc


def _metadata(depot: Depot, instance: Instance, metadata_yaml: bytes, request: PublishRequest) -> bytes:
    """The metadata.yaml of the new image: the container's own, byte for byte, unless something shall differ."""
    if metadata_yaml.strip() and request.properties is None and request.expires_at is None:
        return metadata_yaml
    try:
        metadata = parse_metadata(metadata_yaml) if metadata_yaml.strip() else None
    except AzekuraError:
        metadata = None
    if metadata is None:
        metadata = ImageMetadata(instance.architecture, int(depot.clock().timestamp()))
    if request.properties is not None:
        metadata = replace(metadata, properties=dict(request.properties))
    if request.expires_at is not None:
        metadata = replace(metadata, expiry_date=int(request.expires_at.timestamp()))
    return dump_metadata(metadata)
