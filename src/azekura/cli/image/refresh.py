"""``lxc image refresh``: look whether the source of an image has a newer one."""

from __future__ import annotations

from azekura.cli.command import MANY, Command
from azekura.cli.image.reference import dereference, need_name
from azekura.client.address import quote

TYPE_CHECKING = False
if TYPE_CHECKING:
    from azekura.cli.invocation import Invocation


def run(call: Invocation) -> None:
    for argument in call.arguments:
        server, name = call.locate(argument)
        need_name(name, "Image identifier missing")
        server.require("image_force_refresh")
        progress = call.progress("Refreshing the image: %s")
        try:
            path = f"images/{quote(dereference(server, name))}/refresh"
            operation = server.run("POST", path, {}, watcher=progress)
        finally:
            if progress is not None:
                progress.done()
        refreshed = (operation.get("metadata") or {}).get("refreshed")
        call.say("Image refreshed successfully!" if refreshed else "Image already up to date.")


COMMANDS = {
    "refresh": Command(
        "Bring images up to date from where they came from",
        run,
        usage="[<remote>:]<image> [[<remote>:]<image>...]",
        minimum=1,
        maximum=MANY,
    )
}
