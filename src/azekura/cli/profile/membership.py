"""``lxc profile add``, ``assign`` and ``remove``: which profiles an instance has."""

from __future__ import annotations

from azekura.cli.command import Command
from azekura.cli.owners import INSTANCES
from azekura.errors import InvalidRequest

TYPE_CHECKING = False
if TYPE_CHECKING:
    from azekura.cli.invocation import Invocation


def add(call: Invocation) -> None:
    server, name = call.locate(call.arguments[0])
    if not name:
        raise InvalidRequest("Missing instance name")
    record, etag = INSTANCES.fetch(server, name)
    record["profiles"] = [*(record.get("profiles") or ()), call.arguments[1]]
    INSTANCES.save(server, name, record, etag)
    call.say(f"Profile {call.arguments[1]} added to {name}")


def assign(call: Invocation) -> None:
    server, name = call.locate(call.arguments[0])
    if not name:
        raise InvalidRequest("Missing instance name")
    profiles = [profile for profile in call.arguments[1].split(",") if profile]
    record, etag = INSTANCES.fetch(server, name)
    record["profiles"] = profiles
    INSTANCES.save(server, name, record, etag)
    call.say(f"Profiles {','.join(profiles) or '(none)'} applied to {name}")


def remove(call: Invocation) -> None:
    server, name = call.locate(call.arguments[0])
    if not name:
        raise InvalidRequest("Missing instance name")
    record, etag = INSTANCES.fetch(server, name)
    profile = call.arguments[1]
    if profile not in (record.get("profiles") or ()):
        raise InvalidRequest(f"Profile {profile} isn't currently applied to {name}")
    record["profiles"] = [other for other in record["profiles"] if other != profile]
    INSTANCES.save(server, name, record, etag)
    call.say(f"Profile {profile} removed from {name}")


COMMANDS = {
    "add": Command(
        "Give an instance one more profile", add, usage="[<remote>:]<instance> <profile>", minimum=2, maximum=2
    ),
    "assign": Command(
        "Give an instance these profiles and no others",
        assign,
        usage="[<remote>:]<instance> <profiles>",
        minimum=2,
        maximum=2,
        examples=(("lxc profile assign first default,web", ""), ("lxc profile assign first ''", "None at all")),
    ),
    "remove": Command(
        "Take a profile from an instance", remove, usage="[<remote>:]<instance> <profile>", minimum=2, maximum=2
    ),
}
