"""The environment of a command run in a container, as LXD's daemon sets it (``lxd/instance_exec.go``)."""

from __future__ import annotations

from collections.abc import Mapping

from azekura.errors import InvalidRequest

DEFAULT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
SNAP_PATH = "/snap/bin"
"""Appended to the default when the container has that folder."""


def for_command(given: Mapping[str, str], *, uid: int) -> dict[str, str]:
    """``given`` over the defaults; nothing of the daemon's own environment. PATH is left to whoever is inside, as it
    depends on what is there.

    Raises:
        InvalidRequest: a name or value that no environment can hold.
    """
    defaults = {"container": "lxc", "LANG": "C.UTF-8"}
    if uid == 0:
        defaults |= {"HOME": "/root", "USER": "root"}
    environment = defaults | dict(given)
    for name, value in environment.items():
        if not name or "=" in name or "\0" in name or "\0" in value:
            raise InvalidRequest(f"Not an environment variable: {name[:80]!r}")
    return environment
