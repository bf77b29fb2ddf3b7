"""A system container, as the catalog knows it and as the runtime sees it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from types import MappingProxyType

from azekura.model.image import NEVER

_NO_CONFIG: Mapping[str, str] = MappingProxyType({})
_NO_DEVICES: Mapping[str, Mapping[str, str]] = MappingProxyType({})


class InstanceStatus(StrEnum):
    """LXD's words; ``code`` is LXD's status code."""

    STOPPED = "Stopped"
    RUNNING = "Running"
    STARTING = "Starting"
    STOPPING = "Stopping"
    FROZEN = "Frozen"
    ERROR = "Error"

    @property
    def code(self) -> int:
        return {
            "Stopped": 102,
            "Running": 103,
            "Starting": 106,
            "Stopping": 107,
            "Frozen": 110,
            "Error": 112,
        }[self.value]


@dataclass(frozen=True, slots=True)
class Profile:
    """Configuration and devices that instances share."""

    name: str
    description: str = ""
    config: Mapping[str, str] = field(default_factory=lambda: _NO_CONFIG)
    devices: Mapping[str, Mapping[str, str]] = field(default_factory=lambda: _NO_DEVICES)


@dataclass(frozen=True, slots=True)
class Instance:
    """A container's record. ``config`` and ``devices`` are its own, without what profiles add."""

    name: str
    architecture: str
    pool: str
    created_at: datetime
    config: Mapping[str, str] = field(default_factory=lambda: _NO_CONFIG)
    devices: Mapping[str, Mapping[str, str]] = field(default_factory=lambda: _NO_DEVICES)
    profiles: tuple[str, ...] = ("default",)
    ephemeral: bool = False
    description: str = ""
    last_used_at: datetime = NEVER


@dataclass(frozen=True, slots=True)
class Snapshot:
    """``name`` without the instance's; ``instance`` is the record as it was then, under the name it has today."""

    name: str
    instance: Instance
    created_at: datetime
    expires_at: datetime = NEVER
    stateful: bool = False


@dataclass(frozen=True, slots=True)
class StoragePool:
    """A place for root file systems. ``driver``: overlay, btrfs or dir."""

    name: str
    driver: str
    config: Mapping[str, str] = field(default_factory=lambda: _NO_CONFIG)
    description: str = ""


def expand_config(profiles: list[Profile], own: Mapping[str, str]) -> dict[str, str]:
    """Profiles in order, later ones win, the instance's own keys last."""
    merged: dict[str, str] = {}
    for profile in profiles:
        merged.update(profile.config)
    merged.update(own)
    return merged


def expand_devices(profiles: list[Profile], own: Mapping[str, Mapping[str, str]]) -> dict[str, dict[str, str]]:
    """As :func:`expand_config`, a whole device at a time; ``type: none`` of the instance hides a profile's device."""
    merged: dict[str, dict[str, str]] = {}
    for profile in profiles:
        merged.update({name: dict(device) for name, device in profile.devices.items()})
    merged.update({name: dict(device) for name, device in own.items()})
    return merged
