"""The first run of the client: a hint or two, and the settings file is laid down, as LXD's client does."""

from __future__ import annotations

import os
import sys

from azekura.errors import AzekuraError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from azekura.client.config import Config


def greet(config: Config, command: str) -> None:
    """Say what to do first. Only where there is a local daemon's folder: else another server is meant."""
    from azekura.client.config import socket_path

    if not os.path.isdir(os.path.dirname(socket_path())) or "local" not in config.remotes:
        return
    lines = []
    try:
        pools = config.server("local").get("storage-pools")
    except AzekuraError:
        pools = []
    if not pools:
        lines.append("If this is your first time running LXD on this machine, you should also run: lxd init")
    if command not in ("init", "launch"):
        lines.append("To start your first container, try: lxc launch ubuntu:22.04")
    if lines:
        sys.stderr.write("\n".join(lines) + "\n\n")
    try:
        config.save()
    except AzekuraError:
        return  # a home that can't be written to is no reason not to work
