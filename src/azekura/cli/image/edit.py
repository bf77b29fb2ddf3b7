"""``lxc image edit``."""

from __future__ import annotations

from azekura.cli.command import Command
from azekura.cli.editor import edit_until_right, is_interactive, standard_input
from azekura.cli.image.reference import dereference, fetch, need_name
from azekura.cli.image.show import editable
from azekura.cli.yaml_input import BOOLEAN, TEXT_MAP, TEXTS, TIME, load
from azekura.cli.yaml_output import dump
from azekura.client.address import quote

TYPE_CHECKING = False
if TYPE_CHECKING:
    from azekura.cli.invocation import Invocation
    from azekura.client.envelope import Record

HEADER = """\
### This is a YAML representation of the image properties.
### Any line starting with a '# will be ignored.
###
### Every property is a line of text of your own, such as
###  properties:
###    os: Debian
###    release: bookworm
"""

FIELDS = {
    "auto_update": BOOLEAN,
    "autoupdate": BOOLEAN,  # what LXD 2.0 called it
    "properties": TEXT_MAP,
    "public": BOOLEAN,
    "expires_at": TIME,
    "profiles": TEXTS,
}


def parse(text: str) -> Record:
    """The record to send; what is left out counts as off, as with LXD.

    Raises:
        InvalidRequest: not YAML, or values of a wrong kind.
    """
    given = load(text, FIELDS)
    record: Record = {
        "auto_update": given.get("auto_update", given.get("autoupdate", False)),
        "properties": given.get("properties") or {},
        "public": given.get("public", False),
        "expires_at": given.get("expires_at") or "0001-01-01T00:00:00Z",
        "profiles": given.get("profiles"),
    }
    return record


def run(call: Invocation) -> None:
    server, name = call.locate(call.arguments[0])
    need_name(name, f"Image identifier missing: {call.arguments[0]}")
    if not is_interactive():
        record = parse(standard_input())
        server.put(f"images/{quote(dereference(server, name))}", record)
        return
    image, etag = fetch(server, name)
    path = f"images/{image['fingerprint']}"
    edit_until_right(f"{HEADER}\n{dump(editable(image))}", lambda text: server.put(path, parse(text), etag=etag))


COMMANDS = {
    "edit": Command(
        "Edit what can be changed of an image",
        run,
        usage="[<remote>:]<image>",
        minimum=1,
        maximum=1,
        examples=(
            ("lxc image edit <image>", "In your editor"),
            ("lxc image edit <image> < image.yaml", "From a file"),
        ),
    )
}
