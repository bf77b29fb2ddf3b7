"""``lxc image undelete``: bring a deleted image back, or list those that can be."""

from __future__ import annotations

import sys

from azekura.cli.command import FORMAT, MANY, Command
from azekura.cli.natural import sort_rows
from azekura.cli.output import megabytes, short_date
from azekura.cli.table import render
from azekura.client.address import quote

TYPE_CHECKING = False
if TYPE_CHECKING:
    from azekura.cli.invocation import Invocation


def run(call: Invocation) -> None:
    """An alias went with the image; so it is named by its fingerprint, or the beginning of it."""
    if not call.arguments or (len(call.arguments) == 1 and call.arguments[0].endswith(":")):
        _list(call)
        return
    for argument in call.arguments:
        server, name = call.locate(argument)
        server.post(f"images/{quote(name)}/undelete")
        call.say(f"Image {name} is back")


def _list(call: Invocation) -> None:
    remote, _ = call.split(call.argument(0))
    images = call.server(remote).get("images", {"deleted": "1", "recursion": "1"})
    rows = [
        [
            str(image["fingerprint"])[:12],
            str((image.get("properties") or {}).get("description", "")),
            megabytes(int(image.get("size", 0))),
            short_date(str(image["deleted_at"])) if image.get("deleted_at") else "",
        ]
        for image in images
    ]
    sort_rows(rows)
    header = ["FINGERPRINT", "DESCRIPTION", "SIZE", "DELETED AT"]
    sys.stdout.write(render(call.options.text("format"), header, rows, images))


COMMANDS = {
    "undelete": Command(
        "Bring deleted images back",
        run,
        usage="[<remote>:][<fingerprint>...]",
        maximum=MANY,
        flags=(FORMAT,),
        description="Without an image: list those that can still be brought back.",
    )
}
