"""``lxc profile create``, ``delete``, ``rename``, ``list`` and ``show``."""

from __future__ import annotations

import sys

from azekura.cli.command import FORMAT, Command
from azekura.cli.natural import sort_rows
from azekura.cli.owners import PROFILES
from azekura.cli.table import render
from azekura.client.address import quote
from azekura.errors import InvalidRequest

TYPE_CHECKING = False
if TYPE_CHECKING:
    from azekura.cli.invocation import Invocation
    from azekura.client.server import Server


def _profile(call: Invocation) -> tuple[Server, str]:
    server, name = call.locate(call.arguments[0])
    if not name:
        raise InvalidRequest("Missing profile name")
    return server, name


def create(call: Invocation) -> None:
    server, name = _profile(call)
    server.post("profiles", {"name": name, "config": {}, "description": "", "devices": {}})
    call.say(f"Profile {name} created")


def delete(call: Invocation) -> None:
    server, name = _profile(call)
    server.delete(f"profiles/{quote(name)}")
    call.say(f"Profile {name} deleted")


def rename(call: Invocation) -> None:
    server, name = _profile(call)
    server.post(f"profiles/{quote(name)}", {"name": call.arguments[1]})
    call.say(f"Profile {name} renamed to {call.arguments[1]}")


def list_profiles(call: Invocation) -> None:
    remote, _ = call.split(call.argument(0))
    profiles = call.server(remote).get("profiles", {"recursion": "1"})
    rows = [
        [str(profile["name"]), str(profile.get("description", "")), str(len(profile.get("used_by") or ()))]
        for profile in profiles
    ]
    sort_rows(rows)
    header = ["NAME", "DESCRIPTION", "USED BY"]
    sys.stdout.write(render(call.options.text("format"), header, rows, profiles))


def show(call: Invocation) -> None:
    from azekura.cli.yaml_output import dump

    server, name = _profile(call)
    record, _ = PROFILES.fetch(server, name)
    sys.stdout.write(dump(record))


_PROFILE = "[<remote>:]<profile>"
COMMANDS = {
    "create": Command("Make a profile", create, usage=_PROFILE, minimum=1, maximum=1),
    "delete": Command("Delete a profile", delete, usage=_PROFILE, minimum=1, maximum=1),
    "list": Command("List profiles", list_profiles, usage="[<remote>:]", maximum=1, flags=(FORMAT,)),
    "rename": Command("Rename a profile", rename, usage=f"{_PROFILE} <new-name>", minimum=2, maximum=2),
    "show": Command("Show a profile", show, usage=_PROFILE, minimum=1, maximum=1),
}
