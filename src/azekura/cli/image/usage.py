"""``lxc image usage``: what images take up, and why they are kept."""

from __future__ import annotations

import sys

from azekura.cli.command import FORMAT, Command
from azekura.cli.natural import sort_rows
from azekura.cli.output import byte_size
from azekura.cli.table import render

TYPE_CHECKING = False
if TYPE_CHECKING:
    from azekura.cli.invocation import Invocation
    from azekura.client.envelope import Record


def _kept_by(image: Record) -> str:
    reasons = [str(user) for user in image.get("used_by") or ()]
    if image.get("pinned"):
        reasons.append("pin")
    if image.get("deleted"):
        reasons.append("deleted, can be brought back")
    return "\n".join(reasons)


def run(call: Invocation) -> None:
    remote, _ = call.split(call.argument(0))
    usage = call.server(remote).get("images/usage")
    form = call.options.text("format")
    rows = [
        [
            "\n".join(sorted(_alias_names(image))),
            str(image["fingerprint"])[:12],
            byte_size(int(image.get("size", 0))),
            byte_size(int(image.get("unique", 0))),
            byte_size(int(image.get("shared", 0))),
            _kept_by(image),
        ]
        for image in usage.get("images") or ()
    ]
    sort_rows(rows)
    header = ["ALIASES", "FINGERPRINT", "SIZE", "UNIQUE", "SHARED", "KEPT BY"]
    sys.stdout.write(render(form, header, rows, usage))
    if form == "table":
        totals = ("logical", "unique", "shared", "reclaimable")
        call.say("  ".join(f"{name}: {byte_size(int(usage.get(name, 0)))}" for name in totals))


def _alias_names(image: Record) -> list[str]:
    return [str(alias["name"]) if isinstance(alias, dict) else str(alias) for alias in image.get("aliases") or ()]


COMMANDS = {
    "usage": Command(
        "Show what images take up, and what keeps them",
        run,
        usage="[<remote>:]",
        maximum=1,
        flags=(FORMAT,),
        description=(
            "SIZE is what the image's files hold, UNIQUE what would be freed without it, SHARED what others hold too.\n"
            "The last line sums up: logical (all sizes), unique, shared, and reclaimable (what prune could free)."
        ),
    )
}
