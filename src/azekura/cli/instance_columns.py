"""The columns of ``lxc list``."""

from __future__ import annotations

from azekura.cli.output import byte_size, is_set, short_date
from azekura.errors import InvalidRequest

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from azekura.client.envelope import Record

ACTIVE = (103, 110, 113, 107, 109, 111)  # Running, Frozen, Ready, Stopping, Freezing, Thawed


class Column:
    """A title, and what stands below it for an instance. ``needs_state``: only a full listing has it."""

    __slots__ = ("needs_state", "title", "value")

    def __init__(self, title: str, value: Callable[[Record], str], *, needs_state: bool = False) -> None:
        self.title = title
        self.value = value
        self.needs_state = needs_state


def _state(instance: Record) -> Record:
    return instance.get("state") or {} if instance.get("status_code") in ACTIVE else {}


def _addresses(instance: Record, family: str) -> str:
    found: list[str] = []
    for name, network in (_state(instance).get("network") or {}).items():
        if network.get("type") == "loopback":
            continue
        found += [
            f"{address['address']} ({name})"
            for address in network.get("addresses") or ()
            if address.get("family") == family and address.get("scope") not in ("link", "local")
        ]
    return "\n".join(sorted(found, reverse=True))


def _kind(instance: Record) -> str:
    kind = str(instance.get("type") or "container").upper()
    return f"{kind} (EPHEMERAL)" if instance.get("ephemeral") else kind


def _snapshots(instance: Record) -> str:
    snapshots = instance.get("snapshots")
    return "0" if snapshots is None else str(len(snapshots))


def _date(key: str) -> Callable[[Record], str]:
    return lambda instance: short_date(instance[key]) if is_set(instance.get(key)) else ""


def _pool(instance: Record) -> str:
    for device in (instance.get("expanded_devices") or {}).values():
        if device.get("type") == "disk" and device.get("path") == "/" and device.get("pool"):
            return str(device["pool"])
    return ""


def _disk(instance: Record) -> str:
    root = (_state_any(instance).get("disk") or {}).get("root") or {}
    return byte_size(int(root["usage"])) if root.get("usage") else ""


def _state_any(instance: Record) -> Record:
    return instance.get("state") or {}


def _memory(instance: Record) -> str:
    usage = (_state(instance).get("memory") or {}).get("usage") or 0
    return byte_size(int(usage)) if usage > 0 else ""


def _memory_share(instance: Record) -> str:
    usage = (_state(instance).get("memory") or {}).get("usage") or 0
    limit = (instance.get("expanded_config") or {}).get("limits.memory", "")
    if usage <= 0 or not limit or limit.endswith("%"):
        return ""
    total = parse_size(limit)
    return f"{usage / total * 100:.1f}%" if total else ""


def parse_size(text: str) -> int:
    """``512MiB`` in bytes; 0 for what is no size."""
    units = {"": 1, "B": 1}
    for power, letter in enumerate("kMGTPE", 1):
        units[f"{letter}B"] = 1000**power
        units[f"{letter.upper()}iB"] = 1024**power
    digits = text.rstrip("kKMGTPEiB")
    unit = text[len(digits) :]
    return int(digits) * units.get(unit, 0) if digits.isdigit() else 0


def _processor(instance: Record) -> str:
    usage = (_state(instance).get("cpu") or {}).get("usage") or 0
    return f"{usage // 1_000_000_000}s" if usage > 0 else ""


def _number(key: str) -> Callable[[Record], str]:
    def value(instance: Record) -> str:
        number = _state(instance).get(key) or 0
        return str(number) if number > 0 else ""

    return value


def _config(instance: Record, key: str) -> str:
    return str((instance.get("config") or {}).get(key, ""))


COLUMNS = {
    "4": Column("IPV4", lambda instance: _addresses(instance, "inet"), needs_state=True),
    "6": Column("IPV6", lambda instance: _addresses(instance, "inet6"), needs_state=True),
    "a": Column("ARCHITECTURE", lambda instance: str(instance.get("architecture", ""))),
    "b": Column("STORAGE POOL", _pool),
    "c": Column("CREATED AT", _date("created_at")),
    "d": Column("DESCRIPTION", lambda instance: str(instance.get("description", ""))),
    "D": Column("DISK USAGE", _disk, needs_state=True),
    "e": Column("PROJECT", lambda instance: str(instance.get("project", ""))),
    "f": Column("BASE IMAGE", lambda instance: _config(instance, "volatile.base_image")[:12]),
    "F": Column("BASE IMAGE", lambda instance: _config(instance, "volatile.base_image")),
    "l": Column("LAST USED AT", _date("last_used_at")),
    "L": Column("LOCATION", lambda instance: str(instance.get("location", ""))),
    "m": Column("MEMORY USAGE", _memory, needs_state=True),
    "M": Column("MEMORY USAGE%", _memory_share, needs_state=True),
    "n": Column("NAME", lambda instance: str(instance.get("name", ""))),
    "N": Column("PROCESSES", _number("processes"), needs_state=True),
    "p": Column("PID", _number("pid"), needs_state=True),
    "P": Column("PROFILES", lambda instance: "\n".join(instance.get("profiles") or ())),
    "s": Column("STATE", lambda instance: str(instance.get("status", "")).upper()),
    "S": Column("SNAPSHOTS", _snapshots, needs_state=True),
    "t": Column("TYPE", _kind),
    "u": Column("CPU USAGE", _processor, needs_state=True),
}


def parse_columns(text: str) -> list[Column]:
    """Letters, with commas between them or not, and settings: ``ns46,image.os,user.owner:OWNER:10``.

    Raises:
        InvalidRequest: LXD's words.
    """
    columns = []
    for entry in text.split(","):
        if not entry:
            raise InvalidRequest(f"Empty column entry (redundant, leading or trailing command) in '{text}'")
        if "." in entry or ":" in entry:
            columns.append(_setting(entry))
            continue
        for letter in entry:
            if letter not in COLUMNS:
                raise InvalidRequest(f"Unknown column shorthand char '{letter}' in '{entry}'")
            columns.append(COLUMNS[letter])
    return columns


def _setting(entry: str) -> Column:
    pieces = entry.split(":")
    source = "config"
    if pieces[0] in ("config", "devices"):
        source = pieces.pop(0)
    if not pieces or len(pieces) > 3:
        raise InvalidRequest(f"Invalid config key column format (too many fields): '{entry}'")
    key = pieces[0]
    if not key or "." not in key:
        raise InvalidRequest(f"Invalid config key '{key}' in '{entry}'")
    title = pieces[1] if len(pieces) > 1 and pieces[1] else key
    width = -1
    if len(pieces) > 2:
        try:
            width = int(pieces[2])
        except ValueError as exc:
            raise InvalidRequest(f"Invalid max width (must be an integer) '{pieces[2]}' in '{entry}'") from exc
        if width < -1:
            raise InvalidRequest(f"Invalid max width (must -1, 0 or a positive integer) '{pieces[2]}' in '{entry}'")
        if width == 0:
            width = len(title)

    def value(instance: Record) -> str:
        if source == "devices":
            device, _, option = key.partition(".")
            found = (instance.get("expanded_devices") or {}).get(device, {}).get(option, "")
        else:
            found = (instance.get("expanded_config") or {}).get(key, "")
        return str(found) if width < 0 else str(found)[:width]

    return Column(title, value)
