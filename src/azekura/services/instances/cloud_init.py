"""``volatile.cloud-init.instance-id``: by its change cloud-init notices that it should run again.

It changes with what cloud-init is given, with the names of the network cards, and with the instance's own name, as
in LXD.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping

ID_KEY = "volatile.cloud-init.instance-id"
_GIVEN = ("vendor-data", "user-data", "network-config", "meta-data")
_KEYS = tuple(f"{prefix}.{name}" for prefix in ("cloud-init", "user") for name in _GIVEN)

Devices = Mapping[str, Mapping[str, str]]


def new_id() -> dict[str, str]:
    """A fresh one, as configuration."""
    return {ID_KEY: str(uuid.uuid4())}


def runs_again(
    config: Mapping[str, str], devices: Devices, config_before: Mapping[str, str], devices_before: Devices
) -> bool:
    """Whether a change (of expanded configuration and devices) is one that cloud-init should notice."""
    if any(config.get(key, "") != config_before.get(key, "") for key in _KEYS):
        return True
    return _cards(devices) != _cards(devices_before)


def _cards(devices: Devices) -> list[str]:
    return sorted(device.get("name") or name for name, device in devices.items() if device.get("type") == "nic")
