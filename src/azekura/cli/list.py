"""``lxc list``."""

from __future__ import annotations

import sys

from azekura.cli.command import FORMAT, MANY, TEXT, Command, Flag
from azekura.cli.natural import sort_rows
from azekura.cli.table import FORMATS, render
from azekura.errors import InvalidRequest

TYPE_CHECKING = False
if TYPE_CHECKING:
    from azekura.cli.instance_columns import Column
    from azekura.cli.invocation import Invocation
    from azekura.client.envelope import Record

DEFAULT_COLUMNS = "ns46tSL"
FAST_COLUMNS = "nsacPt"


def run(call: Invocation) -> None:
    from azekura.cli.instance_columns import parse_columns

    options = call.options
    form = options.text("format")
    everywhere = options.switch("all-projects")
    if everywhere and call.options.given("project"):
        raise InvalidRequest("Can't specify --project with --all-projects")
    text = options.text("columns")
    if options.switch("fast"):
        if options.given("columns") and text != DEFAULT_COLUMNS:
            # an empty intersection of wishes: LXD refuses it too
            raise InvalidRequest("Can't specify --fast with --columns")
        text = FAST_COLUMNS
    is_default = text == DEFAULT_COLUMNS
    columns = parse_columns(text)
    if everywhere and is_default:
        columns = [*parse_columns("e"), *columns]
    arguments = call.arguments
    remote, first = call.split(arguments[0]) if arguments else (call.config.default_remote, "")
    words = ([first] if first else []) + arguments[1:]
    if form not in FORMATS:
        raise InvalidRequest(f'Invalid format "{form}"')
    instances = _fetch(call, remote, columns, form, everywhere=everywhere)
    if words:
        from azekura.cli.instance_filters import shown

        instances = [instance for instance in instances if shown(instance, words)]
    if (
        "L" in text
        and not is_default
        and not (call.server(remote).info.get("environment") or {}).get("server_clustered")
    ):
        raise InvalidRequest("Can't specify column L when not clustered")
    if is_default and not any(instance.get("location", "none") not in ("", "none") for instance in instances):
        columns = [column for column in columns if column.title != "LOCATION"]
    rows: list[list[str]] = []
    if form in ("table", "compact", "csv"):
        rows = [[column.value(instance) for column in columns] for instance in instances]
        sort_rows(rows)
    sys.stdout.write(render(form, [column.title for column in columns], rows, instances))


def _fetch(call: Invocation, remote: str, columns: list[Column], form: str, *, everywhere: bool) -> list[Record]:
    server = call.server(remote)
    whole = form in ("json", "yaml") or any(column.needs_state for column in columns)
    query = {"recursion": "2" if whole else "1"}
    if everywhere:
        query["all-projects"] = "true"
    found: list[Record] = server.get("instances", query)
    return found


COMMANDS = {
    "list": Command(
        "List instances",
        run,
        usage="[<remote>:] [<filter>...]",
        maximum=MANY,
        flags=(
            Flag("all-projects", "Instances of all projects"),
            Flag("columns", "Columns, by their letters", short="c", kind=TEXT, default=DEFAULT_COLUMNS),
            Flag("fast", f"Only what is told quickly (--columns={FAST_COLUMNS})"),
            FORMAT,
        ),
        description=(
            "A filter is the beginning of a name, a regular expression for it, or key=value: a setting (each part of\n"
            "the key may be cut short, the value is a regular expression), or one of type, status, architecture,\n"
            "location, ipv4 and ipv6 (several values with commas). An instance must pass all.\n\n"
            "Columns:\n"
            "    4 - IPv4 addresses          M - memory in use (%)\n"
            "    6 - IPv6 addresses          n - name\n"
            "    a - architecture            N - number of processes\n"
            "    b - storage pool            p - process id of its init\n"
            "    c - date of creation        P - profiles\n"
            "    d - description             s - state\n"
            "    D - disk in use             S - number of snapshots\n"
            "    e - project                 t - type\n"
            "    f - base image (12 digits)  u - seconds of CPU used\n"
            "    F - base image (whole)      L - cluster member\n"
            "    l - date of last use        m - memory in use\n\n"
            "KEY[:NAME[:WIDTH]] shows a setting, devices:NAME.KEY a setting of a device; columns are parted by commas."
        ),
        examples=(
            ("lxc list -c ns4,image.os,user.owner:OWNER", "With two settings as columns"),
            ("lxc list status=running web", "Running instances whose names begin with web"),
        ),
    )
}
