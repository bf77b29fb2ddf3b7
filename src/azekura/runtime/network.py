"""Interfaces and addresses of a container, read by netlink from its own network namespace.

A short-lived thread enters the namespace through a pidfd and dies there, so no thread of ours can ever be left in a
container's network. Layouts: rtnetlink(7), linux/if_link.h, linux/if_addr.h.
"""

from __future__ import annotations

import ctypes
import ipaddress
import os
import socket
import struct
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from azekura.errors import RuntimeFailed

CLONE_NEWNET = 0x40000000

_NLMSG_ERROR, _NLMSG_DONE = 2, 3
_RTM_NEWLINK, _RTM_GETLINK, _RTM_NEWADDR, _RTM_GETADDR = 16, 18, 20, 22
_NLM_F_REQUEST, _NLM_F_DUMP = 0x001, 0x300
_IFLA_ADDRESS, _IFLA_IFNAME, _IFLA_MTU, _IFLA_LINK, _IFLA_LINKINFO, _IFLA_STATS64 = 1, 3, 4, 5, 18, 23
_IFLA_INFO_KIND = 1
_IFA_ADDRESS, _IFA_LOCAL = 1, 2
_IFF_UP, _IFF_BROADCAST, _IFF_LOOPBACK, _IFF_POINTOPOINT = 0x1, 0x2, 0x8, 0x10
_NLA_TYPE_MASK = 0x3FFF

_libc = ctypes.CDLL(None, use_errno=True)


@dataclass(frozen=True, slots=True)
class Address:
    """``netmask`` is the length of the prefix; ``scope`` is LXD's: local, link or global."""

    family: Literal["inet", "inet6"]
    address: str
    netmask: str
    scope: Literal["local", "link", "global"]


@dataclass(frozen=True, slots=True)
class Counters:
    """Since the interface was made."""

    bytes_received: int = 0
    bytes_sent: int = 0
    packets_received: int = 0
    packets_sent: int = 0
    errors_received: int = 0
    errors_sent: int = 0
    packets_dropped_inbound: int = 0
    packets_dropped_outbound: int = 0


@dataclass(frozen=True, slots=True)
class Interface:
    """One interface. ``host_name`` is the outer end of a veth, empty where there is none; ``state`` and ``type`` are
    LXD's words."""

    name: str
    host_name: str
    hwaddr: str
    mtu: int
    state: Literal["up", "down"]
    type: Literal["loopback", "broadcast", "point-to-point", "unknown"]
    addresses: tuple[Address, ...] = ()
    counters: Counters = Counters()


def read_interfaces(pidfd: int) -> tuple[Interface, ...]:
    """The interfaces in the network namespace of the process behind ``pidfd``, in the kernel's order.

    Raises:
        RuntimeFailed: the namespace couldn't be entered (the process has just ended).
    """
    result: list[tuple[list[bytes], list[bytes]]] = []
    failure: list[OSError] = []

    def inside() -> None:
        try:
            if _libc.setns(pidfd, CLONE_NEWNET) != 0:
                number = ctypes.get_errno()
                raise OSError(number, os.strerror(number))
            with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, socket.NETLINK_ROUTE) as link:
                link.settimeout(2)
                result.append((_dump(link, _RTM_GETLINK, _RTM_NEWLINK), _dump(link, _RTM_GETADDR, _RTM_NEWADDR)))
        except OSError as exc:
            failure.append(exc)

    thread = threading.Thread(target=inside, name="azekura-netns", daemon=True)
    thread.start()
    thread.join()
    if failure:
        raise RuntimeFailed(f"The container's network couldn't be read: {failure[0].strerror}") from failure[0]
    links, addresses = result[0]
    return _interfaces(links, addresses)


