"""Network cards among an instance's devices: which are offered, what their keys must say, and what is made up for them.

Keys and words are LXD's (``lxd/device/nic_*.go``). Offered are those that need nothing but the host's own interfaces:
``bridged`` and ``p2p`` (a veth pair), ``macvlan`` and ``physical``.
"""

from __future__ import annotations

import ipaddress
import re
import secrets
from collections.abc import Mapping

from azekura.runtime.port import Nic, NicKind

_INTERFACE = re.compile(r"(?!\.{1,2}$)[^\s/:\x00]{1,15}")
_HWADDR = re.compile(r"[0-9a-fA-F]{2}(:[0-9a-fA-F]{2}){5}", re.ASCII)
_KINDS: Mapping[str, NicKind] = {"bridged": "veth", "p2p": "veth", "macvlan": "macvlan", "physical": "phys"}
_ANY_KIND = frozenset({"type", "nictype", "name", "hwaddr", "mtu", "parent", "boot.priority"})
_VETH = frozenset({"host_name", "ipv4.routes", "ipv6.routes", "queue.tx.length"})
_KEYS: Mapping[str, frozenset[str]] = {
    "bridged": _ANY_KIND | _VETH | {"network"},
    "p2p": (_ANY_KIND | _VETH) - {"parent"},
    "macvlan": _ANY_KIND | {"network"},
    "physical": _ANY_KIND | {"network"},
}
_OWN_PREFIX = "00:16:3e"  # Xen's, which LXD uses too: fixed for virtual cards

Devices = Mapping[str, Mapping[str, str]]


def nic_fault(device: Mapping[str, str]) -> str:
    """What is wrong with a network card; empty when nothing is."""
    kind = device.get("nictype", "bridged")
    if kind not in _KINDS:
        return f'Unsupported device type: network cards here are {", ".join(sorted(_KINDS))}, not "{kind[:40]}"'
    for key in device:
        if key not in _KEYS[kind] and not key.startswith("user."):
            return f'Invalid device option "{key[:80]}"'
    if kind != "p2p" and not (device.get("parent") or device.get("network")):
        return 'Missing required option "parent"' if device.get("nictype") else 'Requires name property or "nictype"'
    for key in ("name", "parent", "network", "host_name"):
        if device.get(key) and not _INTERFACE.fullmatch(device[key]):
            return f'Invalid value for device option "{key}": Not the name of a network interface: {device[key][:40]}'
    if device.get("hwaddr") and not _HWADDR.fullmatch(device["hwaddr"]):
        return f'Invalid value for device option "hwaddr": Invalid MAC address {device["hwaddr"][:40]}'
    mtu = device.get("mtu", "")
    if mtu and not (mtu.isdecimal() and 68 <= int(mtu[:9]) <= 65535):
        return f'Invalid value for device option "mtu": Invalid MTU {mtu[:40]}'
    return _routes_fault(device)


def _routes_fault(device: Mapping[str, str]) -> str:
    for key, version in (("ipv4.routes", 4), ("ipv6.routes", 6)):
        for route in _listed(device.get(key, "")):
            try:
                right = ipaddress.ip_network(route).version == version
            except ValueError:
                right = False
            if not right:
                return f'Invalid value for device option "{key}": Not an IPv{version} network: {route[:60]}'
    return ""


def _listed(text: str) -> list[str]:
    return [part.strip() for part in text.split(",") if part.strip()]


def card_settings(devices: Devices, config: Mapping[str, str]) -> dict[str, str]:
    """What a network card among expanded ``devices`` needs and neither it nor ``config`` says: an address of its own
    (kept for good, so that the container is the same machine to its network), and a name inside."""
    made: dict[str, str] = {}
    for name, device in _cards(devices):
        if device.get("nictype") != "physical" and not (
            device.get("hwaddr") or config.get(f"volatile.{name}.hwaddr", "")
        ):
            made[f"volatile.{name}.hwaddr"] = ":".join(
                [_OWN_PREFIX, *(f"{byte:02x}" for byte in secrets.token_bytes(3))]
            )
        if not (device.get("name") or config.get(f"volatile.{name}.name", "")):
            made[f"volatile.{name}.name"] = _free_name(devices, {**config, **made})
    return made


def _free_name(devices: Devices, config: Mapping[str, str]) -> str:
    taken = {device.get("name") or config.get(f"volatile.{name}.name", "") for name, device in _cards(devices)}
    number = 0
    while f"eth{number}" in taken:
        number += 1
    return f"eth{number}"


def host_names(devices: Devices) -> dict[str, str]:
    """For one run: names of the ends that stay outside, as ``volatile.*.host_name``."""
    return {
        f"volatile.{name}.host_name": device.get("host_name") or f"veth{secrets.token_hex(4)}"
        for name, device in _cards(devices)
        if _KINDS.get(device.get("nictype", "bridged")) == "veth"
    }


def without_removed(config: Mapping[str, str], before: Devices, after: Devices) -> dict[str, str]:
    """``config`` less what was made up for cards that are there no more."""
    gone = tuple(f"volatile.{name}." for name in before if name not in after)
    return {key: value for key, value in config.items() if not (gone and key.startswith(gone))}


def runtime_nics(devices: Devices, config: Mapping[str, str]) -> tuple[Nic, ...]:
    """The network cards among expanded devices, as the runtime takes them."""
    return tuple(
        Nic(
            name=device.get("name") or config.get(f"volatile.{name}.name") or name,
            bridge=device.get("parent") or device.get("network", ""),
            hwaddr=device.get("hwaddr") or config.get(f"volatile.{name}.hwaddr", ""),
            mtu=int(device["mtu"]) if device.get("mtu", "").isdigit() else None,
            kind=_KINDS.get(device.get("nictype", "bridged"), "veth"),
            host_name=config.get(f"volatile.{name}.host_name", ""),
            routes=tuple(_listed(device.get("ipv4.routes", "")) + _listed(device.get("ipv6.routes", ""))),
        )
        for name, device in _cards(devices)
    )


def _cards(devices: Devices) -> list[tuple[str, Mapping[str, str]]]:
    return [(name, device) for name, device in sorted(devices.items()) if device.get("type") == "nic"]
