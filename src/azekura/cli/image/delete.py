"""``lxc image delete``."""

from __future__ import annotations

from azekura.cli.command import MANY, Command
from azekura.cli.image.reference import dereference, need_name
from azekura.client.address import quote

TYPE_CHECKING = False
if TYPE_CHECKING:
    from azekura.cli.invocation import Invocation


def run(call: Invocation) -> None:
    """One after the other; the first that fails ends it."""
    for argument in call.arguments:
        server, name = call.locate(argument)
        need_name(name, "Image identifier missing")
        server.run("DELETE", f"images/{quote(dereference(server, name))}")


COMMANDS = {
    "delete": Command("Delete images", run, usage="[<remote>:]<image> [[<remote>:]<image>...]", minimum=1, maximum=MANY)
}
