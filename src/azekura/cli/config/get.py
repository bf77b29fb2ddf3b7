"""``lxc config get``."""

from __future__ import annotations

from azekura.cli.command import Command, Flag
from azekura.cli.config.set import TARGET
from azekura.cli.instance import path_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from azekura.cli.invocation import Invocation


def run(call: Invocation) -> None:
    """A key that isn't set shows as an empty line."""
    server, name = call.locate(call.arguments[0] if len(call.arguments) > 1 else "")
    key = call.arguments[-1]
    if name:
        record = server.get(path_of(name))
        config = record.get("expanded_config" if call.options.switch("expanded") else "config") or {}
    else:
        config = server.info.get("config") or {}
    value = config.get(key, "")
    print("true" if value is True else "false" if value is False else value)


COMMANDS = {
    "get": Command(
        "Show a setting of an instance or of the server",
        run,
        usage="[<remote>:][<instance>] <key>",
        minimum=1,
        maximum=2,
        flags=(Flag("expanded", "With what comes from profiles", short="e"), TARGET),
    )
}
