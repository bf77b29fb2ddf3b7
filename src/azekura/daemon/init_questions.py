"""The questions of ``lxd init``: LXD's, in LXD's order and words, so that answers piped in by a script fit."""

from __future__ import annotations

import ipaddress
import os
import socket
import sys
from collections.abc import Callable
from getpass import getpass
from pathlib import Path
from typing import Any

import yaml

from azekura.client.server import Server
from azekura.errors import InvalidRequest, NotFound, Unsupported
from azekura.storage.probe import Support

DRIVERS = ("overlay", "btrfs", "dir")
_HTTPS_PORT = 8443


def ask_everything(server: Server, support: Support) -> dict[str, Any]:
    """The preseed that the answers make.

    What this server doesn't have (clusters, MAAS, bridges of its own) is asked about only where the answers come from
    a script: LXD asks, and the answers must not get out of step.

    Raises:
        Unsupported: the answers want what this server doesn't have.
        InvalidRequest: standard input ended before the questions did.
    """
    piped = not sys.stdin.isatty()
    profile: dict[str, Any] = {"config": {}, "description": "", "devices": {}, "name": "default"}
    preseed: dict[str, Any] = {"config": {}, "networks": [], "storage_pools": [], "profiles": [profile]}
    if piped and _yes("Would you like to use LXD clustering?", default=False):
        raise Unsupported("This server is no part of a cluster", hint="answer no")
    if _yes("Do you want to configure a new storage pool?", default=True):
        pool = _pool(server, support)
        preseed["storage_pools"].append(pool)
        profile["devices"]["root"] = {"path": "/", "pool": pool["name"], "type": "disk"}
    if piped and _yes("Would you like to connect to a MAAS server?", default=False):
        raise Unsupported("This server knows nothing of MAAS", hint="answer no")
    if piped and _yes("Would you like to create a new local network bridge?", default=False):
        raise Unsupported("This server makes no bridges", hint="answer no, and then name a bridge of the host")
    if _yes("Would you like to configure LXD to use an existing bridge or host interface?", default=False):
        profile["devices"]["eth0"] = _card()
    if _yes("Would you like the LXD server to be available over the network?", default=False):
        preseed["config"].update(_listener(piped=piped))
    if not _yes("Would you like stale cached images to be updated automatically?", default=True):
        preseed["config"]["images.auto_update_interval"] = "0"
    if _yes('Would you like a YAML "lxd init" preseed to be printed?', default=False):
        print(yaml.safe_dump(preseed, sort_keys=False))
    return preseed


def _pool(server: Server, support: Support) -> dict[str, Any]:
    for reason in support.reasons:
        print(f"  {reason}")
    while True:
        name = _text("Name of the new storage pool", "default")
        try:
            server.get(f"storage-pools/{name}")
        except NotFound:
            break
        print(f'The requested storage pool "{name}" already exists. Please choose another name.')
    best = support.best or "dir"

    def known(driver: str) -> None:
        if driver not in DRIVERS:
            raise ValueError("try again.")

    driver = _text(f"Name of the storage backend to use ({', '.join(DRIVERS)})", best, known)
    config: dict[str, str] = {}
    if driver == "btrfs":
        config = _disk()
    return {"config": config, "description": "", "name": name, "driver": driver}


def _disk() -> dict[str, str]:
    """Where a btrfs pool keeps its data."""
    if not _yes("Create a new BTRFS pool?", default=True):
        return {"source": _text("Path to the existing block device", "")}
    if _yes("Would you like to use an existing empty block device (e.g. a disk or partition)?", default=False):
        return {"source": _text("Path to the existing block device", "")}
    return {"size": _text("Size in GiB of the new loop device (1GiB minimum)", "30GiB")}


def _card() -> dict[str, str]:
    def there(name: str) -> None:
        if name not in (interface for _, interface in socket.if_nameindex()):
            raise ValueError(f'"{name}" is not a network interface of this host')

    parent = _text("Name of the existing bridge or host interface", "", there)
    bridge = Path("/sys/class/net", parent, "bridge").exists()
    return {"name": "eth0", "nictype": "bridged" if bridge else "macvlan", "parent": parent, "type": "nic"}


def _listener(*, piped: bool) -> dict[str, str]:
    def address(text: str) -> None:
        if text != "all":
            try:
                ipaddress.ip_address(text)
            except ValueError:
                raise ValueError(f'"{text}" is not an IP address') from None

    def port(text: str) -> None:
        if not text.isascii() or not text.isdigit() or not 1 <= int(text) <= 65535:
            raise ValueError("out of range")

    host = _text("Address to bind LXD to (not including port)", "all", address).replace("all", "::")
    where = f"[{host}]" if ":" in host else host
    config = {"core.https_address": f"{where}:{_text('Port to bind LXD to', str(_HTTPS_PORT), port)}"}
    if not piped:  # LXD reads it from a terminal only
        password = getpass("Trust password for new clients (empty: tokens only): ")
        if password:
            config["core.trust_password"] = password
    return config


def _yes(question: str, *, default: bool) -> bool:
    def answer(text: str) -> None:
        if text.lower() not in ("yes", "y", "no", "n"):
            raise ValueError("try again.")

    return _text(f"{question} (yes/no)", "yes" if default else "no", answer).lower() in ("yes", "y")


def _text(question: str, default: str, check: Callable[[str], None] | None = None) -> str:
    """Ask until the answer is one."""
    while True:
        print(f"{question} [default={default}]: " if default else f"{question}: ", end="", flush=True)
        line = sys.stdin.readline(4096)
        if not line.endswith(("\n", os.linesep)):
            raise InvalidRequest("The answers ended before the questions did", hint="lxd init --auto asks none")
        answer = line.strip() or default
        try:
            if not answer:
                raise ValueError("try again.")
            if check is not None:
                check(answer)
        except ValueError as exc:
            print(f"Invalid input: {exc}\n", file=sys.stderr)
            continue
        return answer
