"""``lxc operation …``."""

from __future__ import annotations

import sys

from azekura.cli.command import FORMAT, Command
from azekura.cli.natural import sort_rows
from azekura.cli.output import short_date, yes_no
from azekura.cli.table import render
from azekura.client.address import quote

TYPE_CHECKING = False
if TYPE_CHECKING:
    from azekura.cli.invocation import Invocation


def delete(call: Invocation) -> None:
    server, name = call.locate(call.arguments[0])
    server.delete(f"operations/{quote(name)}")
    call.say(f"Operation {name} deleted")


def list_operations(call: Invocation) -> None:
    remote, _ = call.split(call.argument(0))
    groups = call.server(remote).get("operations", {"recursion": "1"}) or {}
    operations = [operation for group in groups.values() for operation in group]
    rows = [
        [
            str(operation["id"]),
            str(operation.get("class", "")).upper(),
            str(operation.get("description", "")),
            str(operation.get("status", "")).upper(),
            yes_no(bool(operation.get("may_cancel"))),
            short_date(str(operation.get("created_at", ""))),
        ]
        for operation in operations
    ]
    sort_rows(rows)
    header = ["ID", "TYPE", "DESCRIPTION", "STATUS", "CANCELABLE", "CREATED"]
    sys.stdout.write(render(call.options.text("format"), header, rows, operations))


def show(call: Invocation) -> None:
    from azekura.cli.yaml_output import dump

    server, name = call.locate(call.arguments[0])
    record = server.get(f"operations/{quote(name)}")
    for key in ("resources", "metadata"):
        record[key] = record.get(key) or {}
    sys.stdout.write(dump(record))


_OPERATION = "[<remote>:]<operation>"
COMMANDS = {
    "delete": Command("Stop an operation", delete, usage=_OPERATION, minimum=1, maximum=1),
    "list": Command("List operations", list_operations, usage="[<remote>:]", maximum=1, flags=(FORMAT,)),
    "show": Command("Show an operation", show, usage=_OPERATION, minimum=1, maximum=1),
}