def _dump(link: socket.socket, request: int, wanted: int) -> list[bytes]:
    link.send(struct.pack("=IHHII", 17, request, _NLM_F_REQUEST | _NLM_F_DUMP, request, 0) + b"\0")
    found: list[bytes] = []
    while True:
        data = link.recv(1 << 17)
        offset = 0
        while offset + 16 <= len(data):
            length, kind, _flags, _sequence, _port = struct.unpack_from("=IHHII", data, offset)
            if kind == _NLMSG_DONE or length < 16:
                return found
            if kind == _NLMSG_ERROR:
                number = -struct.unpack_from("=i", data, offset + 16)[0]
                raise OSError(number, os.strerror(number))
            if kind == wanted:
                found.append(data[offset + 16 : offset + length])
            offset += (length + 3) & ~3


def _attributes(data: bytes, offset: int) -> Iterator[tuple[int, bytes]]:
    while offset + 4 <= len(data):
        length, kind = struct.unpack_from("=HH", data, offset)
        if length < 4:
            return
        yield kind & _NLA_TYPE_MASK, data[offset + 4 : offset + length]
        offset += (length + 3) & ~3


def _interfaces(links: list[bytes], addresses: list[bytes]) -> tuple[Interface, ...]:
    by_index: dict[int, list[Address]] = {}
    for message in addresses:
        index, address = _address(message)
        if address:
            by_index.setdefault(index, []).append(address)
    return tuple(_interface(message, by_index) for message in links)


def _address(message: bytes) -> tuple[int, Address | None]:
    family, prefix, _flags, _scope, index = struct.unpack_from("=BBBBI", message)
    fields = dict(_attributes(message, 8))
    raw = fields.get(_IFA_LOCAL) or fields.get(_IFA_ADDRESS)
    if family not in (socket.AF_INET, socket.AF_INET6) or not raw:
        return index, None
    value = ipaddress.ip_address(raw)
    scope: Literal["local", "link", "global"] = "global"
    if value.is_loopback:
        scope = "local"
    elif value.is_link_local:
        scope = "link"
    return index, Address("inet" if family == socket.AF_INET else "inet6", str(value), str(prefix), scope)


def _interface(message: bytes, addresses: dict[int, list[Address]]) -> Interface:
    _family, _kind, index, flags = struct.unpack_from("=BxHiI", message)
    fields = dict(_attributes(message, 16))
    kind = dict(_attributes(fields.get(_IFLA_LINKINFO, b""), 0)).get(_IFLA_INFO_KIND, b"").rstrip(b"\0")
    host_name = ""
    if kind == b"veth" and _IFLA_LINK in fields:
        try:  # the index counts in the host's namespace, which is ours
            host_name = socket.if_indextoname(struct.unpack("=i", fields[_IFLA_LINK][:4])[0])
        except OSError:
            host_name = ""
    hwaddr = fields.get(_IFLA_ADDRESS, b"")
    return Interface(
        name=fields.get(_IFLA_IFNAME, b"").rstrip(b"\0").decode(errors="replace"),
        host_name=host_name,
        hwaddr=hwaddr.hex(":") if any(hwaddr) else "",
        mtu=struct.unpack("=I", fields[_IFLA_MTU][:4])[0] if _IFLA_MTU in fields else 0,
        state="up" if flags & _IFF_UP else "down",
        type=_type(flags),
        addresses=tuple(addresses.get(index, ())),
        counters=_counters(fields.get(_IFLA_STATS64, b"")),
    )


def _type(flags: int) -> Literal["loopback", "broadcast", "point-to-point", "unknown"]:
    if flags & _IFF_LOOPBACK:
        return "loopback"
    if flags & _IFF_BROADCAST:
        return "broadcast"
    return "point-to-point" if flags & _IFF_POINTOPOINT else "unknown"


def _counters(raw: bytes) -> Counters:
    if len(raw) < 64:
        return Counters()
    received, sent, bytes_in, bytes_out, errors_in, errors_out, dropped_in, dropped_out = struct.unpack_from("=8Q", raw)
    return Counters(bytes_in, bytes_out, received, sent, errors_in, errors_out, dropped_in, dropped_out)
