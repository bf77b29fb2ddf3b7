"""Commands of LXD's client that have nothing to do with images, and aren't part of this one: they say so."""

from __future__ import annotations

from azekura.cli.command import MANY, Command
from azekura.errors import Unsupported

TYPE_CHECKING = False
if TYPE_CHECKING:
    from azekura.cli.invocation import Invocation

_INSTEAD = {
    "bucket": "object storage of its own is not offered",
    "cluster": "servers of ours share a database and a store instead (docs/image-server.md)",
    "export": "publish the instance and export the image instead",
    "import": "import an image and launch it instead",
    "manpage": "every command explains itself with --help",
    "mount": "lxc file pull and push move files",
    "volume": "only pools for instances are offered",
    "warning": "warnings are in the daemon's log",
}


def _command(reason: str) -> Command:
    def run(call: Invocation) -> None:
        raise Unsupported(f'"lxc {call.path}" is not part of Azekura: {reason}')

    return Command(f"(not part of Azekura: {reason})", run, usage="[...]", maximum=MANY)


COMMANDS = {name: _command(reason) for name, reason in _INSTEAD.items()}
