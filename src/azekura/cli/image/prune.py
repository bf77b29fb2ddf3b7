"""``lxc image prune``: delete images that nothing needs, with a reason for each."""

from __future__ import annotations

import sys

from azekura.cli.command import FORMAT, TEXT, Command, Flag
from azekura.cli.natural import sort_rows
from azekura.cli.output import byte_size
from azekura.cli.table import render
from azekura.errors import InvalidRequest

TYPE_CHECKING = False
if TYPE_CHECKING:
    from azekura.cli.invocation import Invocation
    from azekura.client.envelope import Record

_DAYS = {"": 1, "d": 1, "w": 7, "m": 30, "y": 365}
_SIZES = {"": 1, "B": 1} | {
    f"{letter}{suffix}": base ** (power + 1)
    for power, letter in enumerate("kMGTP")
    for suffix, base in (("B", 1000), ("iB", 1024), ("", 1024))
}


def days(text: str) -> int:
    """``30d``, ``2w``, ``6m``, ``1y``, or a number of days.

    Raises:
        InvalidRequest: none of them.
    """
    number = text.rstrip("dwmy")
    unit = text[len(number) :]
    if not number.isdigit() or not number.isascii() or unit not in _DAYS:
        raise InvalidRequest(f'Not an age: "{text}" (30d, 2w and 6m are)')
    return int(number) * _DAYS[unit]


def size(text: str) -> int:
    """``5GiB`` in bytes.

    Raises:
        InvalidRequest: no size.
    """
    number = text.rstrip("kKMGTPiBb ")
    unit = text[len(number) :].strip().replace("K", "k").replace("b", "B")
    if not number.replace(".", "", 1).isdigit() or unit not in _SIZES:
        raise InvalidRequest(f'Not a size: "{text}" (5GiB and 500MB are)')
    return int(float(number) * _SIZES[unit])


def run(call: Invocation) -> None:
    options = call.options
    remote, _ = call.split(call.argument(0))
    order: Record = {
        "dry_run": options.switch("dry-run"),
        "older_than_days": days(options.text("older-than")) if options.text("older-than") else None,
        "unused": options.switch("unused"),
        "to_free": size(options.text("to-free")) if options.text("to-free") else None,
    }
    if order["older_than_days"] is None and not order["unused"] and order["to_free"] is None:
        raise InvalidRequest("Say what to prune: --unused, --older-than 30d or --to-free 5GiB")
    found = call.server(remote).post("images/prune", order) or []
    form = options.text("format")
    rows = [
        [
            "\n".join(
                sorted(str(alias["name"]) if isinstance(alias, dict) else str(alias) for alias in image["aliases"])
            ),
            str(image["fingerprint"])[:12],
            byte_size(int(image.get("size", 0))),
            "yes" if image.get("removed") else "no",
            str(image.get("reason", "")),
        ]
        for image in found
    ]
    sort_rows(rows)
    sys.stdout.write(render(form, ["ALIASES", "FINGERPRINT", "SIZE", "REMOVED", "REASON"], rows, found))
    if form == "table":
        removed = [image for image in found if image.get("removed") or order["dry_run"]]
        freed = byte_size(sum(int(image.get("size", 0)) for image in removed))
        words = "would be" if order["dry_run"] else "were"
        call.say(f"{len(removed)} images with {freed} {words} deleted")


COMMANDS = {
    "prune": Command(
        "Delete images that nothing needs",
        run,
        usage="[<remote>:]",
        maximum=1,
        flags=(
            Flag("dry-run", "Only show what would be deleted, and why"),
            FORMAT,
            Flag("older-than", "Images not used for so long: 30d, 2w, 6m", kind=TEXT),
            Flag("to-free", "As many as it takes to free so much: 5GiB", kind=TEXT),
            Flag("unused", "Images that no instance was made of"),
        ),
        description="Images that are pinned or in use are never deleted; others can be brought back for a while.",
    )
}
