"""Creating instances: from an image here or elsewhere, from another instance, or empty."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import replace

from azekura.errors import InvalidRequest, NotFound
from azekura.model.architecture import native, runnable
from azekura.model.fingerprint import Fingerprint
from azekura.model.image import Image, ImageType
from azekura.model.instance import Instance, expand_devices
from azekura.model.reference import check_instance_name
from azekura.services.depot import Depot
from azekura.services.images.download import download_image
from azekura.services.images.lookup import find_image
from azekura.services.images.register import ImageWishes
from azekura.services.images.sources import RemoteReference
from azekura.services.instances.cloud_init import new_id
from azekura.services.instances.config_keys import check_config, check_devices, without_empty
from azekura.services.instances.copies import copy_instance
from azekura.services.instances.image_trees import BASE_BLOB, ensure_tree, rootfs_file
from azekura.services.instances.names import fresh_name
from azekura.services.instances.network_cards import card_settings
from azekura.services.instances.profiles import load_profiles
from azekura.services.instances.records import add_record, remove_record
from azekura.services.instances.refreshes import refresh_instance
from azekura.services.instances.requests import (
    FromInstance,
    FromLocalImage,
    FromNothing,
    FromRemoteImage,
    InstanceRequest,
)
from azekura.services.operations import Running
from azekura.services.pools import root_pool
from azekura.services.settings import Settings


def prepare(depot: Depot, request: InstanceRequest) -> InstanceRequest:
    """Refuse what can be refused at once, and give a name to what has none.

    Raises:
        InvalidRequest: a bad name, configuration or device.
        NotFound: an image, profile or pool that isn't there.
        AlreadyExists: the name is taken.
    """
    check_config(request.config, "Failed creating instance record: ")
    check_devices(request.devices)
    if depot.host is not None and request.config.get("raw.lxc"):
        depot.host.check_raw(request.config["raw.lxc"])
    name = request.name
    if not name or request.profiles is not None:
        with depot.catalog.read() as tx:
            if request.profiles is not None:
                load_profiles(tx, request.profiles)
            if not name:
                name = fresh_name({instance.name for instance in tx.instances.list()}.__contains__)
    check_instance_name(name)
    source = request.source
    if isinstance(source, FromLocalImage):
        image = _local_image(depot, source)
        source = FromLocalImage(image.fingerprint.value, {})
    return replace(request, name=name, source=source)


def _local_image(depot: Depot, source: FromLocalImage) -> Image:
    if source.reference:
        return find_image(depot.catalog, source.reference)
    with depot.catalog.read() as tx:
        matches = [
            image
            for image in tx.images.list()
            if all(image.properties.get(key) == value for key, value in source.properties.items())
        ]
    if not matches:
        raise NotFound("image", message="No matching image could be found")
    return max(matches, key=lambda image: image.created_at)


def create_instance(depot: Depot, request: InstanceRequest, running: Running) -> Instance:
    """Create what :func:`prepare` accepted; on a failure nothing is left behind.

    Raises:
        AlreadyExists, NotFound, InvalidRequest, StorageFailed, NoSpace, RemoteError: one reason, in LXD's words.
    """
    match request.source:
        case FromLocalImage(reference):
            return _from_image(depot, request, find_image(depot.catalog, reference), running)
        case FromRemoteImage() as remote:
            return _from_image(depot, request, _remote_image(depot, remote, running), running)
        case FromInstance(source, instance_only, refresh):
            if refresh and (earlier := refresh_instance(depot, request.name, source, instance_only=instance_only)):
                return earlier
            return copy_instance(depot, request, source, instance_only=instance_only)
        case FromNothing():
            instance = _record(depot, request, native(), {}, ("default",))
            return _make(depot, instance, None, b"", {}, settled=not request.start)


def _remote_image(depot: Depot, source: FromRemoteImage, running: Running) -> Image:
    reference = RemoteReference(source.server, source.protocol, source.reference, source.certificate, source.secret)
    auto_update = Settings(depot.catalog).flag("images.auto_update_cached")
    wishes = ImageWishes(cached=True, auto_update=auto_update, adopt=True)
    return download_image(depot, reference, wishes, running, prefer_cached=True)


def _from_image(depot: Depot, request: InstanceRequest, image: Image, running: Running) -> Instance:
    if image.type is not ImageType.CONTAINER:
        raise InvalidRequest(f'Requested image\'s type "{image.type.value}" doesn\'t match instance type "container"')
    if image.architecture not in runnable():
        raise InvalidRequest(
            f"The image's architecture {image.architecture} can't run here: this machine runs {', '.join(runnable())}"
        )
    config = {f"image.{key}": value for key, value in image.properties.items()}
    config["volatile.base_image"] = image.fingerprint.value
    instance = _record(depot, request, image.architecture, config, image.profiles)
    with depot.image_locks.hold(image.fingerprint.value):
        driver = depot.pools.of(instance)
        ensure_tree(depot, driver, image, running)
        if driver.shares_images:
            instance = replace(instance, config={**instance.config, BASE_BLOB: rootfs_file(image).sha256})
        with depot.catalog.read() as tx:
            files = tx.images.metadata_yaml(image.fingerprint), tx.images.templates(image.fingerprint)
        return _make(depot, instance, image.fingerprint, *files, settled=not request.start)


def _record(
    depot: Depot,
    request: InstanceRequest,
    architecture: str,
    config: Mapping[str, str],
    default_profiles: tuple[str, ...],
) -> Instance:
    names = request.profiles if request.profiles is not None else default_profiles
    with depot.catalog.read() as tx:
        profiles = load_profiles(tx, names)
    devices = expand_devices(profiles, without_empty(request.devices))
    check_devices(devices)
    pool = root_pool(devices)
    if not pool:
        raise InvalidRequest(
            "No root device could be found",
            hint="give the default profile a root disk: lxc profile device add default root disk path=/ pool=POOL",
        )
    try:
        depot.pools.get(pool)
    except NotFound:
        raise NotFound(
            "storage pool", pool, message=f'Failed loading storage pool "{pool}": Storage pool not found'
        ) from None
    return Instance(
        name=request.name,
        architecture=architecture,
        pool=pool,
        created_at=depot.clock(),
        config={
            **config,
            **{key: value for key, value in request.config.items() if value},
            **card_settings(devices, request.config),
            **new_id(),
            "volatile.apply_template": "create",
            "volatile.uuid": str(uuid.uuid4()),
            "volatile.last_state.power": "STOPPED",
            "volatile.idmap.base": "0",
        },
        devices=without_empty(request.devices),
        profiles=names,
        ephemeral=request.ephemeral,
        description=request.description,
    )


def _make(
    depot: Depot,
    instance: Instance,
    image: Fingerprint | None,
    metadata_yaml: bytes,
    templates: Mapping[str, bytes],
    *,
    settled: bool,
) -> Instance:
    """Record and volume together: the record first (it takes the name), the volume after, neither on a failure.

    Not ``settled``, the volume has yet to reach the disk: the start that follows waits for that, while liblxc works.
    """
    name = instance.name
    with depot.instance_locks.hold(name):
        with depot.catalog.write() as tx:
            add_record(tx, instance, metadata_yaml, templates)
            if image is not None:
                tx.images.mark_used(image, depot.clock())
        driver = depot.pools.of(instance)
        try:
            driver.create_volume(name, image.value if image else None)
            try:
                if settled:
                    driver.settle(name)
            except BaseException:
                driver.delete_volume(name)
                raise
        except BaseException:
            with depot.catalog.write() as tx:
                remove_record(tx, instance)
            raise
    depot.events.lifecycle("instance-created", f"/1.0/instances/{name}", {"type": "container"})
    return instance
