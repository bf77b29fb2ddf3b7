"""``lxc image alias …``: names of images, and where they pointed before."""

from __future__ import annotations

import sys

from azekura.cli.command import FORMAT, INTEGER, MANY, TEXT, Command, Flag
from azekura.cli.image.reference import dereference, fetch
from azekura.cli.natural import sort_rows
from azekura.cli.output import short_date
from azekura.cli.table import render
from azekura.client.address import quote
from azekura.errors import InvalidRequest

TYPE_CHECKING = False
if TYPE_CHECKING:
    from azekura.cli.invocation import Invocation
    from azekura.client.envelope import Record
    from azekura.client.server import Server


def _alias(call: Invocation) -> tuple[Server, str]:
    server, name = call.locate(call.arguments[0])
    if not name:
        raise InvalidRequest("Alias name missing")
    return server, name


def create(call: Invocation) -> None:
    server, name = _alias(call)
    server.post("images/aliases", {"name": name, "description": "", "target": call.arguments[1]})


def delete(call: Invocation) -> None:
    server, name = _alias(call)
    server.delete(f"images/aliases/{quote(name)}")


def rename(call: Invocation) -> None:
    server, name = _alias(call)
    server.post(f"images/aliases/{quote(name)}", {"name": call.arguments[1]})


def list_aliases(call: Invocation) -> None:
    arguments = call.arguments
    remote, first = call.split(arguments[0]) if arguments else (call.config.default_remote, "")
    words = ([first] if first else []) + arguments[1:]
    entries = [entry for entry in _entries(call, remote) if not words or any(_has(entry, word) for word in words)]
    rows = [
        [
            str(entry["name"]),
            str(entry["target"])[:12],
            str(entry.get("type") or "container").upper(),
            str(entry.get("description", "")),
        ]
        for entry in entries
    ]
    sort_rows(rows)
    header = ["ALIAS", "FINGERPRINT", "TYPE", "DESCRIPTION"]
    sys.stdout.write(render(call.options.text("format"), header, rows, entries))


def _entries(call: Invocation, remote: str) -> list[Record]:
    if call.config.remote(remote).is_simplestreams:
        from azekura.cli.remote_images import list_aliases as list_remote

        return list_remote(call, remote)
    entries: list[Record] = call.server(remote).get("images/aliases", {"recursion": "1"})
    return entries


def _has(entry: Record, word: str) -> bool:
    return word in str(entry["name"]) or word in str(entry["target"])


def move(call: Invocation) -> None:
    server, name = _alias(call)
    order: Record = {"target": dereference(server, call.arguments[1])}
    if call.options.given("expect"):
        expected = call.options.text("expect")
        order["expect"] = fetch(server, expected)[0]["fingerprint"] if expected else None
    answer = server.post(f"images/aliases/{quote(name)}/move", order)
    before, after = answer.get("previous"), str(answer.get("target"))
    if before == after:
        call.say(f"{name} stays at {after[:12]}")
    else:
        call.say(f"{name} moved from {str(before)[:12]} to {after[:12]}" if before else f"{name} set to {after[:12]}")


def history(call: Invocation) -> None:
    server, name = _alias(call)
    moves = server.get(f"images/aliases/{quote(name)}/history")
    rows = [
        [
            short_date(str(entry.get("moved_at", ""))),
            str(entry.get("target") or "")[:12],
            str(entry.get("reason") or ""),
        ]
        for entry in moves
    ]
    sys.stdout.write(render(call.options.text("format"), ["MOVED AT", "FINGERPRINT", "REASON"], rows, moves))


def rollback(call: Invocation) -> None:
    server, name = _alias(call)
    answer = server.post(f"images/aliases/{quote(name)}/rollback", {"steps": call.options.number("steps")})
    call.say(f"{name} moved from {str(answer.get('previous'))[:12]} back to {str(answer.get('target'))[:12]}")


_ALIAS = "[<remote>:]<alias>"
COMMANDS = {
    "create": Command("Give an image a name", create, usage=f"{_ALIAS} <fingerprint>", minimum=2, maximum=2),
    "delete": Command("Take a name away", delete, usage=_ALIAS, minimum=1, maximum=1),
    "history": Command(
        "Show where an alias pointed before", history, usage=_ALIAS, minimum=1, maximum=1, flags=(FORMAT,)
    ),
    "list": Command(
        "List aliases",
        list_aliases,
        usage="[<remote>:] [<filters>...]",
        maximum=MANY,
        flags=(FORMAT,),
        description="A filter is a part of an alias or of a fingerprint; one that fits is enough.",
    ),
    "rename": Command("Rename an alias", rename, usage=f"{_ALIAS} <new-name>", minimum=2, maximum=2),
    "rollback": Command(
        "Point an alias where it pointed before",
        rollback,
        usage=_ALIAS,
        minimum=1,
        maximum=1,
        flags=(Flag("steps", "How many moves to take back", kind=INTEGER, default="1"),),
    ),
    "set": Command(
        "Point an alias at an image, in one step",
        move,
        usage=f"{_ALIAS} <image>",
        minimum=2,
        maximum=2,
        flags=(
            Flag("expect", "Only if it points at this image now (empty: only if there is no such alias)", kind=TEXT),
        ),
        description="The alias is made if there is none. Whoever looks it up meanwhile sees the old image or the new.",
    ),
}
