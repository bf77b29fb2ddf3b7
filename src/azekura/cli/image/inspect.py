"""``lxc image inspect``: what is in an image file, without importing or unpacking it."""

from __future__ import annotations

from azekura.cli.command import TEXT, Command, Flag
from azekura.errors import Unsupported

TYPE_CHECKING = False
if TYPE_CHECKING:
    from azekura.cli.invocation import Invocation


def run(call: Invocation) -> None:
    raise Unsupported(f"lxc {call.path} isn't there yet")


COMMANDS = {
    "inspect": Command(
        "Show what is in an image file, and what would be refused",
        run,
        usage="<file>|<URL> [<rootfs file>]",
        minimum=1,
        maximum=2,
        flags=(Flag("format", "Form: text or json", short="f", kind=TEXT, default="text"),),
    )
}
