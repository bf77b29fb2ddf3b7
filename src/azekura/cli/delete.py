"""``lxc delete``."""

from __future__ import annotations

from azekura.cli.action import STOPPED
from azekura.cli.command import MANY, Command, Flag
from azekura.cli.instance import is_snapshot, path_of
from azekura.errors import AzekuraError, Cancelled, HostError, InvalidRequest

TYPE_CHECKING = False
if TYPE_CHECKING:
    from azekura.cli.invocation import Invocation
    from azekura.client.server import Server


def run(call: Invocation) -> None:
    """Nothing is deleted before all that is named was found."""
    found = []
    for argument in call.arguments:
        remote, name = call.split(argument)
        server = call.server(remote)
        try:
            instance = server.get(path_of(name))
        except InvalidRequest:
            raise
        except AzekuraError as exc:
            kind = "instance snapshot" if is_snapshot(name) else "instance"
            raise HostError(f'Failed checking {kind} exists "{remote}:{name}": {exc}') from exc
        found.append((server, name, instance))
    for server, name, instance in found:
        if call.options.switch("interactive"):
            _confirm(name)
        if not is_snapshot(name) and instance.get("status_code") not in (0, STOPPED):
            if not call.options.switch("force"):
                raise InvalidRequest("The instance is currently running, stop it first or pass --force")
            _stop(server, name)
            if instance.get("ephemeral"):
                continue
        server.run("DELETE", path_of(name))


def _stop(server: Server, name: str) -> None:
    try:
        server.run("PUT", f"{path_of(name)}/state", {"action": "stop", "timeout": -1, "force": True})
    except Cancelled:
        raise
    except AzekuraError as exc:
        raise HostError(f"Stopping the instance failed: {exc}") from exc


def _confirm(name: str) -> None:
    try:
        answer = input(f"Remove {name} (yes/no): ")
    except EOFError:
        answer = ""
    if answer.strip().lower() not in ("yes", "y"):
        raise Cancelled("User aborted delete operation")


COMMANDS = {
    "delete": Command(
        "Delete instances and snapshots",
        run,
        usage="[<remote>:]<instance>[/<snapshot>] [[<remote>:]<instance>[/<snapshot>]...]",
        minimum=1,
        maximum=MANY,
        flags=(
            Flag("force", "Stop running instances first", short="f"),
            Flag("interactive", "Ask before each", short="i"),
        ),
    )
}
