"""What this machine offers to containers: looked at once, when the runtime is made."""

from __future__ import annotations

import os
import platform
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from azekura.runtime.cgroups import Hierarchies, read_hierarchies

_SBIN = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin:/snap/bin"
_LXCFS = Path("/var/lib/lxcfs")
_APPARMOR = Path("/sys/module/apparmor/parameters/enabled")
_APPARMOR_POLICY = Path("/sys/kernel/security/apparmor")
_SELINUX = Path("/sys/fs/selinux/enforce")

SecurityModule = Literal["apparmor", "selinux", ""]


@dataclass(frozen=True, slots=True)
class Host:
    """``lxc_start`` and ``apparmor_parser`` are absolute paths or None. ``lxcfs`` lists the files that a running
    lxcfs offers, relative to its mount point."""

    lxc_start: Path | None
    apparmor_parser: Path | None
    security_module: SecurityModule
    lxcfs: tuple[str, ...]
    hierarchies: Hierarchies
    machine: str
    is_root: bool


def examine() -> Host:
    """Look at this machine."""
    parser = _program("apparmor_parser")
    return Host(
        lxc_start=_program("lxc-start"),
        apparmor_parser=parser,
        security_module=_security_module(),
        lxcfs=_lxcfs_files(),
        hierarchies=read_hierarchies(),
        machine=platform.machine(),
        is_root=os.geteuid() == 0,
    )


def _program(name: str) -> Path | None:
    found = shutil.which(name, path=_SBIN)
    return Path(found) if found else None


def _security_module() -> SecurityModule:
    try:
        if _APPARMOR.read_text().strip() == "Y" and _APPARMOR_POLICY.is_dir():
            return "apparmor"
    except OSError:
        pass
    return "selinux" if _SELINUX.exists() else ""


def _lxcfs_files() -> tuple[str, ...]:
    if not (_LXCFS / "proc").is_dir():
        return ()
    found = [f"proc/{entry.name}" for entry in sorted((_LXCFS / "proc").iterdir())]
    if (_LXCFS / "sys/devices/system/cpu/online").exists():
        found.append("sys/devices/system/cpu/online")
    return tuple(found)
