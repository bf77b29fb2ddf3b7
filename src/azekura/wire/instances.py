"""Instances, profiles and pools in LXD's JSON (``shared/api/instance.go`` and its siblings)."""

from __future__ import annotations

from typing import Any

from azekura.model.image import NEVER
from azekura.model.instance import (
    Instance,
    InstanceStatus,
    Profile,
    StoragePool,
    expand_config,
    expand_devices,
)
from azekura.wire.etag import etag_of
from azekura.wire.times import format_time


def _sorted(mapping: Any) -> dict[str, Any]:
    return dict(sorted(mapping.items()))


def instance_to_json(instance: Instance, profiles: list[Profile], status: InstanceStatus) -> dict[str, Any]:
    """The API's view of an instance. ``profiles`` are the instance's own, in their order."""
    return {
        "architecture": instance.architecture,
        "config": _sorted(instance.config),
        "devices": {name: _sorted(device) for name, device in sorted(instance.devices.items())},
        "ephemeral": instance.ephemeral,
        "profiles": list(instance.profiles),
        "stateful": False,
        "description": instance.description,
        "created_at": format_time(instance.created_at),
        "expanded_config": _sorted(expand_config(profiles, instance.config)),
        "expanded_devices": {
            name: _sorted(device) for name, device in sorted(expand_devices(profiles, instance.devices).items())
        },
        "name": instance.name,
        "status": status.value,
        "status_code": status.code,
        "last_used_at": "1970-01-01T00:00:00Z"
        if instance.last_used_at == NEVER
        else format_time(instance.last_used_at),
        "location": "none",
        "type": "container",
        "project": "default",
    }


def instance_etag(instance: Instance) -> str:
    return etag_of(
        [
            instance.architecture,
            dict(instance.config),
            {name: dict(device) for name, device in instance.devices.items()},
            instance.ephemeral,
            list(instance.profiles),
        ]
    )


def profile_to_json(profile: Profile, used_by: list[str]) -> dict[str, Any]:
    """The API's view of a profile; ``used_by`` are instance names."""
    return {
        "config": _sorted(profile.config),
        "description": profile.description,
        "devices": {name: _sorted(device) for name, device in sorted(profile.devices.items())},
        "name": profile.name,
        "used_by": [f"/1.0/instances/{name}" for name in used_by],
    }


def profile_etag(profile: Profile) -> str:
    return etag_of([dict(profile.config), profile.description, {k: dict(v) for k, v in profile.devices.items()}])


def pool_to_json(pool: StoragePool, used_by: list[str]) -> dict[str, Any]:
    """The API's view of a pool; ``used_by`` are API paths."""
    return {
        "config": _sorted(pool.config),
        "description": pool.description,
        "name": pool.name,
        "driver": pool.driver,
        "used_by": used_by,
        "status": "Created",
        "locations": ["none"],
    }


def pool_etag(pool: StoragePool) -> str:
    return etag_of([pool.name, pool.driver, dict(pool.config)])
