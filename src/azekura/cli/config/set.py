"""``lxc config set`` and ``unset``, for instances and for the server."""

from __future__ import annotations

from azekura.cli.command import MANY, TEXT, Command, Flag
from azekura.cli.owners import INSTANCES
from azekura.cli.settings import merge, pairs, unset
from azekura.errors import InvalidRequest

TYPE_CHECKING = False
if TYPE_CHECKING:
    from azekura.cli.invocation import Invocation
    from azekura.client.server import Server


def target_and_rest(arguments: list[str]) -> tuple[str, list[str]]:
    """``[remote:][instance]`` (empty for the server) and what is to be set. An instance's name holds no dot, a key
    does; so ``core.proxy_http http://a?b=c`` is a key and its value, ``c1 a=b`` is not."""
    first = arguments[0]
    if "=" in first:
        return "", arguments
    if len(arguments) == 2 and ("=" not in arguments[1] or "." in first) and not first.endswith(":"):
        return "", arguments
    return first, arguments[1:]


def set_keys(call: Invocation) -> None:
    target, rest = target_and_rest(call.arguments)
    if not rest:
        return
    server, name = call.locate(target)
    changes = pairs(rest)
    if not name:
        set_on_server(server, changes)
        return
    record, etag = INSTANCES.fetch(server, name)
    merge(record["config"], changes)
    INSTANCES.save(server, name, record, etag)


def set_on_server(server: Server, changes: dict[str, str]) -> None:
    record, etag = server.get_with_etag("/1.0")
    config = {**(record.get("config") or {}), **changes}
    server.put("/1.0", {"config": config}, etag=etag)


def unset_key(call: Invocation) -> None:
    if len(call.arguments) == 1:
        target, key = "", call.arguments[0]
        if key.endswith(":"):
            raise InvalidRequest("Missing key name")
    else:
        target, key = call.arguments
    server, name = call.locate(target)
    if not name:
        set_on_server(server, {key: ""})
        return
    record, etag = INSTANCES.fetch(server, name)
    unset(record["config"], key)
    INSTANCES.save(server, name, record, etag)


TARGET = Flag("target", "Cluster member", kind=TEXT)
COMMANDS = {
    "set": Command(
        "Set settings of an instance or of the server",
        set_keys,
        usage="[<remote>:][<instance>] <key>=<value>...",
        minimum=1,
        maximum=MANY,
        flags=(TARGET,),
        examples=(
            ("lxc config set first limits.memory=512MiB", "For an instance"),
            ("lxc config set core.https_address=[::]:8443", "For the server"),
        ),
    ),
    "unset": Command(
        "Take a setting of an instance or of the server away",
        unset_key,
        usage="[<remote>:][<instance>] <key>",
        minimum=1,
        maximum=2,
        flags=(TARGET,),
    ),
}
