"""``lxc alias …``: shorthands of the user's own."""

from __future__ import annotations

import sys

from azekura.cli.command import FORMAT, Command
from azekura.cli.natural import sort_rows
from azekura.cli.table import render
from azekura.errors import AlreadyExists, NotFound

TYPE_CHECKING = False
if TYPE_CHECKING:
    from azekura.cli.invocation import Invocation


def _existing(call: Invocation) -> str:
    name = call.arguments[0]
    if name not in call.config.aliases:
        raise NotFound("alias", name, message=f"Alias {name} doesn't exist")
    return name


def add(call: Invocation) -> None:
    name, meaning = call.arguments
    if name in call.config.aliases:
        raise AlreadyExists("alias", name, message=f"Alias {name} already exists")
    call.config.aliases[name] = meaning
    call.config.save()


def list_aliases(call: Invocation) -> None:
    aliases = call.config.aliases
    rows = [[name, meaning] for name, meaning in aliases.items()]
    sort_rows(rows)
    raw = dict(sorted(aliases.items()))
    sys.stdout.write(render(call.options.text("format"), ["ALIAS", "TARGET"], rows, raw))


def remove(call: Invocation) -> None:
    del call.config.aliases[_existing(call)]
    call.config.save()


def rename(call: Invocation) -> None:
    name, new_name = _existing(call), call.arguments[1]
    if new_name in call.config.aliases:
        raise AlreadyExists("alias", new_name, message=f"Alias {new_name} already exists")
    call.config.aliases[new_name] = call.config.aliases.pop(name)
    call.config.save()


COMMANDS = {
    "add": Command(
        "Add a shorthand",
        add,
        usage="<alias> <target>",
        minimum=2,
        maximum=2,
        examples=(('lxc alias add running "list status=running"', ""),),
    ),
    "list": Command("List shorthands", list_aliases, flags=(FORMAT,)),
    "remove": Command("Remove a shorthand", remove, usage="<alias>", minimum=1, maximum=1),
    "rename": Command("Rename a shorthand", rename, usage="<old alias> <new alias>", minimum=2, maximum=2),
}
