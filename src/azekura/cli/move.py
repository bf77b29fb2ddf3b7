"""``lxc move`` and ``lxc rename``: another name, on the same server."""

from __future__ import annotations

from azekura.cli.command import TEXT, TEXTS, Command, Flag
from azekura.cli.instance import is_snapshot, path_of
from azekura.errors import InvalidRequest, Unsupported

TYPE_CHECKING = False
if TYPE_CHECKING:
    from azekura.cli.invocation import Invocation
    from azekura.client.server import Server


def rename(call: Invocation) -> None:
    server, name = call.locate(call.arguments[0])
    _rename(server, name, call.arguments[1])


def move(call: Invocation) -> None:
    remote, name = call.split(call.arguments[0])
    target_remote, target = call.split(call.argument(1) or call.arguments[0])
    if remote != target_remote:
        raise Unsupported("Moving instances between servers isn't part of this client: publish the instance instead")
    pool = call.options.text("storage")
    if any(call.options.given(flag.name) for flag in call.command.flags if flag.name not in _TO_A_POOL):
        raise Unsupported("Only name and storage pool can be changed within a server")
    if pool:
        if not name:
            raise InvalidRequest("You must specify a source instance name")
        _to_pool(call, remote, name, target or name, pool)
        return
    if call.argument(1) == "":
        raise InvalidRequest("You must specify a destination instance name")
    _rename(call.server(remote), name, target or name)


_TO_A_POOL = ("storage", "instance-only")


def _to_pool(call: Invocation, remote: str, name: str, target: str, pool: str) -> None:
    order = {
        "name": target,
        "migration": True,
        "pool": pool,
        "instance_only": call.options.switch("instance-only"),
        "container_only": call.options.switch("instance-only"),
    }
    call.server(remote).run("POST", path_of(name), order)


def _rename(server: Server, name: str, target: str) -> None:
    if not name or not target:
        raise InvalidRequest("Instance name is mandatory")
    if not is_snapshot(name):
        server.run("POST", path_of(name), {"name": target, "migration": False})
        return
    instance, _, snapshot = target.partition("/")
    if snapshot and instance != name.partition("/")[0]:
        raise InvalidRequest("Invalid new snapshot name, parent must be the same as source")
    server.run("POST", path_of(name), {"name": snapshot or instance, "migration": False})


COMMANDS = {
    "move": Command(
        "Give an instance or a snapshot another name, or an instance another storage pool",
        move,
        usage="[<remote>:]<instance>[/<snapshot>] [<remote>:][<instance>[/<snapshot>]]",
        minimum=1,
        maximum=2,
        flags=(
            Flag("config", "Setting key=value", short="c", kind=TEXTS),
            Flag("device", "Setting NAME,key=value of a device", short="d", kind=TEXTS),
            Flag("instance-only", "Without its snapshots"),
            Flag("mode", "Who moves the data: pull, push or relay", kind=TEXT),
            Flag("no-profiles", "Without any profile"),
            Flag("profile", "With this profile", short="p", kind=TEXTS),
            Flag("stateless", "Leave a saved state behind"),
            Flag("storage", "To this storage pool", short="s", kind=TEXT),
            Flag("target", "Cluster member", kind=TEXT),
            Flag("target-project", "Into this project", kind=TEXT),
        ),
    ),
    "rename": Command(
        "Give an instance or a snapshot another name",
        rename,
        usage="[<remote>:]<instance>[/<snapshot>] <instance>[/<snapshot>]",
        minimum=2,
        maximum=2,
    ),
}
