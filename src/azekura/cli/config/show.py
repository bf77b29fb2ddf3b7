"""``lxc config show``."""

from __future__ import annotations

import sys

from azekura.cli.command import Command, Flag
from azekura.cli.config.set import TARGET
from azekura.cli.instance import is_snapshot, path_of
from azekura.cli.owners import INSTANCES
from azekura.cli.yaml_output import dump

TYPE_CHECKING = False
if TYPE_CHECKING:
    from azekura.cli.invocation import Invocation


def run(call: Invocation) -> None:
    server, name = call.locate(call.argument(0))
    if not name:
        sys.stdout.write(dump({"config": server.info.get("config") or {}}))
        return
    record = server.get(path_of(name))
    if call.options.switch("expanded"):
        record["config"] = record.get("expanded_config") or {}
        record["devices"] = record.get("expanded_devices") or {}
    sys.stdout.write(dump(record if is_snapshot(name) else INSTANCES.writable_part(record)))


COMMANDS = {
    "show": Command(
        "Show the settings of an instance or of the server",
        run,
        usage="[<remote>:][<instance>[/<snapshot>]]",
        maximum=1,
        flags=(Flag("expanded", "With what comes from profiles", short="e"), TARGET),
    )
}
