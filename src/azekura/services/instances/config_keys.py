"""Which configuration keys and devices an instance may have, and how their values are read."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path

from azekura.errors import InvalidRequest
from azekura.runtime.port import BindMount, Limits
from azekura.services.instances.id_maps import check_map
from azekura.services.instances.network_cards import nic_fault
from azekura.services.instances.snapshot_plans import check_schedule, expiry, snapshot_name
from azekura.services.instances.unix_devices import unix_fault
from azekura.services.settings import truth
from azekura.services.sizes import parse_size

_CPUSET = re.compile(r"\d+(-\d+)?(,\d+(-\d+)?)*", re.ASCII)
_ENVIRONMENT_NAME = re.compile(r"environment\.[A-Za-z_][A-Za-z0-9_.-]*", re.ASCII)


def _memory(value: str) -> None:
    if value.endswith("%"):
        if not re.fullmatch(r"[1-9]\d?%|100%", value, re.ASCII):
            raise ValueError(f"Invalid value: {value}")
    else:
        parse_size(value)


def _cpu(value: str) -> None:
    number = re.fullmatch(r"0*([1-9]\d{0,4})", value, re.ASCII)
    if not number and (value.isdigit() or not _CPUSET.fullmatch(value)):
        raise ValueError(f"Invalid CPU limit: {value}")


def _allowance(value: str) -> None:
    if not re.fullmatch(r"[1-9]\d{0,2}%|[1-9]\d{0,5}ms/[1-9]\d{0,5}ms", value, re.ASCII):
        raise ValueError(f"Invalid allowance: {value}")


def _integer(value: str) -> None:
    if not re.fullmatch(r"[+-]?\d{1,18}", value, re.ASCII):
        raise ValueError(f"Invalid value for an integer: {value[:40]}")


def _id(value: str) -> None:
    if not re.fullmatch(r"[1-9]\d{0,9}", value, re.ASCII) or int(value) >= 2**32 - 1:
        raise ValueError(f"Invalid value for an id: {value[:40]}")


def _priority(value: str) -> None:
    if not re.fullmatch(r"\d|10", value, re.ASCII):
        raise ValueError(f"Invalid value for a limit '{value[:40]}'. Must be between 0 and 10")


def _one_of(*words: str) -> Callable[[str], None]:
    def check(value: str) -> None:
        if value not in words:
            raise ValueError(f"Invalid value {value[:40]!r} (not one of {', '.join(words)})")

    return check


def _expiry(value: str) -> None:
    try:
        expiry(value, datetime(2000, 1, 1, tzinfo=UTC))
    except InvalidRequest as exc:
        raise ValueError(exc.message) from exc


def _pattern(value: str) -> None:
    try:
        snapshot_name(value, datetime(2000, 1, 1, tzinfo=UTC), ())
    except InvalidRequest as exc:
        raise ValueError(exc.message) from exc


def _processes(value: str) -> None:
    if not re.fullmatch(r"[1-9]\d{0,9}", value, re.ASCII):
        raise ValueError(f"Invalid number of processes: {value[:40]}")


def _boolean(value: str) -> None:
    if value.lower() not in ("true", "false", "1", "0", "yes", "no", "on", "off"):
        raise ValueError(f"Invalid value for a boolean: {value}")


def _text(_: str) -> None:
    pass


KEYS: dict[str, Callable[[str], None]] = {
    "boot.autostart": _boolean,
    "boot.autostart.delay": _integer,
    "boot.autostart.priority": _integer,
    "boot.host_shutdown_timeout": _integer,
    "boot.stop.priority": _integer,
    "cluster.evacuate": _one_of("auto", "migrate", "live-migrate", "stop"),
    "limits.cpu": _cpu,
    "limits.cpu.allowance": _allowance,
    "limits.cpu.priority": _priority,
    "limits.memory": _memory,
    "limits.memory.enforce": _one_of("soft", "hard"),
    "limits.memory.swap": _boolean,
    "limits.memory.swap.priority": _priority,
    "limits.processes": _processes,
    "raw.idmap": _text,
    "raw.lxc": _text,
    "security.idmap.base": _id,
    "security.idmap.isolated": _boolean,
    "security.idmap.size": _id,
    "security.nesting": _boolean,
    "security.privileged": _boolean,
    "security.protection.delete": _boolean,
    "security.protection.shift": _boolean,
    "security.syscalls.deny_default": _boolean,
    "snapshots.expiry": _expiry,
    "snapshots.pattern": _pattern,
    "snapshots.schedule": check_schedule,
    "snapshots.schedule.stopped": _boolean,
    "cloud-init.network-config": _text,
    "cloud-init.user-data": _text,
    "cloud-init.vendor-data": _text,
}
FREE_PREFIXES = ("user.", "image.", "volatile.", "environment.")


KERNEL_LIMIT, SYSCTL = "limits.kernel.", "linux.sysctl."
KERNEL_LIMITS = frozenset(
    "as core cpu data fsize locks memlock msgqueue nice nofile nproc rss rtprio rttime sigpending stack".split()
)
_KERNEL_LIMIT_VALUE = re.compile(r"(\d{1,20}|unlimited)(:(\d{1,20}|unlimited))?", re.ASCII)
_SYSCTL_NAME = re.compile(r"[A-Za-z0-9_-]+([./][A-Za-z0-9_-]+)+", re.ASCII)


def _check_kernel_key(key: str, value: str, where: str) -> None:
    name = key.removeprefix(KERNEL_LIMIT).removeprefix(SYSCTL)
    if key.startswith(SYSCTL):
        if not _SYSCTL_NAME.fullmatch(name) or "\n" in value or "\0" in value:
            raise InvalidRequest(f"{where}{key[:80]}: not a kernel parameter of one line")
    elif name not in KERNEL_LIMITS:
        raise InvalidRequest(
            f"{where}Unknown configuration key: {key[:80]} (there are {', '.join(sorted(KERNEL_LIMITS))})"
        )
    elif value and not _KERNEL_LIMIT_VALUE.fullmatch(value):
        raise InvalidRequest(
            f"{where}{key}: Invalid limit {value[:40]!r}: a number, unlimited, or two of these as soft:hard"
        )


def _check_ids(config: Mapping[str, str], where: str) -> None:
    if any(config.get(key) for key in ("raw.idmap", "security.idmap.base", "security.idmap.size")):
        try:
            check_map({**config, "security.privileged": "false"})
        except InvalidRequest as exc:
            raise InvalidRequest(f"{where}{exc}") from exc


def prefixed(config: Mapping[str, str], prefix: str) -> dict[str, str]:
    """The keys that begin with ``prefix``, without it."""
    return {key.removeprefix(prefix): value for key, value in config.items() if key.startswith(prefix)}


def check_config(config: Mapping[str, str], where: str = "Invalid config: ") -> None:
    """Raises:
    InvalidRequest: an unknown key or a value that can't be, in LXD's words, which begin with ``where``.
    """
    for key, value in config.items():
        if key.startswith("environment.") and ("\n" in value or not _ENVIRONMENT_NAME.fullmatch(key)):
            raise InvalidRequest(f"{where}{key}: environment variables take one line and a plain name")
        if key.startswith(FREE_PREFIXES):
            if "\x00" in value:
                raise InvalidRequest(f"{where}{key}: a NUL byte can't be part of a value")
            continue
        if key.startswith((KERNEL_LIMIT, SYSCTL)):
            _check_kernel_key(key, value, where)
            continue
        check = KEYS.get(key)
        if check is None:
            raise InvalidRequest(f"{where}Unknown configuration key: {key[:80]}")
        if value:
            try:
                check(value)
            except ValueError as exc:
                raise InvalidRequest(f"{where}{key}: {exc}") from exc
    _check_ids(config, where)


def check_devices(devices: Mapping[str, Mapping[str, str]], where: str = "Invalid devices: ") -> None:
    """Raises:
    InvalidRequest: a device this server doesn't offer, or one without what it needs; begins with ``where``.
    """
    roots = [name for name, device in devices.items() if device.get("type") == "disk" and device.get("path") == "/"]
    if len(roots) > 1:
        raise InvalidRequest(f"{where}More than one root disk: {', '.join(sorted(roots))}"[:400])
    for name, device in devices.items():
        fault = _device_fault(device)
        if fault:
            raise InvalidRequest(f'{where}Device validation failed for "{name[:80]}": {fault}')


def _device_fault(device: Mapping[str, str]) -> str:
    """What is wrong with a device; empty when nothing is."""
    match device.get("type", ""):
        case "":
            return "Missing device type"
        case "none":
            return ""
        case "disk" if not device.get("path"):
            return 'Disk entry is missing the required "path" property'
        case "disk" if device["path"] == "/":
            return 'Root disk entry may not have a "source" property set' if device.get("source") else ""
        case "disk":
            absolute = Path(device.get("source", "")).is_absolute()
            return "" if absolute else 'Disk entry takes an absolute path of the host as "source"'
        case "nic":
            return nic_fault(device)
        case "unix-char" | "unix-block":
            return unix_fault(device)
        case other:
            return f'Unsupported device type "{other[:40]}"'


def without_empty(devices: Mapping[str, Mapping[str, str]]) -> dict[str, dict[str, str]]:
    """``devices`` less what was set to nothing: that is how clients unset."""
    return {name: {key: value for key, value in device.items() if value} for name, device in devices.items()}


def runtime_limits(config: Mapping[str, str]) -> Limits:
    """The ``limits.*`` keys as the runtime takes them."""
    memory = config.get("limits.memory", "")
    bytes_limit: int | None = None
    if memory.endswith("%"):
        bytes_limit = total_memory() * int(memory[:-1]) // 100
    elif memory:
        bytes_limit = parse_size(memory)
    cpu = config.get("limits.cpu", "")
    allowance = config.get("limits.cpu.allowance", "")
    quota: tuple[int, int] | None = None
    shares: int | None = None
    if allowance.endswith("%"):  # a share when processors are busy, as in LXD; a time is a ceiling
        shares = int(allowance[:-1]) * 1024 // 100
    elif allowance:
        run, period = (int(part.removesuffix("ms")) for part in allowance.split("/"))
        quota = (run * 1000, period * 1000)
    priority = config.get("limits.cpu.priority", "")
    if priority:
        shares = max(0, (1024 if shares is None else shares) - 10 + int(priority))
    processes = config.get("limits.processes", "")
    swap_priority = config.get("limits.memory.swap.priority", "")
    return Limits(
        memory_bytes=bytes_limit,
        cpus=int(cpu) if cpu.isdigit() else (cpu or None),
        cpu_quota=quota,
        processes=int(processes) if processes else None,
        cpu_shares=shares,
        memory_soft=config.get("limits.memory.enforce") == "soft",
        swap=truth(config.get("limits.memory.swap", "true")),
        swappiness=70 - int(swap_priority) if swap_priority else None,
    )


def total_memory() -> int:
    """The host's memory in bytes."""
    for line in Path("/proc/meminfo").read_text().splitlines():
        if line.startswith("MemTotal:"):
            return int(line.split()[1]) * 1024
    return 0


def runtime_mounts(devices: Mapping[str, Mapping[str, str]]) -> tuple[BindMount, ...]:
    """The host folders shown inside, among expanded devices.

    Raises:
        InvalidRequest: a source that isn't there, or a block device (LXD mounts the file system on it).
    """
    mounts = []
    for name, device in sorted(devices.items()):
        if device.get("type") != "disk" or device.get("path") == "/":
            continue
        source = Path(device["source"])
        if not source.exists():
            if truth(device.get("required", "true")) and not truth(device.get("optional", "false")):
                raise InvalidRequest(f'Failed to start device "{name}": Source path "{source}" doesn\'t exist')
            continue
        if source.is_block_device():
            raise InvalidRequest(
                f'Failed to start device "{name}": Block devices aren\'t mounted here',
                hint=f"mount {source} on a folder of the host, and use that as source",
            )
        mounts.append(
            BindMount(
                source,
                device["path"],
                read_only=truth(device.get("readonly", "false")),
                recursive=truth(device.get("recursive", "false")),
                shifted=truth(device.get("shift", "false")),
            )
        )
    return tuple(mounts)
