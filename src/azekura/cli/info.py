"""``lxc info``: an instance, or the server."""

from __future__ import annotations

import sys

from azekura.cli.command import TEXT, Command, Flag
from azekura.cli.instance import path_of
from azekura.cli.instance_columns import ACTIVE
from azekura.cli.output import byte_size, decimal_size, is_set, short_date, yes_no
from azekura.cli.table import render

TYPE_CHECKING = False
if TYPE_CHECKING:
    from azekura.cli.invocation import Invocation
    from azekura.client.envelope import Record
    from azekura.client.server import Server


def run(call: Invocation) -> None:
    remote, name = call.split(call.arguments[0]) if call.arguments else (call.config.default_remote, "")
    server = call.server(remote)
    if name:
        _instance(call, server, name)
        return
    if call.options.switch("resources"):
        from azekura.cli.server_resources import resources_text

        sys.stdout.write(resources_text(server.get("resources")))
        return
    from azekura.cli.yaml_output import dump

    sys.stdout.write(dump(server.info))


def _instance(call: Invocation, server: Server, name: str) -> None:
    instance = server.get(path_of(name), {"recursion": "1"})
    if "state" not in instance:  # servers before "instance_get_full"
        instance["state"] = server.get(f"{path_of(name)}/state")
        instance["snapshots"] = server.get(f"{path_of(name)}/snapshots", {"recursion": "1"})
    state = instance.get("state") or {}
    print(f"Name: {instance['name']}")
    print(f"Status: {str(instance.get('status', '')).upper()}")
    print(f"Type: {instance.get('type') or 'container'}{' (ephemeral)' if instance.get('ephemeral') else ''}")
    print(f"Architecture: {instance.get('architecture', '')}")
    if instance.get("location") not in (None, "", "none"):
        print(f"Location: {instance['location']}")
    if state.get("pid"):
        print(f"PID: {state['pid']}")
    if is_set(instance.get("created_at")):
        print(f"Created: {short_date(instance['created_at'], local=True)}")
    if is_set(instance.get("last_used_at")):
        print(f"Last Used: {short_date(instance['last_used_at'], local=True)}")
    if instance.get("status_code") in ACTIVE and state.get("pid"):
        print("\nResources:")
        _resources(state)
    _snapshots(instance.get("snapshots") or [])
    if call.options.switch("show-log"):
        _log(server, name)


def _resources(state: Record) -> None:
    if state.get("processes"):
        print(f"  Processes: {state['processes']}")
    disks = [(name, disk["usage"]) for name, disk in (state.get("disk") or {}).items() if disk.get("usage")]
    if disks:
        print("  Disk usage:")
        for name, usage in disks:
            print(f"    {name}: {byte_size(usage)}")
    if (state.get("cpu") or {}).get("usage"):
        print(f"  CPU usage:\n    CPU usage (in seconds): {state['cpu']['usage'] // 1_000_000_000}")
    memory = state.get("memory") or {}
    titles = (
        ("Memory (current)", "usage"),
        ("Memory (peak)", "usage_peak"),
        ("Swap (current)", "swap_usage"),
        ("Swap (peak)", "swap_usage_peak"),
    )
    shown = [(title, memory[key]) for title, key in titles if memory.get(key)]
    if shown:
        print("  Memory usage:")
        for title, size in shown:
            print(f"    {title}: {byte_size(size)}")
    networks = state.get("network") or {}
    if networks:
        print("  Network usage:")
        for name in sorted(networks):
            _network(name, networks[name])


def _network(name: str, network: Record) -> None:
    counters = network.get("counters") or {}
    print(f"    {name}:")
    print(f"      Type: {network.get('type', '')}")
    print(f"      State: {str(network.get('state', '')).upper()}")
    if network.get("host_name"):
        print(f"      Host interface: {network['host_name']}")
    if network.get("hwaddr"):
        print(f"      MAC address: {network['hwaddr']}")
    if network.get("mtu"):
        print(f"      MTU: {network['mtu']}")
    print(f"      Bytes received: {decimal_size(counters.get('bytes_received', 0))}")
    print(f"      Bytes sent: {decimal_size(counters.get('bytes_sent', 0))}")
    print(f"      Packets received: {counters.get('packets_received', 0)}")
    print(f"      Packets sent: {counters.get('packets_sent', 0)}")
    print("      IP addresses:")
    for address in network.get("addresses") or ():
        family = f"{address['family']}:"
        print(f"        {family:<6} {address['address']}/{address['netmask']} ({address['scope']})")


def _snapshots(snapshots: list[Record]) -> None:
    if not snapshots:
        return
    rows = [
        [
            str(snapshot["name"]).rpartition("/")[2],
            short_date(snapshot["created_at"], local=True) if is_set(snapshot.get("created_at")) else "",
            short_date(snapshot["expires_at"], local=True) if is_set(snapshot.get("expires_at")) else "",
            yes_no(bool(snapshot.get("stateful"))),
        ]
        for snapshot in sorted(snapshots, key=lambda snapshot: str(snapshot.get("created_at", "")))
    ]
    print("\nSnapshots:")
    sys.stdout.write(render("table", ["NAME", "TAKEN AT", "EXPIRES AT", "STATEFUL"], rows, None))


def _log(server: Server, name: str) -> None:
    answer = server.open("GET", f"{path_of(name)}/logs/lxc.log")
    try:
        if answer.status != 200:
            from azekura.client.envelope import ANSWER_LIMIT, open_envelope

            open_envelope(answer.status, answer.read(ANSWER_LIMIT))
        sys.stdout.write("\nLog:\n\n")
        sys.stdout.flush()
        while block := answer.read_some():
            sys.stdout.buffer.write(block)
        sys.stdout.buffer.write(b"\n")
    finally:
        answer.close()


COMMANDS = {
    "info": Command(
        "Show an instance, or the server",
        run,
        usage="[<remote>:][<instance>]",
        maximum=1,
        flags=(
            Flag("resources", "What the server has: processors, memory, disks …"),
            Flag("show-log", "The log of the instance's last start too"),
            Flag("target", "Cluster member", kind=TEXT),
        ),
    )
}
