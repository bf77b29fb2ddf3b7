"""The smallest root file system that boots: busybox as init, shell and tools."""

from __future__ import annotations

import shutil
from pathlib import Path

APPLETS = (
    "cat chmod chown df echo env false find grep halt head hostname id ip kill ln ls mkdir mknod mount ps pwd readlink "
    "reboot rm sh sleep stat stty tail touch tr true tty umount wc"
).split()
INITTAB = "::sysinit:/bin/true\n::respawn:/bin/sleep 1000000\n"


def build(root: Path, *, inittab: str = INITTAB) -> Path:
    """Fill ``root`` (made, with folders above it that the mapped root may pass through). Skips where busybox is not
    installed are the caller's: FileNotFoundError."""
    busybox = shutil.which("busybox")
    if busybox is None:
        raise FileNotFoundError("busybox")
    for name in ("bin", "sbin", "dev", "proc", "sys", "etc", "root", "tmp", "run", "var"):
        (root / name).mkdir(parents=True)
    shutil.copy(busybox, root / "bin/busybox")
    for name in APPLETS:
        (root / "bin" / name).symlink_to("busybox")
    (root / "sbin/init").symlink_to("../bin/busybox")
    (root / "etc/inittab").write_text(inittab)
    (root / "etc/passwd").write_text("root:x:0:0:root:/root:/bin/sh\n")
    return root
