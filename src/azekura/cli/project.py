"""``lxc project …``. Servers of ours have the project ``default`` alone, and say so when asked for another."""

from __future__ import annotations

import sys

from azekura.cli.command import FORMAT, MANY, TEXTS, Command, Flag
from azekura.cli.natural import sort_rows
from azekura.cli.output import byte_size, yes_no
from azekura.cli.settings import merge, pairs
from azekura.cli.table import render
from azekura.client.address import quote
from azekura.errors import InvalidRequest

TYPE_CHECKING = False
if TYPE_CHECKING:
    from azekura.cli.invocation import Invocation
    from azekura.client.server import Server

HEADER = """\
### This is a YAML representation of the project.
### Any line starting with a '# will be ignored.
###
### Features and limits stand below config:
### config:
###   features.images: "true"
### description: My own project
###
### Note that the name is shown but cannot be changed
"""
_FEATURES = (
    ("IMAGES", "features.images"),
    ("PROFILES", "features.profiles"),
    ("STORAGE VOLUMES", "features.storage.volumes"),
    ("NETWORKS", "features.networks"),
)


def _project(call: Invocation) -> tuple[Server, str, str]:
    server, name = call.locate(call.arguments[0])
    if not name:
        raise InvalidRequest("Missing project name")
    return server, name, f"projects/{quote(name)}"


def create(call: Invocation) -> None:
    server, name, _ = _project(call)
    config = {}
    for pair in call.options.texts("config"):
        key, equals, value = pair.partition("=")
        if not equals:
            raise InvalidRequest(f"Bad key=value pair: {pair}")
        config[key] = value
    server.post("projects", {"name": name, "config": config, "description": ""})
    call.say(f"Project {name} created")


def delete(call: Invocation) -> None:
    server, name, path = _project(call)
    server.delete(path)
    call.say(f"Project {name} deleted")


def rename(call: Invocation) -> None:
    server, name, path = _project(call)
    server.run("POST", path, {"name": call.arguments[1]})
    call.say(f"Project {name} renamed to {call.arguments[1]}")


def list_projects(call: Invocation) -> None:
    remote, _ = call.split(call.argument(0))
    projects = call.server(remote).get("projects", {"recursion": "1"})
    current = call.project or call.config.remote(remote).project or "default"
    rows = []
    for project in projects:
        config = project.get("config") or {}
        name = str(project["name"])
        rows.append(
            [
                f"{name} (current)" if name == current else name,
                *(yes_no(config.get(key) in ("true", "1", "yes", "on")) for _, key in _FEATURES),
                str(project.get("description", "")),
                str(len(project.get("used_by") or ())),
            ]
        )
    sort_rows(rows)
    header = ["NAME", *(title for title, _ in _FEATURES), "DESCRIPTION", "USED BY"]
    sys.stdout.write(render(call.options.text("format"), header, rows, projects))


def switch(call: Invocation) -> None:
    remote, name = call.split(call.arguments[0])
    call.server(remote).get(f"projects/{quote(name)}")
    call.config.remote(remote).project = name
    call.config.save()


def show(call: Invocation) -> None:
    from azekura.cli.yaml_output import dump

    server, _, path = _project(call)
    sys.stdout.write(dump(server.get(path)))


def info(call: Invocation) -> None:
    server, _, path = _project(call)
    state = server.get(f"{path}/state")
    rows = []
    for name, usage in (state.get("resources") or {}).items():
        in_bytes = name in ("disk", "memory")
        limit, used = int(usage.get("limit", -1)), int(usage.get("usage", 0))
        rows.append(
            [
                str(name).upper(),
                "UNLIMITED" if limit < 0 else byte_size(limit) if in_bytes else str(limit),
                byte_size(used) if in_bytes else str(used),
            ]
        )
    sort_rows(rows)
    sys.stdout.write(render(call.options.text("format"), ["RESOURCE", "LIMIT", "USAGE"], rows, state))


def get(call: Invocation) -> None:
    server, _, path = _project(call)
    print((server.get(path).get("config") or {}).get(call.arguments[1], ""))


def _change(call: Invocation, changes: dict[str, str]) -> None:
    server, _, path = _project(call)
    record, etag = server.get_with_etag(path)
    merge(record["config"], changes)
    server.put(path, {"config": record["config"], "description": record.get("description", "")}, etag=etag)


def set_keys(call: Invocation) -> None:
    _change(call, pairs(call.arguments[1:]))


def unset_key(call: Invocation) -> None:
    _change(call, {call.arguments[1]: ""})


def edit(call: Invocation) -> None:
    from azekura.cli.editor import edit_until_right, is_interactive, standard_input
    from azekura.cli.yaml_input import TEXT, TEXT_MAP, load
    from azekura.cli.yaml_output import dump

    fields = {"config": TEXT_MAP, "description": TEXT}
    server, _, path = _project(call)
    if not is_interactive():
        server.put(path, load(standard_input(), fields))
        return
    record, etag = server.get_with_etag(path)
    edit_until_right(f"{HEADER}\n{dump(record)}", lambda text: server.put(path, load(text, fields), etag=etag))


_PROJECT = "[<remote>:]<project>"
COMMANDS = {
    "create": Command(
        "Make a project",
        create,
        usage=_PROJECT,
        minimum=1,
        maximum=1,
        flags=(Flag("config", "Setting key=value (may be repeated)", short="c", kind=TEXTS),),
    ),
    "delete": Command("Delete a project", delete, usage=_PROJECT, minimum=1, maximum=1),
    "edit": Command("Edit a project", edit, usage=_PROJECT, minimum=1, maximum=1),
    "get": Command("Show a setting of a project", get, usage=f"{_PROJECT} <key>", minimum=2, maximum=2),
    "info": Command(
        "Show what a project uses of what it may", info, usage=_PROJECT, minimum=1, maximum=1, flags=(FORMAT,)
    ),
    "list": Command("List projects", list_projects, usage="[<remote>:]", maximum=1, flags=(FORMAT,)),
    "rename": Command("Rename a project", rename, usage=f"{_PROJECT} <new-name>", minimum=2, maximum=2),
    "set": Command(
        "Set settings of a project", set_keys, usage=f"{_PROJECT} <key>=<value>...", minimum=2, maximum=MANY
    ),
    "show": Command("Show a project", show, usage=_PROJECT, minimum=1, maximum=1),
    "switch": Command("Work in another project from now on", switch, usage=_PROJECT, minimum=1, maximum=1),
    "unset": Command("Take a setting of a project away", unset_key, usage=f"{_PROJECT} <key>", minimum=2, maximum=2),
}
