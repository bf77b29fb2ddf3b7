"""What this machine is: the environment and resources that the API shows."""

from __future__ import annotations

import functools
import os
import platform
import socket
from pathlib import Path
from typing import Any

from azekura import LXD_VERSION
from azekura.model.architecture import runnable
from azekura.services.depot import Depot
from azekura.services.settings import Settings


@functools.cache
def os_release() -> dict[str, str]:
    """The fields of /etc/os-release."""
    fields: dict[str, str] = {}
    for path in (Path("/etc/os-release"), Path("/usr/lib/os-release")):
        if path.is_file():
            for line in path.read_text(errors="replace").splitlines():
                key, equals, value = line.partition("=")
                if equals:
                    fields[key.strip()] = value.strip().strip('"')
            break
    return fields


def user_agent() -> str:
    """What we call ourselves to other servers, in LXD's form."""
    names = os_release()
    return (
        f"LXD {LXD_VERSION} (Linux; {platform.machine()}; {platform.release()}; "
        f"{names.get('NAME', 'Linux')}; {names.get('VERSION_ID', '')})"
    )


def server_name(settings: Settings) -> str:
    return settings.get("core.server_name") or socket.gethostname()


def environment(depot: Depot, *, addresses: list[str], certificate: str, fingerprint: str) -> dict[str, Any]:
    """The ``environment`` of ``GET /1.0``."""
    names = os_release()
    pools = depot.pools.list()
    settings = Settings(depot.catalog)
    return {
        "addresses": addresses,
        "architectures": list(runnable()),
        "certificate": certificate,
        "certificate_fingerprint": fingerprint,
        "driver": "lxc" if depot.host is not None else "",
        "driver_version": depot.host.version if depot.host is not None else "",
        "firewall": "",
        "kernel": platform.system(),
        "kernel_architecture": platform.machine(),
        "kernel_features": {},
        "kernel_version": platform.release(),
        "lxc_features": {},
        "os_name": names.get("NAME", ""),
        "os_version": names.get("VERSION_ID", ""),
        "project": "default",
        "server": "azekura",
        "server_clustered": False,
        "server_event_mode": "full-mesh",
        "server_name": server_name(settings),
        "server_pid": os.getpid(),
        "server_version": LXD_VERSION,
        "storage": " | ".join(sorted({pool.driver for pool in pools})),
        "storage_version": " | ".join("1" for _ in {pool.driver for pool in pools}),
        "storage_supported_drivers": [
            {"Name": name, "Version": "1", "Remote": False} for name in ("btrfs", "dir", "overlay")
        ],
    }


def _cpuinfo() -> tuple[str, str]:
    vendor = name = ""
    for line in Path("/proc/cpuinfo").read_text(errors="replace").splitlines():
        key, _, value = line.partition(":")
        if key.strip() == "vendor_id" and not vendor:
            vendor = value.strip()
        if key.strip() == "model name" and not name:
            name = value.strip()
    return vendor, name


def resources() -> dict[str, Any]:
    """``GET /1.0/resources``: processors and memory; devices are not this server's business and stay empty."""
    fields: dict[str, int] = {}
    for line in Path("/proc/meminfo").read_text().splitlines():
        key, _, value = line.partition(":")
        fields[key] = int(value.split()[0]) * 1024
    total, available = fields.get("MemTotal", 0), fields.get("MemAvailable", 0)
    vendor, name = _cpuinfo()
    count = os.cpu_count() or 1
    cores = [
        {
            "core": number,
            "die": 0,
            "threads": [{"id": number, "isolated": False, "numa_node": 0, "online": True, "thread": 0}],
        }
        for number in range(count)
    ]
    return {
        "cpu": {
            "architecture": platform.machine(),
            "sockets": [{"cores": cores, "name": name, "socket": 0, "vendor": vendor}],
            "total": count,
        },
        "memory": {
            "hugepages_size": fields.get("Hugepagesize", 0),
            "hugepages_total": 0,
            "hugepages_used": 0,
            "nodes": [
                {
                    "hugepages_total": 0,
                    "hugepages_used": 0,
                    "numa_node": 0,
                    "total": total,
                    "used": total - available,
                }
            ],
            "total": total,
            "used": total - available,
        },
        "gpu": {"cards": [], "total": 0},
        "network": {"cards": [], "total": 0},
        "storage": {"disks": [], "total": 0},
        "usb": {"devices": [], "total": 0},
        "pci": {"devices": [], "total": 0},
        "system": {
            "uuid": "",
            "vendor": "",
            "product": "",
            "family": "",
            "version": "",
            "sku": "",
            "serial": "",
            "type": "",
        },
    }
