"""What a change of an instance, or of a profile, means for a container that is running now."""

from __future__ import annotations

from collections.abc import Mapping

from azekura.runtime.port import BindMount, Nic, Runtime
from azekura.services.depot import Depot
from azekura.services.instances.config_keys import runtime_limits, runtime_mounts
from azekura.services.instances.id_maps import current_map
from azekura.services.instances.network_cards import host_names, runtime_nics
from azekura.services.instances.unix_devices import KINDS, node_path, unix_mounts

Devices = Mapping[str, Mapping[str, str]]


def apply_limits(runtime: Runtime, name: str, before: Mapping[str, str], after: Mapping[str, str]) -> None:
    """Put changed limits (of expanded configurations) in force.

    Raises:
        RuntimeFailed: the kernel refused one.
    """
    wanted = runtime_limits(after)
    if wanted != runtime_limits(before):
        runtime.set_limits(name, wanted)


def new_host_names(before: Devices, after: Devices) -> dict[str, str]:
    """Names for the outer ends of the cards that come or change."""
    return host_names({name: device for name, device in after.items() if before.get(name) != device})


def apply_devices(depot: Depot, name: str, before: Devices, after: Devices, config: Mapping[str, str]) -> None:
    """Take out the devices that are gone or changed, put in those that are new or changed (all expanded).

    ``config`` has what was made up for the cards of either side.

    Raises:
        InvalidRequest: a source that isn't there.
        RuntimeFailed: the kernel refused one.
    """
    runtime, nodes = depot.runtime(), depot.folder.devices / name
    idmap = current_map(config, running=True)
    root = idmap.outer("u", 0) if idmap else 0
    old = {device: before[device] for device in before if after.get(device) != before[device]}
    new = {device: after[device] for device in after if before.get(device) != after[device]}
    for mount in _mounts(old, optional=True):
        runtime.detach_mount(name, mount.target)
    for key, device in old.items():
        if device.get("type") in KINDS and (node := node_path(nodes, key, device)).exists():
            runtime.detach_mount(name, device.get("path") or device["source"])
            node.unlink()
    for nic in _cards(old, config):
        runtime.detach_nic(name, nic)
    for mount in (*_mounts(new), *unix_mounts(nodes, new, root)):
        runtime.attach_mount(name, mount)
    for nic in _cards(new, config):
        runtime.attach_nic(name, nic)


def _mounts(devices: Devices, *, optional: bool = False) -> tuple[BindMount, ...]:
    if optional:  # a source that has gone meanwhile is no reason to keep the mount
        devices = {name: {**device, "required": "false"} for name, device in devices.items()}
    return runtime_mounts(devices)


def _cards(devices: Devices, config: Mapping[str, str]) -> tuple[Nic, ...]:
    return runtime_nics(devices, config)
