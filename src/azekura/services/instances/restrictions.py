"""What a restricted client may not ask for: whatever would make it the host's root."""

from __future__ import annotations

from collections.abc import Mapping

from azekura.errors import Forbidden
from azekura.services.settings import truth

_KEYS = ("raw.lxc", "security.privileged", "security.nesting")
_PREFIXES = ("linux.sysctl.", "raw.idmap", "security.idmap.base", "security.idmap.size", "volatile.idmap.")


def check_restricted(
    config: Mapping[str, str],
    devices: Mapping[str, Mapping[str, str]],
    *,
    before: Mapping[str, str] | None = None,
    devices_before: Mapping[str, Mapping[str, str]] | None = None,
) -> None:
    """Refuse what an administrator alone may set. What was set before (by one) may stay as it is.

    Raises:
        Forbidden: names the key or device.
    """
    before, devices_before = before or {}, devices_before or {}
    for key in _KEYS:
        value = config.get(key, "")
        wanted = bool(value) if key == "raw.lxc" else truth(value)
        if wanted and value != before.get(key, ""):
            raise Forbidden(f'A restricted client may not set "{key}"')
    for key, value in config.items():
        if key.startswith(_PREFIXES) and value and value != before.get(key, ""):
            raise Forbidden(f'A restricted client may not set "{key[:80]}"')
    if not truth(config.get("security.syscalls.deny_default", "true")) and truth(
        before.get("security.syscalls.deny_default", "true")
    ):
        raise Forbidden('A restricted client may not unset "security.syscalls.deny_default"')
    for name, device in devices.items():
        if device == devices_before.get(name):
            continue
        if device.get("type") in ("nic", "unix-char", "unix-block") or (
            device.get("type") == "disk" and device.get("source")
        ):
            raise Forbidden(f'A restricted client may not add the device "{name[:80]}" of the host')
