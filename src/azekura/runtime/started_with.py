"""What a running container was started with, read back from its configuration: the daemon may be another by now."""

from __future__ import annotations

import re
from pathlib import Path

_HALT_SIGNAL = re.compile(r"^\s*lxc\.signal\.halt\s*=\s*(\S+)\s*$", re.MULTILINE)
_FILTERS_CALLS = re.compile(r"^lxc\.seccomp\.profile\s*=\s*\S", re.MULTILINE)
_CONSOLE_LOG = re.compile(r"^lxc\.console\.logfile\s*=\s*(.+?)\s*$", re.MULTILINE)


def halt_signal(raw_lxc: str) -> str | None:
    """The signal that asks its init to end, where the user's own lines name one; the last one counts."""
    found = _HALT_SIGNAL.findall(raw_lxc)
    return found[-1] if found else None


def filters_calls(folder: Path) -> bool:
    """Whether its system calls are filtered."""
    return _FILTERS_CALLS.search(_config(folder)) is not None


def console_log(folder: Path) -> Path | None:
    """The file its console goes to; None when it never was started."""
    found = _CONSOLE_LOG.findall(_config(folder))
    return Path(found[-1]) if found else None


def _config(folder: Path) -> str:
    try:
        return (folder / "config").read_text(errors="surrogateescape")
    except OSError:
        return ""
