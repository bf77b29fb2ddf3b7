"""Filters of ``lxc list``."""

from __future__ import annotations

import re

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from azekura.client.envelope import Record


def shown(instance: Record, words: list[str]) -> bool:
    """Whether an instance passes all filters."""
    return all(_passes(instance, word) for word in words)


def _passes(instance: Record, word: str) -> bool:
    key, equals, value = word.partition("=")
    if not equals:
        return _whole(word, str(instance["name"])) or str(instance["name"]).startswith(word)
    if key in _SHORTHANDS:
        return _SHORTHANDS[key](instance, value)
    config = instance.get("expanded_config") or {}
    return any(_key_matches(key, name) and _whole(value, str(config[name])) for name in config)


def _whole(pattern: str, text: str) -> bool:
    """A regular expression for the whole text, unless it has anchors of its own; one that is none is plain text."""
    if "^" not in pattern and "$" not in pattern:
        pattern = f"^(?:{pattern})$"
    try:
        return re.search(pattern, text) is not None
    except re.error:
        return pattern in (text, f"^(?:{text})$")


def _key_matches(wanted: str, key: str) -> bool:
    """``u.blah`` stands for ``user.blah``."""
    wanted_parts, parts = wanted.split("."), key.split(".")
    return len(wanted_parts) == len(parts) and all(
        part.startswith(piece) for piece, part in zip(wanted_parts, parts, strict=True)
    )


def _one_of(key: str, fallback: str = "") -> Callable[[Record, str], bool]:
    def matches(instance: Record, value: str) -> bool:
        return str(instance.get(key) or fallback).lower() in value.lower().split(",")

    return matches


def _address(family: str) -> Callable[[Record, str], bool]:
    def matches(instance: Record, value: str) -> bool:
        import ipaddress

        networks = ((instance.get("state") or {}).get("network") or {}).values()
        found = [
            address["address"]
            for network in networks
            for address in network.get("addresses") or ()
            if address.get("family") == family
        ]
        for wanted in value.split(","):
            try:
                block = ipaddress.ip_network(wanted, strict=False)
            except ValueError:
                continue
            if any(ipaddress.ip_address(address) in block for address in found):
                return True
        return False

    return matches


_SHORTHANDS: dict[str, Callable[[Record, str], bool]] = {
    "type": _one_of("type", "container"),
    "status": _one_of("status"),
    "architecture": _one_of("architecture"),
    "location": _one_of("location"),
    "ipv4": _address("inet"),
    "ipv6": _address("inet6"),
}
