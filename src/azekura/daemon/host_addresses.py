"""The addresses of this host that other machines may reach it by."""

from __future__ import annotations

import contextlib
import fcntl
import ipaddress
import socket
import struct
from pathlib import Path

_SIOCGIFADDR = 0x8915


def host_addresses() -> list[str]:
    """IPv4 first, then global IPv6; loopback only when there is nothing else."""
    found: list[str] = []
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        for _, name in socket.if_nameindex():
            with contextlib.suppress(OSError):
                answer = fcntl.ioctl(probe, _SIOCGIFADDR, struct.pack("256s", name[:15].encode()))
                found.append(socket.inet_ntoa(answer[20:24]))
    with contextlib.suppress(OSError):
        for line in Path("/proc/net/if_inet6").read_text().splitlines():
            address = ipaddress.IPv6Address(bytes.fromhex(line.split()[0]))
            if not address.is_loopback and not address.is_link_local:
                found.append(str(address))
    reachable = [one for one in dict.fromkeys(found) if not ipaddress.ip_address(one).is_loopback]
    return reachable or ["127.0.0.1"]
