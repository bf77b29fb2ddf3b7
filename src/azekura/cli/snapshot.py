"""``lxc snapshot`` and ``lxc restore``."""

from __future__ import annotations

from azekura.cli.command import Command, Flag
from azekura.cli.instance import is_snapshot, path_of
from azekura.client.address import quote
from azekura.errors import NotFound

TYPE_CHECKING = False
if TYPE_CHECKING:
    from azekura.cli.invocation import Invocation
    from azekura.client.envelope import Record


def take(call: Invocation) -> None:
    server, name = call.locate(call.arguments[0])
    snapshot = call.argument(1)
    path = f"{path_of(name)}/snapshots"
    if call.options.switch("reuse") and snapshot:
        try:
            server.get(f"{path}/{quote(snapshot)}")
        except NotFound:
            pass
        else:
            server.run("DELETE", f"{path}/{quote(snapshot)}")
    order: Record = {"name": snapshot, "stateful": call.options.switch("stateful")}
    if call.options.switch("no-expiry"):
        order["expires_at"] = "0001-01-01T00:00:00Z"
    server.run("POST", path, order)


def restore(call: Invocation) -> None:
    server, name = call.locate(call.arguments[0])
    snapshot = call.arguments[1]
    if not is_snapshot(snapshot):
        snapshot = f"{name}/{snapshot}"
    server.run("PUT", path_of(name), {"restore": snapshot, "stateful": call.options.switch("stateful")})


COMMANDS = {
    "restore": Command(
        "Bring an instance back to a snapshot",
        restore,
        usage="[<remote>:]<instance> <snapshot>",
        minimum=2,
        maximum=2,
        flags=(Flag("stateful", "Also what was running, if it was saved"),),
    ),
    "snapshot": Command(
        "Take a snapshot of an instance",
        take,
        usage="[<remote>:]<instance> [<snapshot name>]",
        minimum=1,
        maximum=2,
        flags=(
            Flag("no-expiry", "Keep it whatever the instance's settings say"),
            Flag("reuse", "Replace a snapshot of that name"),
            Flag("stateful", "Also save what is running"),
        ),
        examples=(("lxc snapshot first before-upgrade", ""),),
    ),
}
