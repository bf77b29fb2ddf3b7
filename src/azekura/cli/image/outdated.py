"""``lxc image outdated``: which images have a newer one where they came from."""

from __future__ import annotations

import sys

from azekura.cli.command import FORMAT, Command
from azekura.cli.natural import sort_rows
from azekura.cli.table import render

TYPE_CHECKING = False
if TYPE_CHECKING:
    from azekura.cli.invocation import Invocation

OUTDATED = 2  # exit code when there is something newer


def run(call: Invocation) -> int:
    remote, _ = call.split(call.argument(0))
    images = call.server(remote).get("images/outdated") or []
    rows = [
        [
            "\n".join(
                sorted(
                    str(alias["name"]) if isinstance(alias, dict) else str(alias)
                    for alias in image.get("aliases") or ()
                )
            ),
            str(image["fingerprint"])[:12],
            str(image.get("newer") or "")[:12],
            str(image.get("reason") or ""),
        ]
        for image in images
    ]
    sort_rows(rows)
    sys.stdout.write(render(call.options.text("format"), ["ALIASES", "FINGERPRINT", "NEWER", "REASON"], rows, images))
    return OUTDATED if images else 0


COMMANDS = {
    "outdated": Command(
        "Show which images have a newer one where they came from",
        run,
        usage="[<remote>:]",
        maximum=1,
        flags=(FORMAT,),
        description="Exit code 2 if there are any, 0 if there are none. REASON says why one was not updated by itself.",
    )
}
