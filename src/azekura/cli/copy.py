"""``lxc copy``: another instance like this one, on the same server."""

from __future__ import annotations

from azekura.cli.command import TEXT, TEXTS, Command, Flag
from azekura.cli.files import key_value
from azekura.cli.instance import is_snapshot, path_of
from azekura.errors import InvalidRequest, Unsupported

TYPE_CHECKING = False
if TYPE_CHECKING:
    from azekura.cli.invocation import Invocation
    from azekura.client.envelope import Record


def run(call: Invocation) -> None:
    remote, source = call.split(call.arguments[0])
    target_remote, name = call.split(call.arguments[1]) if len(call.arguments) > 1 else (remote, "")
    if remote != target_remote:
        raise Unsupported("Copying instances between servers isn't part of this client: publish the instance instead")
    if not source:
        raise InvalidRequest("You must specify a source instance name")
    if not name:
        if is_snapshot(source):
            raise InvalidRequest("You must specify a destination instance name")
        name = source
    server = call.server(remote)
    record = server.get(path_of(source))
    order: Record = {
        key: record[key]
        for key in ("architecture", "config", "devices", "profiles", "description", "ephemeral")
        if key in record
    }
    # what belongs to the one instance only stays with it
    order["config"] = {key: value for key, value in (record.get("config") or {}).items() if _goes_along(key)}
    _apply_flags(call, order)
    order["name"] = name
    order["type"] = record.get("type") or server.get(path_of(source.partition("/")[0])).get("type") or "container"
    order["source"] = {
        "type": "copy",
        "source": source,
        "live": False,
        "instance_only": call.options.switch("instance-only"),
        "container_only": call.options.switch("instance-only"),
        "refresh": call.options.switch("refresh"),
        "allow_inconsistent": call.options.switch("allow-inconsistent"),
    }
    progress = call.progress("Transferring instance: %s")
    try:
        server.run("POST", "instances", order, watcher=progress)
    finally:
        if progress is not None:
            progress.done()


def _goes_along(key: str) -> bool:
    return not key.startswith("volatile.") or key in ("volatile.base_image", "volatile.last_state.idmap")


def _apply_flags(call: Invocation, order: Record) -> None:
    options = call.options
    for pair in options.texts("config"):
        key, value = key_value(pair, "Bad key=value pair: %s")
        order["config"][key] = value
    for text in options.texts("device"):
        device, comma, pair = text.partition(",")
        key, equals, value = pair.partition("=")
        if not comma or not equals:
            raise InvalidRequest(f"Bad device override syntax, expecting <device>,<key>=<value>: {text}")
        order.setdefault("devices", {}).setdefault(device, {})[key] = value
    if options.switch("no-profiles"):
        order["profiles"] = []
    elif options.texts("profile"):
        order["profiles"] = options.texts("profile")
    order["ephemeral"] = options.switch("ephemeral")
    if options.text("storage"):
        root = dict(order.get("devices", {}).get("root") or {"type": "disk", "path": "/"})
        order.setdefault("devices", {})["root"] = {**root, "pool": options.text("storage")}


COMMANDS = {
    "copy": Command(
        "Make another instance like one, or like a snapshot",
        run,
        usage="[<remote>:]<source>[/<snapshot>] [[<remote>:]<destination>]",
        minimum=1,
        maximum=2,
        flags=(
            Flag("allow-inconsistent", "Go on where files change meanwhile"),
            Flag("config", "Setting key=value of the copy (may be repeated)", short="c", kind=TEXTS),
            Flag("device", "Setting NAME,key=value of a device (may be repeated)", short="d", kind=TEXTS),
            Flag("ephemeral", "Delete the copy when it stops", short="e"),
            Flag("instance-only", "Without its snapshots"),
            Flag("mode", "Who moves the data: pull, push or relay", kind=TEXT, default="pull"),
            Flag("no-profiles", "Without any profile"),
            Flag("profile", "With this profile (may be repeated)", short="p", kind=TEXTS),
            Flag("refresh", "Bring an earlier copy up to date"),
            Flag("stateless", "Leave a saved state behind"),
            Flag("storage", "On this storage pool", short="s", kind=TEXT),
            Flag("target", "Cluster member", kind=TEXT),
            Flag("target-project", "Into this project", kind=TEXT),
        ),
    )
}
