"""``lxc image show``: what can be edited, as YAML."""

from __future__ import annotations

import sys

from azekura.cli.command import Command
from azekura.cli.image.info import VM
from azekura.cli.image.reference import fetch

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from azekura.cli.invocation import Invocation
    from azekura.client.envelope import Record


def editable(image: Record) -> dict[str, Any]:
    """The part of an image's record that a user may change, in LXD's order."""
    return {
        "auto_update": bool(image.get("auto_update")),
        "properties": image.get("properties") or {},
        "public": bool(image.get("public")),
        "expires_at": image.get("expires_at") or "0001-01-01T00:00:00Z",
        "profiles": list(image.get("profiles") or ()),
    }


def run(call: Invocation) -> None:
    from azekura.cli.yaml_output import dump

    remote, name = call.split(call.arguments[0])
    kind = "virtual-machine" if call.options.switch("vm") else ""
    if call.config.remote(remote).is_simplestreams:
        from azekura.cli.remote_images import find_image

        image = find_image(call, remote, name, kind=kind)
    else:
        image, _ = fetch(call.server(remote), name, kind=kind)
    sys.stdout.write(dump(editable(image)))


COMMANDS = {
    "show": Command(
        "Show what can be edited of an image", run, usage="[<remote>:]<image>", minimum=1, maximum=1, flags=(VM,)
    )
}
