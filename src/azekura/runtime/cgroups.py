"""Where the control groups of a container are: cgroup v1, cgroup v2, and hosts that have both.

Paths are never computed from a name: liblxc takes ``lxc.payload.NAME-1`` when a leftover is in the way. They are read
from ``/proc/PID/cgroup`` and cut back to the container's own top (cgroups(7)).
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

V2 = ""
"""The controller name under which a cgroup2 path is kept, as in the third-less line ``0::/path``."""

_SWEEP_SECONDS = 2.0
_BELOW_TOP = ("/init.scope", "/.lxc")  # where systemd and liblxc put processes below the container's own group


@dataclass(frozen=True, slots=True)
class Mount:
    """One mounted hierarchy. ``root`` is the part of it that the mount point shows."""

    point: Path
    root: str

    def locate(self, path: str) -> Path | None:
        """The folder of the group ``path``, None when it lies outside of what is mounted."""
        if self.root != "/":
            if path != self.root and not path.startswith(self.root + "/"):
                return None
            path = path[len(self.root) :]
        return self.point / path.lstrip("/")


@dataclass(frozen=True, slots=True)
class Hierarchies:
    """What this host has. ``v1`` maps a controller (``memory``, ``name=systemd``) to its mount; ``v2_controllers`` are
    those that cgroup2 really handles (its ``cgroup.controllers``)."""

    v1: dict[str, Mount] = field(default_factory=dict)
    v2: Mount | None = None
    v2_controllers: frozenset[str] = frozenset()

    def has(self, controller: str) -> bool:
        return controller in self.v1 or controller in self.v2_controllers


def read_hierarchies(mountinfo: str | None = None) -> Hierarchies:
    """Read them from ``/proc/self/mountinfo`` (or its given text). Fields: proc_pid_mountinfo(5)."""
    text = Path("/proc/self/mountinfo").read_text(errors="replace") if mountinfo is None else mountinfo
    v1: dict[str, Mount] = {}
    v2: Mount | None = None
    for line in text.splitlines():
        left, separator, right = line.partition(" - ")
        fields, options = left.split(" "), right.split(" ")
        if not separator or len(fields) < 6 or len(options) < 3:
            continue
        mount = Mount(Path(_unescape(fields[4])), _unescape(fields[3]))
        if options[0] == "cgroup2" and v2 is None:
            v2 = mount
        elif options[0] == "cgroup":
            for option in options[2].split(","):
                if option not in ("rw", "ro", "xattr", "clone_children", "noprefix") and "agent" not in option:
                    v1.setdefault(option, mount)
    return Hierarchies(v1, v2, frozenset(_words(v2.point / "cgroup.controllers")) if v2 else frozenset())


def _unescape(text: str) -> str:
    for code, character in (("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\")):
        text = text.replace(code, character)
    return text


def _words(path: Path) -> list[str]:
    try:
        return path.read_text().split()
    except OSError:
        return []


def groups_of(pid: int, hierarchies: Hierarchies, *, proc: Path = Path("/proc")) -> dict[str, Path]:
    """The folders of the container whose init is ``pid``, by controller; cgroup2's under :data:`V2`.

    A folder that serves several controllers stands under each. Empty when the process isn't there.
    """
    try:
        text = (proc / str(pid) / "cgroup").read_text(errors="replace")
    except OSError:
        return {}
    found: dict[str, Path] = {}
    for line in text.splitlines():
        _number, controllers, path = line.split(":", 2)
        for suffix in _BELOW_TOP:
            path = path.removesuffix(suffix)
        for controller in controllers.split(","):
            mount = hierarchies.v1.get(controller) if controller != V2 else hierarchies.v2
            folder = mount.locate(path) if mount else None
            if folder and path not in ("", "/"):
                found[controller] = folder
    return found


def announce_moves(hierarchies: Hierarchies) -> None:
    """Have the kernel ready for moves of processes between control groups; takes 8 to 16 ms, nearly all of it waiting.

    The first move in a while must wait until every processor knows that moves are coming (an RCU grace period of the
    kernel's ``cgroup_threadgroup_rwsem``); those of the next ten milliseconds and more need not. ``lxc-start`` makes
    some thirty, right at its beginning, and a command that enters a container one for each of its groups. Asked for
    early, the wait is over by then. The move asked for here is this process's into the group that it is in: nothing
    changes, and a kernel that refuses it has waited all the same.
    """
    try:
        lines = Path("/proc/self/cgroup").read_text(errors="replace").splitlines()
        for line in reversed(lines):
            _number, controllers, path = line.split(":", 2)
            mount = hierarchies.v1.get(controllers.partition(",")[0]) if controllers else hierarchies.v2
            folder = mount.locate(path) if mount else None
            if folder:
                (folder / "cgroup.procs").write_text("0")
                return
    except (OSError, ValueError):
        return  # then the first move waits itself


def read_value(folder: Path | None, name: str) -> str:
    """The stripped content of one file of a group, empty when it can't be read."""
    if folder is None:
        return ""
    try:
        return (folder / name).read_text().strip()
    except OSError:
        return ""


def read_number(folder: Path | None, name: str) -> int | None:
    """As :func:`read_value`, as a number; None for ``max``, for nonsense and when it can't be read."""
    text = read_value(folder, name)
    return int(text) if text.isdigit() else None


def read_keyed(folder: Path | None, name: str) -> dict[str, str]:
    """A flat keyed file (``cgroup.events``, ``cpu.stat``)."""
    pairs = (line.partition(" ") for line in read_value(folder, name).splitlines())
    return {key: value.strip() for key, _, value in pairs}


def sweep(folders: Iterable[Path]) -> None:
    """Remove groups in which no process is left, with all below them; wait a moment for those that are just dying.

    A group in use is left whole: it may belong to another daemon's container of the same name. liblxc removes its
    groups itself; it can't after its monitor was killed.
    """
    left = {folder for folder in folders if folder.is_dir()}
    end = time.monotonic() + _SWEEP_SECONDS
    while left:
        for top in left:
            _remove_if_empty(top)
        left = {folder for folder in left if folder.is_dir()}
        if not left or time.monotonic() > end:
            return
        time.sleep(0.01)


def _remove_if_empty(top: Path) -> None:
    found = [Path(folder) for folder, _names, _files in os.walk(top, topdown=False)]
    if any(read_value(folder, "cgroup.procs") for folder in found):
        return
    for folder in found:
        try:
            folder.rmdir()
        except OSError:
            continue
