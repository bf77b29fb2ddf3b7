"""``lxc version``."""

from __future__ import annotations

from azekura import LXD_VERSION
from azekura.cli.command import Command
from azekura.errors import AzekuraError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from azekura.cli.invocation import Invocation


def run(call: Invocation) -> None:
    """The client's version is the LXD release whose words it speaks: scripts ask for that."""
    print(f"Client version: {LXD_VERSION}")
    remote, _ = call.split(call.argument(0))
    try:
        version = (call.server(remote).info.get("environment") or {}).get("server_version", "")
    except AzekuraError:
        version = "unreachable"
    print(f"Server version: {version}")


COMMANDS = {"version": Command("Show the versions of client and server", run, usage="[<remote>:]", maximum=1)}
