"""``lxc network list``. Networks are made and changed with the system's own tools, not here."""

from __future__ import annotations

import sys

from azekura.cli.command import FORMAT, Command
from azekura.cli.natural import sort_rows
from azekura.cli.output import yes_no
from azekura.cli.table import render

TYPE_CHECKING = False
if TYPE_CHECKING:
    from azekura.cli.invocation import Invocation


def list_networks(call: Invocation) -> None:
    remote, _ = call.split(call.argument(0))
    networks = call.server(remote).get("networks", {"recursion": "1"})
    rows = [
        [
            str(network["name"]),
            str(network.get("type", "")),
            yes_no(bool(network.get("managed"))),
            str((network.get("config") or {}).get("ipv4.address", "")),
            str((network.get("config") or {}).get("ipv6.address", "")),
            str(network.get("description", "")),
            str(len(network.get("used_by") or ())),
            str(network.get("status", "")).upper(),
        ]
        for network in networks
        if network.get("type") not in ("loopback", "unknown")
    ]
    sort_rows(rows)
    header = ["NAME", "TYPE", "MANAGED", "IPV4", "IPV6", "DESCRIPTION", "USED BY", "STATE"]
    sys.stdout.write(render(call.options.text("format"), header, rows, networks))


COMMANDS = {"list": Command("List networks", list_networks, usage="[<remote>:]", maximum=1, flags=(FORMAT,))}
