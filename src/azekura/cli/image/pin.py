"""``lxc image pin`` and ``unpin``: keep an image from being pruned or expired."""

from __future__ import annotations

from azekura.cli.command import MANY, Command
from azekura.cli.image.reference import dereference, need_name
from azekura.client.address import quote

TYPE_CHECKING = False
if TYPE_CHECKING:
    from azekura.cli.invocation import Invocation


def run(call: Invocation) -> None:
    for argument in call.arguments:
        server, name = call.locate(argument)
        need_name(name, "Image identifier missing")
        pinned = call.path == "image pin"
        server.post(f"images/{quote(dereference(server, name))}/pin", {"pinned": pinned})


_USAGE = "[<remote>:]<image> [[<remote>:]<image>...]"
COMMANDS = {
    "pin": Command("Keep images from being pruned or expiring", run, usage=_USAGE, minimum=1, maximum=MANY),
    "unpin": Command("Let images be pruned and expire again", run, usage=_USAGE, minimum=1, maximum=MANY),
}
