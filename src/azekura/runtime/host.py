"""What this machine offers to containers: looked at once, when the runtime is made."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from azekura.errors import RuntimeFailed
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


def liblxc_version(host: Host) -> str:
    """What ``lxc-start`` says of itself; empty where it is missing or doesn't run."""
    if host.lxc_start is None:
        return ""
    try:
        done = subprocess.run([host.lxc_start, "--version"], capture_output=True, timeout=10, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.decode(errors="replace").strip()


def check(host: Host, liblxc_version: str) -> None:
    """Raises RuntimeFailed, saying what is missing, when no container can be run here."""
    if not host.is_root:
        raise RuntimeFailed("The daemon is not root")
    remedy = "install the package lxc, then restart the daemon"
    if host.lxc_start is None:
        raise RuntimeFailed("lxc-start is missing", hint=remedy)
    if not liblxc_version:
        raise RuntimeFailed(
            f"{host.lxc_start} doesn't tell its version, liblxc may be missing",
            hint=f"try `lxc-start --version`; {remedy}",
        )
    if not host.hierarchies.v1 and host.hierarchies.v2 is None:
        raise RuntimeFailed("No control groups are mounted")
    try:
        os.close(os.pidfd_open(os.getpid()))
    except OSError as exc:
        raise RuntimeFailed("The kernel has no pidfds (Linux 5.8 has)") from exc


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
