"""Limits as settings of control groups: which file of which version, and whether the kernel took them.

Decided per controller by what the host really has: on hybrid hosts a cgroup2 key without its controller is accepted
and silently does nothing. Files: Linux ``Documentation/admin-guide/cgroup-v1`` and ``cgroup-v2.rst``.
"""

from __future__ import annotations

import os
import zlib
from dataclasses import dataclass
from pathlib import Path

from azekura.errors import InvalidRequest, RuntimeFailed
from azekura.runtime.cgroups import V2, Hierarchies, read_value
from azekura.runtime.port import Limits

_MEMORY = ("memory.limit_in_bytes", "memory.max")
_MEMORY_SOFT = ("memory.soft_limit_in_bytes", "memory.high")
_PAGE = os.sysconf("SC_PAGE_SIZE")


@dataclass(frozen=True, slots=True)
class Setting:
    """``file`` of ``controller`` gets ``value``. ``version`` is 1 or 2."""

    version: int
    controller: str
    file: str
    value: str

    @property
    def lxc_key(self) -> str:
        return f"lxc.cgroup{'2' if self.version == 2 else ''}.{self.file}"

    def folder(self, groups: dict[str, Path]) -> Path | None:
        return groups.get(V2 if self.version == 2 else self.controller)


def settings(limits: Limits, hierarchies: Hierarchies, *, name: str) -> list[Setting]:
    """The settings that express ``limits`` on this host.

    Raises:
        InvalidRequest: a limit that makes no sense.
        RuntimeFailed: this host has no controller for one of them.
    """
    found: list[Setting] = []
    if limits.memory_bytes is not None:
        _positive("memory", limits.memory_bytes)
        files = _MEMORY_SOFT if limits.memory_soft else _MEMORY
        found.append(_choose(hierarchies, "memory", files, (str(limits.memory_bytes),) * 2))
    found += _swap(limits, hierarchies)
    if limits.cpu_shares is not None:
        weight = max(1, min(10000, limits.cpu_shares * 100 // 1024))
        values = (str(max(2, limits.cpu_shares)), str(weight))
        found.append(_choose(hierarchies, "cpu", ("cpu.shares", "cpu.weight"), values))
    if limits.cpus is not None:
        cpus = _cpu_set(limits.cpus, name)
        found.append(_choose(hierarchies, "cpuset", ("cpuset.cpus", "cpuset.cpus"), (cpus, cpus)))
    if limits.cpu_quota is not None:
        quota, period = limits.cpu_quota
        _positive("processor time", quota, period)
        if "cpu" in hierarchies.v2_controllers:
            found.append(_choose(hierarchies, "cpu", ("", "cpu.max"), ("", f"{quota} {period}")))
        else:
            found.append(_choose(hierarchies, "cpu", ("cpu.cfs_period_us", ""), (str(period), "")))
            found.append(_choose(hierarchies, "cpu", ("cpu.cfs_quota_us", ""), (str(quota), "")))
    if limits.processes is not None:
        _positive("processes", limits.processes)
        found.append(_choose(hierarchies, "pids", ("pids.max", "pids.max"), (str(limits.processes),) * 2))
    return found


def _swap(limits: Limits, hierarchies: Hierarchies) -> list[Setting]:
    """What keeps a container in memory. Version 1 has no ceiling of swap alone; never swapping is the nearest."""
    if "memory" in hierarchies.v2_controllers:
        return [] if limits.swap else [Setting(2, "memory", "memory.swap.max", "0")]
    swappiness = limits.swappiness if limits.swap else 0
    if swappiness is None:
        return []
    if not hierarchies.has("memory"):
        raise RuntimeFailed('The limit can\'t be set: this host has no "memory" control group controller')
    return [Setting(1, "memory", "memory.swappiness", str(swappiness))]


def lifted(limits: Limits, hierarchies: Hierarchies) -> list[Setting]:
    """The settings that take away every limit that ``limits`` doesn't set, on a running container."""
    found: list[Setting] = []
    plain = (
        (None if limits.memory_soft else limits.memory_bytes, "memory", _MEMORY, ("-1", "max")),
        (limits.memory_bytes if limits.memory_soft else None, "memory", _MEMORY_SOFT, ("-1", "max")),
        (limits.cpu_shares, "cpu", ("cpu.shares", "cpu.weight"), ("1024", "100")),
        (limits.cpu_quota, "cpu", ("cpu.cfs_quota_us", "cpu.max"), ("-1", "max")),
        (limits.processes, "pids", ("pids.max", "pids.max"), ("max", "max")),
        (limits.cpus, "cpuset", ("cpuset.cpus", "cpuset.cpus"), (_online(), _online())),
    )
    for limit, controller, files, values in plain:
        if limit is None and hierarchies.has(controller):
            found.append(_choose(hierarchies, controller, files, values))
    return found


def _choose(hierarchies: Hierarchies, controller: str, files: tuple[str, str], values: tuple[str, str]) -> Setting:
    if controller in hierarchies.v2_controllers:
        return Setting(2, controller, files[1], values[1])
    if controller in hierarchies.v1:
        return Setting(1, controller, files[0], values[0])
    raise RuntimeFailed(f'The limit can\'t be set: this host has no "{controller}" control group controller')


def _positive(what: str, *numbers: int) -> None:
    if any(number <= 0 for number in numbers):
        raise InvalidRequest(f"The limit of {what} must be greater than zero")


def parse_cpu_set(text: str) -> frozenset[int]:
    """``0-2,5`` as numbers. Raises ValueError for anything else."""
    found: set[int] = set()
    for part in text.strip().split(","):
        first, dash, last = part.partition("-")
        if not dash:
            last = first
        if not (first.isdecimal() and last.isdecimal()) or int(last) > 65535:
            raise ValueError(f"not a set of processors: {text[:80]}")
        found.update(range(int(first), int(last) + 1))
    return frozenset(found)


def _online() -> str:
    return Path("/sys/devices/system/cpu/online").read_text().strip()


def _cpu_set(cpus: int | str, name: str) -> str:
    """The set itself, or that many processors, starting at one that depends on the container's name: so that small
    containers don't all share processor 0."""
    online = sorted(parse_cpu_set(_online()))
    if isinstance(cpus, str):
        try:
            wanted = parse_cpu_set(cpus)
        except ValueError:
            raise InvalidRequest(f"Not a set of processors: {cpus[:80]}") from None
        if not wanted <= set(online):
            raise InvalidRequest(f"This machine has no such processors: {cpus[:80]}")
        return cpus.strip()
    _positive("processors", cpus)
    if cpus >= len(online):
        return _online()
    first = zlib.crc32(name.encode()) % len(online)
    return ",".join(str(number) for number in sorted(online[(first + step) % len(online)] for step in range(cpus)))


def apply(wanted: list[Setting], groups: dict[str, Path]) -> None:
    """Write settings into a running container's groups.

    Raises:
        RuntimeFailed: the kernel refused one.
    """
    for setting in wanted:
        folder = setting.folder(groups)
        try:
            if folder is None:
                raise FileNotFoundError(setting.file)
            (folder / setting.file).write_text(setting.value)
        except OSError as exc:
            raise RuntimeFailed(f"The limit {setting.file} = {setting.value} was refused: {exc.strerror}") from exc


def missing(wanted: list[Setting], groups: dict[str, Path]) -> Setting | None:
    """The first setting that isn't in force, read back from the kernel; None when all are."""
    for setting in wanted:
        if not _in_force(setting, read_value(setting.folder(groups), setting.file)):
            return setting
    return None


def _in_force(setting: Setting, value: str) -> bool:
    if setting.controller == "memory" and "swap" not in setting.file:  # rounded down to whole pages by the kernel
        return value.isdigit() and int(value) == int(setting.value) // _PAGE * _PAGE
    if setting.controller == "cpuset":
        try:
            return parse_cpu_set(value) == parse_cpu_set(setting.value)
        except ValueError:
            return False
    return value.split() == setting.value.split()
