"""``/proc/self/mountinfo``: what is mounted where (proc_pid_mountinfo(5))."""

from __future__ import annotations

import re
from pathlib import Path

_OCTAL = re.compile(r"\\([0-7]{3})")


def mount_points_below(folder: Path) -> list[Path]:
    """Every mount point inside ``folder`` (not itself), in the order in which they can be unmounted."""
    prefix = f"{folder.resolve()}/"
    found = [point for point in mount_points() if point.startswith(prefix)]
    return [Path(point) for point in reversed(found)]


def mount_points() -> list[str]:
    """All mount points, oldest first."""
    text = Path("/proc/self/mountinfo").read_bytes().decode(errors="surrogateescape")
    return [_OCTAL.sub(lambda code: chr(int(code[1], 8)), line.split(" ", 5)[4]) for line in text.splitlines()]
