"""``lxc profile copy``."""

from __future__ import annotations

from azekura.cli.command import TEXT, Command, Flag
from azekura.cli.owners import PROFILES

TYPE_CHECKING = False
if TYPE_CHECKING:
    from azekura.cli.invocation import Invocation


def run(call: Invocation) -> None:
    server, name = call.locate(call.arguments[0])
    record, _ = PROFILES.fetch(server, name)
    target, new_name = call.locate(call.arguments[1])
    query = {"project": call.options.text("target-project")} if call.options.text("target-project") else None
    target.post("profiles", {"name": new_name or name, **PROFILES.writable_part(record)}, query)


COMMANDS = {
    "copy": Command(
        "Make another profile like one",
        run,
        usage="[<remote>:]<profile> [<remote>:]<profile>",
        minimum=2,
        maximum=2,
        flags=(Flag("target-project", "Into this project", kind=TEXT),),
    )
}
