"""Changing an instance's record: PUT, PATCH, rename, and its own copy of metadata and templates."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from azekura.errors import AzekuraError, InvalidRequest, NotFound, StaleETag
from azekura.formats.metadata_yaml import parse_metadata
from azekura.model.instance import Instance, expand_config, expand_devices
from azekura.model.reference import check_instance_name
from azekura.services.depot import Depot
from azekura.services.instances.cloud_init import new_id, runs_again
from azekura.services.instances.config_keys import check_config, check_devices, without_empty
from azekura.services.instances.lifecycle import Lifecycle
from azekura.services.instances.live import apply_devices, apply_limits, new_host_names
from azekura.services.instances.network_cards import card_settings, without_removed
from azekura.services.instances.profiles import load_profiles
from azekura.services.pools import root_pool
from azekura.templates import check as check_template
from azekura.wire.etag import etag_matches
from azekura.wire.fields import Body
from azekura.wire.instances import instance_etag

_FIXED = ("volatile.base_image", "volatile.base_blob", "volatile.uuid", "volatile.idmap.running")


def _change(
    depot: Depot, lifecycle: Lifecycle, name: str, change: Callable[[Instance], Instance], if_match: str | None
) -> None:
    with depot.instance_locks.hold(name):
        with depot.catalog.write() as tx:
            instance = tx.instances.get(name)
            if if_match and not etag_matches(if_match, instance_etag(instance)):
                raise StaleETag(f"ETag doesn't match: {instance_etag(instance)} vs {if_match.strip().strip(chr(34))}")
            changed = change(instance)
            config = dict(changed.config)
            for key in _FIXED:  # what ties the instance to its image is not the client's to change
                if key in instance.config:
                    config[key] = instance.config[key]
            changed = replace(
                changed,
                config={key: value for key, value in config.items() if value},
                devices=without_empty(changed.devices),
            )
            check_config(changed.config)
            if changed.config.get("raw.lxc", "") != instance.config.get("raw.lxc", "") and depot.host is not None:
                depot.host.check_raw(changed.config.get("raw.lxc", ""))
            profiles = load_profiles(tx, changed.profiles)
            devices = expand_devices(profiles, changed.devices)
            check_devices(devices)
            pool = root_pool(devices)
            if pool != instance.pool:
                raise InvalidRequest(
                    "Cannot update root disk device pool name"
                    if pool
                    else "Invalid devices: No root device could be found"
                )
            profiles_before = load_profiles(tx, instance.profiles)
            before = expand_config(profiles_before, instance.config), expand_devices(profiles_before, instance.devices)
            changed = replace(changed, config=_with_cards(changed.config, before[1], devices))
            running = lifecycle.is_running(name)
            if running:
                changed = replace(changed, config={**changed.config, **new_host_names(before[1], devices)})
            config = expand_config(profiles, changed.config)
            if runs_again(config, devices, *before):
                changed = replace(changed, config={**changed.config, **new_id()})
            tx.instances.replace(changed)
        if running:
            try:
                apply_limits(depot.runtime(), name, before[0], config)
                apply_devices(depot, name, before[1], devices, {**before[0], **config})
            except AzekuraError:
                with depot.catalog.write() as tx:
                    tx.instances.replace(instance)
                raise
    depot.events.lifecycle("instance-updated", f"/1.0/instances/{name}")


def _with_cards(
    config: Mapping[str, str], before: Mapping[str, Mapping[str, str]], devices: Mapping[str, Mapping[str, str]]
) -> dict[str, str]:
    """``config`` with what new network cards need, without what was made up for removed ones."""
    kept = without_removed(config, before, devices)
    return {**kept, **card_settings(devices, kept)}


def put_instance(depot: Depot, lifecycle: Lifecycle, name: str, raw: Any, if_match: str | None = None) -> None:
    """Replace configuration, devices, profiles, ephemeral and description.

    Raises:
        NotFound, InvalidRequest, StaleETag, RuntimeFailed.
    """
    body = Body(raw, "instance")
    _change(
        depot,
        lifecycle,
        name,
        lambda instance: replace(
            instance,
            config=body.mapping("config"),
            devices=body.devices("devices"),
            profiles=body.texts("profiles"),  # none given is none, as in LXD; only creating has a default
            ephemeral=body.flag("ephemeral"),
            description=body.text("description"),
        ),
        if_match,
    )


def patch_instance(depot: Depot, lifecycle: Lifecycle, name: str, raw: Any, if_match: str | None = None) -> None:
    """Merge what is given; an empty value removes a key.

    Raises: as :func:`put_instance`.
    """
    body = Body(raw, "instance")

    def merge(instance: Instance) -> Instance:
        devices: dict[str, Mapping[str, str]] = {**instance.devices, **body.devices("devices")}
        return replace(
            instance,
            config={**instance.config, **body.mapping("config")},
            devices=devices,
            profiles=body.texts("profiles") if body.has("profiles") else instance.profiles,
            ephemeral=body.flag("ephemeral", instance.ephemeral),
            description=body.text("description", instance.description),
        )

    _change(depot, lifecycle, name, merge, if_match)


def rename_instance(depot: Depot, lifecycle: Lifecycle, name: str, new: str) -> None:
    """Give a stopped instance another name.

    Raises:
        NotFound, AlreadyExists.
        InvalidRequest: a bad name, or it is running, in LXD's words.
    """
    check_instance_name(new)
    first, second = sorted((name, new))
    with depot.instance_locks.hold(first), depot.instance_locks.hold(second):
        if lifecycle.is_running(name):
            raise InvalidRequest("Renaming of running instance not allowed")
        with depot.catalog.write() as tx:
            instance = tx.instances.get(name)
            tx.instances.rename(name, new)
            renamed = tx.instances.get(new)
            config = dict(renamed.config)
            config.setdefault("volatile.apply_template", "rename")
            config.update(new_id())
            tx.instances.replace(replace(renamed, config=config))
            blob = config.get("volatile.base_blob")
            if blob:
                tx.blobs.add_reference(blob, "instance", new)
                tx.blobs.drop_reference(blob, "instance", name)
            depot.pools.of(instance).rename_volume(name, new)
        if lifecycle.log_folder(name).is_dir() and not lifecycle.log_folder(new).exists():
            lifecycle.log_folder(name).rename(lifecycle.log_folder(new))
        if depot.host is not None:
            depot.host.forget(name)
    depot.events.lifecycle("instance-renamed", f"/1.0/instances/{new}", {"old_name": name})


def read_files(depot: Depot, name: str) -> tuple[bytes, dict[str, bytes]]:
    """The container's own metadata.yaml and templates.

    Raises:
        NotFound: no such instance.
    """
    with depot.catalog.read() as tx:
        metadata_yaml, templates = tx.instances.get_files(name)
        return metadata_yaml, dict(templates)


def write_metadata(depot: Depot, name: str, metadata_yaml: bytes) -> None:
    """Raises:
    InvalidRequest: what can't be a metadata.yaml.
    NotFound: no such instance.
    """
    parse_metadata(metadata_yaml)
    with depot.catalog.write() as tx:
        _, templates = tx.instances.get_files(name)
        tx.instances.set_files(name, metadata_yaml, templates)


def write_template(depot: Depot, name: str, template: str, content: bytes) -> None:
    """Add or replace a template. It is checked at once rather than at the next start.

    Raises:
        InvalidRequest: a bad file name, or a mistake in the template.
        NotFound: no such instance.
    """
    if not template:
        raise InvalidRequest("missing path argument")
    if "/" in template or template in (".", "..") or not template.isprintable():
        raise InvalidRequest("Invalid template filename")
    check_template(template, content)
    with depot.catalog.write() as tx:
        metadata_yaml, templates = tx.instances.get_files(name)
        tx.instances.set_files(name, metadata_yaml, {**templates, template: content})


def delete_template(depot: Depot, name: str, template: str) -> None:
    """Raises:
    NotFound: no such instance or template, in LXD's words.
    """
    with depot.catalog.write() as tx:
        metadata_yaml, templates = tx.instances.get_files(name)
        if template not in templates:
            raise NotFound("template", template, message=f'Template "{template}" not found')
        tx.instances.set_files(name, metadata_yaml, {key: value for key, value in templates.items() if key != template})
