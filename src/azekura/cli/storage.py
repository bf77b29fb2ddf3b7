"""``lxc storage …``: storage pools."""

from __future__ import annotations

import sys

from azekura.cli.command import FORMAT, MANY, TEXT, Command, Flag
from azekura.cli.natural import sort_rows
from azekura.cli.output import byte_size
from azekura.cli.settings import pairs
from azekura.cli.table import render
from azekura.client.address import quote
from azekura.errors import InvalidRequest

TYPE_CHECKING = False
if TYPE_CHECKING:
    from azekura.cli.invocation import Invocation
    from azekura.client.envelope import Record
    from azekura.client.server import Server

HEADER = """\
### This is a YAML representation of a storage pool.
### Any line starting with a '#' will be ignored.
###
### Settings of the pool stand below config:
### config:
###   rsync.bwlimit: "10"
###
### Note that name and driver are shown but cannot be changed
"""


def _pool(call: Invocation) -> tuple[Server, str, str]:
    server, name = call.locate(call.arguments[0])
    if not name:
        raise InvalidRequest("Missing pool name")
    return server, name, f"storage-pools/{quote(name)}"


def create(call: Invocation) -> None:
    server, name, _ = _pool(call)
    config = {}
    for pair in call.arguments[2:]:
        key, equals, value = pair.partition("=")
        if not equals:
            raise InvalidRequest(f"Bad key=value pair: {pair}")
        config[key] = value
    server.post("storage-pools", {"name": name, "driver": call.arguments[1], "config": config, "description": ""})
    call.say(f"Storage pool {name} created")


def delete(call: Invocation) -> None:
    server, name, path = _pool(call)
    server.delete(path)
    call.say(f"Storage pool {name} deleted")


def list_pools(call: Invocation) -> None:
    remote, _ = call.split(call.argument(0))
    pools = call.server(remote).get("storage-pools", {"recursion": "1"})
    rows = [
        [
            str(pool["name"]),
            str(pool.get("driver", "")),
            str((pool.get("config") or {}).get("source", "")),
            str(pool.get("description", "")),
            str(len(pool.get("used_by") or ())),
            str(pool.get("status", "")).upper(),
        ]
        for pool in pools
    ]
    sort_rows(rows)
    header = ["NAME", "DRIVER", "SOURCE", "DESCRIPTION", "USED BY", "STATE"]
    sys.stdout.write(render(call.options.text("format"), header, rows, pools))


def show(call: Invocation) -> None:
    from azekura.cli.yaml_output import dump

    server, _, path = _pool(call)
    record = server.get(f"{path}/resources" if call.options.switch("resources") else path)
    if isinstance(record.get("used_by"), list):
        record["used_by"] = sorted(record["used_by"])
    sys.stdout.write(dump(record))


def info(call: Invocation) -> None:
    from azekura.cli.yaml_output import dump

    server, _, path = _pool(call)
    pool, resources = server.get(path), server.get(f"{path}/resources")
    space = resources.get("space") or {}
    used, total = int(space.get("used") or 0), int(space.get("total") or 0)
    in_bytes = call.options.switch("bytes")
    shown: Record = {
        "description": pool.get("description", ""),
        "driver": pool.get("driver", ""),
        "name": pool.get("name", ""),
        "space used": str(used) if in_bytes else byte_size(used),
        "total space": str(total) if in_bytes else byte_size(total),
    }
    users: dict[str, list[str]] = {}
    for address in pool.get("used_by") or ():
        # /1.0/instances/c1/snapshots/s is told as the instance
        parts = str(address).partition("?")[0].strip("/").split("/")
        if len(parts) >= 3:
            users.setdefault(parts[1], []).append(parts[2])
    ordered = {kind: sorted(names) for kind, names in sorted(users.items())}
    sys.stdout.write(dump({"info": shown}) + dump({"used by": ordered}))


def get(call: Invocation) -> None:
    server, _, path = _pool(call)
    print((server.get(path).get("config") or {}).get(call.arguments[1], ""))


def _change(call: Invocation, changes: dict[str, str]) -> None:
    server, _, path = _pool(call)
    pool, etag = server.get_with_etag(path)
    config = {**(pool.get("config") or {}), **changes}
    server.put(path, {"config": config, "description": pool.get("description", "")}, etag=etag)


def set_keys(call: Invocation) -> None:
    _change(call, pairs(call.arguments[1:]))


def unset_key(call: Invocation) -> None:
    _change(call, {call.arguments[1]: ""})


def edit(call: Invocation) -> None:
    from azekura.cli.editor import edit_until_right, is_interactive, standard_input
    from azekura.cli.yaml_input import TEXT as ANY_TEXT
    from azekura.cli.yaml_input import TEXT_MAP, load
    from azekura.cli.yaml_output import dump

    fields = {"config": TEXT_MAP, "description": ANY_TEXT}
    server, _, path = _pool(call)
    if not is_interactive():
        server.put(path, load(standard_input(), fields))
        return
    record, etag = server.get_with_etag(path)
    edit_until_right(f"{HEADER}\n{dump(record)}", lambda text: server.put(path, load(text, fields), etag=etag))


_POOL = "[<remote>:]<pool>"
_TARGET = Flag("target", "Cluster member", kind=TEXT)
COMMANDS = {
    "create": Command(
        "Make a storage pool",
        create,
        usage=f"{_POOL} <driver> [key=value...]",
        minimum=2,
        maximum=MANY,
        flags=(_TARGET,),
        description="Drivers: dir, overlay and btrfs; the server says which of them it can use.",
    ),
    "delete": Command("Delete a storage pool", delete, usage=_POOL, minimum=1, maximum=1),
    "edit": Command("Edit a storage pool", edit, usage=_POOL, minimum=1, maximum=1),
    "get": Command(
        "Show a setting of a storage pool", get, usage=f"{_POOL} <key>", minimum=2, maximum=2, flags=(_TARGET,)
    ),
    "info": Command(
        "Show how full a storage pool is, and by what",
        info,
        usage=_POOL,
        minimum=1,
        maximum=1,
        flags=(Flag("bytes", "Sizes in bytes"), _TARGET),
    ),
    "list": Command("List storage pools", list_pools, usage="[<remote>:]", maximum=1, flags=(FORMAT,)),
    "set": Command(
        "Set settings of a storage pool",
        set_keys,
        usage=f"{_POOL} <key>=<value>...",
        minimum=2,
        maximum=MANY,
        flags=(_TARGET,),
    ),
    "show": Command(
        "Show a storage pool",
        show,
        usage=_POOL,
        minimum=1,
        maximum=1,
        flags=(Flag("resources", "Its space and inodes instead"), _TARGET),
    ),
    "unset": Command(
        "Take a setting of a storage pool away",
        unset_key,
        usage=f"{_POOL} <key>",
        minimum=2,
        maximum=2,
        flags=(_TARGET,),
    ),
}
