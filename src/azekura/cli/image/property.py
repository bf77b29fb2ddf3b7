"""``lxc image get-property``, ``set-property`` and ``unset-property``."""

from __future__ import annotations

from azekura.cli.command import Command
from azekura.cli.image.reference import fetch, need_name
from azekura.cli.image.show import editable
from azekura.errors import NotFound

TYPE_CHECKING = False
if TYPE_CHECKING:
    from azekura.cli.invocation import Invocation


def get(call: Invocation) -> None:
    remote, name = call.split(call.arguments[0])
    if call.config.remote(remote).is_simplestreams:
        from azekura.cli.remote_images import find_image

        image = find_image(call, remote, name)
    else:
        image, _ = fetch(call.server(remote), name)
    properties = image.get("properties") or {}
    if call.arguments[1] not in properties:
        raise NotFound("property", call.arguments[1], message="Property not found")
    print(properties[call.arguments[1]])


def _change(call: Invocation, key: str, value: str) -> None:
    server, name = call.locate(call.arguments[0])
    need_name(name, f"Image identifier missing: {call.arguments[0]}")
    image, etag = fetch(server, name)
    record = editable(image)
    record["properties"][key] = value  # the server drops empty ones
    server.put(f"images/{image['fingerprint']}", record, etag=etag)


def set_property(call: Invocation) -> None:
    _change(call, call.arguments[1], call.arguments[2])


def unset_property(call: Invocation) -> None:
    _change(call, call.arguments[1], "")


COMMANDS = {
    "get-property": Command("Show a property", get, usage="[<remote>:]<image> <key>", minimum=2, maximum=2),
    "set-property": Command(
        "Set a property", set_property, usage="[<remote>:]<image> <key> <value>", minimum=3, maximum=3
    ),
    "unset-property": Command(
        "Take a property away", unset_property, usage="[<remote>:]<image> <key>", minimum=2, maximum=2
    ),
}
