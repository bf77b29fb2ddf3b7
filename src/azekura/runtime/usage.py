"""What a container uses, and freezing it: reads and writes of its control groups, version 1 and 2."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from azekura.errors import RuntimeFailed
from azekura.runtime.cgroups import V2, read_keyed, read_number, read_value

_FREEZE_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class Usage:
    """Bytes, nanoseconds and a count, as in ContainerState."""

    processes: int = 0
    memory_bytes: int = 0
    memory_peak: int = 0
    cpu_ns: int = 0


def read_usage(groups: dict[str, Path]) -> Usage:
    """Zero for what the host doesn't count."""
    v2 = groups.get(V2)
    return Usage(
        processes=_first(read_number(groups.get("pids"), "pids.current"), read_number(v2, "pids.current"))
        or _count_processes(groups),
        memory_bytes=_first(
            read_number(groups.get("memory"), "memory.usage_in_bytes"), read_number(v2, "memory.current")
        ),
        memory_peak=_first(
            read_number(groups.get("memory"), "memory.max_usage_in_bytes"), read_number(v2, "memory.peak")
        ),
        cpu_ns=_cpu(groups),
    )


def _first(*numbers: int | None) -> int:
    return next((number for number in numbers if number is not None), 0)


def _cpu(groups: dict[str, Path]) -> int:
    nanoseconds = read_number(groups.get("cpuacct"), "cpuacct.usage")
    if nanoseconds is not None:
        return nanoseconds
    microseconds = read_keyed(groups.get(V2), "cpu.stat").get("usage_usec", "")
    return int(microseconds) * 1000 if microseconds.isdigit() else 0


def _count_processes(groups: dict[str, Path]) -> int:
    """Without a pids controller: count the members of one hierarchy."""
    top = groups.get(V2) or next(iter(groups.values()), None)
    if top is None:
        return 0
    return sum(len(read_value(path.parent, path.name).split()) for path in top.rglob("cgroup.procs"))


def is_frozen(groups: dict[str, Path]) -> bool:
    """Whether it is frozen or about to be, by whichever of the two ways the host offers."""
    if read_value(groups.get(V2), "cgroup.freeze") == "1":
        return True
    return read_value(groups.get("freezer"), "freezer.state") in ("FROZEN", "FREEZING")


def set_frozen(groups: dict[str, Path], frozen: bool) -> None:
    """Freeze or thaw every process, and wait until the kernel says that it is done.

    Raises:
        RuntimeFailed: the host has no freezer, or a process wouldn't stop in ten seconds (it is thawed again then).
    """
    try:
        done = _set(groups, frozen)
        if not done and frozen:
            _set(groups, False)
    except OSError as exc:
        raise RuntimeFailed(f"The container couldn't be {_word(frozen)}: {exc.strerror}") from exc
    if not done:
        raise RuntimeFailed(f"The container couldn't be {_word(frozen)} within {_FREEZE_SECONDS:.0f} seconds")


def _word(frozen: bool) -> str:
    return "frozen" if frozen else "unfrozen"


def _set(groups: dict[str, Path], frozen: bool) -> bool:
    v2, v1 = groups.get(V2), groups.get("freezer")
    if v2 is not None and (v2 / "cgroup.freeze").exists():
        (v2 / "cgroup.freeze").write_text("1" if frozen else "0")
        reached = _wait(lambda: read_keyed(v2, "cgroup.events").get("frozen") == ("1" if frozen else "0"))
        if frozen or v1 is None:
            return reached
    if v1 is None:
        raise RuntimeFailed("The container can't be frozen: this host has no freezer control group")
    if not frozen and read_value(v1, "freezer.state") == "THAWED":
        return True
    word = "FROZEN" if frozen else "THAWED"
    (v1 / "freezer.state").write_text(word)
    return _wait(lambda: read_value(v1, "freezer.state") == word)


def _wait(reached: Callable[[], bool]) -> bool:
    end = time.monotonic() + _FREEZE_SECONDS
    pause = 0.0001
    while not reached():
        if time.monotonic() > end:
            return False
        time.sleep(pause)
        pause = min(pause * 2, 0.05)
    return True
