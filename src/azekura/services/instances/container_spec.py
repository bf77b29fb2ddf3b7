"""What the runtime is told of an instance: its record and devices in the runtime's terms."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from azekura.model.architecture import native
from azekura.model.instance import Instance
from azekura.runtime.port import ContainerSpec
from azekura.services.instances.config_keys import KERNEL_LIMIT, SYSCTL, prefixed, runtime_limits, runtime_mounts
from azekura.services.instances.id_maps import ID_COUNT
from azekura.services.instances.network_cards import runtime_nics
from azekura.services.instances.unix_devices import unix_mounts
from azekura.services.settings import truth
from azekura.storage.port import IdMap, Kind, MountedRootfs


def container_spec(
    instance: Instance,
    config: Mapping[str, str],
    devices: Mapping[str, Mapping[str, str]],
    mounted: MountedRootfs,
    idmap: IdMap | None,
    *,
    logs: Path,
    nodes: Path,
) -> ContainerSpec:
    """``config`` and ``devices`` are the expanded ones. ``logs`` is the folder of its logs, ``nodes`` that in which its
    device nodes are made.

    Raises:
        InvalidRequest: a device that can't be.
    """
    return ContainerSpec(
        name=instance.name,
        rootfs=mounted.path,
        console_log=logs / "console.log",
        log=logs / "lxc.log",
        idmap_base=idmap.base if idmap else None,
        idmap_count=idmap.count if idmap else ID_COUNT,
        idmap_lines=_lines(idmap),
        liblxc_idmaps_rootfs=mounted.liblxc_idmaps,
        nesting=truth(config.get("security.nesting", "false")),
        environment=prefixed(config, "environment."),
        kernel_limits=prefixed(config, KERNEL_LIMIT),
        sysctls=prefixed(config, SYSCTL),
        filters_calls=truth(config.get("security.syscalls.deny_default", "true")),
        limits=runtime_limits(config),
        nics=runtime_nics(devices, config),
        extra_mounts=(
            *runtime_mounts(devices),
            *unix_mounts(nodes, devices, idmap.outer("u", 0) if idmap else 0),
        ),
        personality=instance.architecture if instance.architecture != native() else None,
        raw_lxc=config.get("raw.lxc", ""),
    )


def _lines(idmap: IdMap | None) -> tuple[tuple[str, int, int, int], ...]:
    """The map as liblxc takes it, where it has more than one range."""
    if idmap is None or not idmap.direct:
        return ()
    kinds: tuple[Kind, Kind] = ("u", "g")
    return tuple((kind, *line) for kind in kinds for line in idmap.lines(kind))
