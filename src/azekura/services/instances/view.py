"""What the API shows of instances: record, state, snapshots."""

from __future__ import annotations

from typing import Any

from azekura.catalog import Transaction
from azekura.errors import AzekuraError, NotFound
from azekura.model.instance import Instance, InstanceStatus, Profile
from azekura.runtime.network import Interface
from azekura.services.depot import Depot
from azekura.services.instances.copies import snapshot_to_json
from azekura.services.instances.lifecycle import Lifecycle
from azekura.wire.instances import instance_to_json


def _profiles(tx: Transaction, instance: Instance, known: dict[str, Profile]) -> list[Profile]:
    found = []
    for name in instance.profiles:
        if name not in known:
            try:
                known[name] = tx.profiles.get(name)
            except NotFound:
                continue
        found.append(known[name])
    return found


def show_instances(depot: Depot, lifecycle: Lifecycle, *, full: bool) -> list[dict[str, Any]]:
    """All instances, with state and snapshots where ``full``."""
    known: dict[str, Profile] = {}
    with depot.catalog.read() as tx:
        rows = [
            (instance, _profiles(tx, instance, known), tx.instances.list_snapshots(instance.name) if full else [])
            for instance in tx.instances.list()
        ]
    shown = []
    for instance, profiles, snapshots in rows:
        view = instance_to_json(instance, profiles, lifecycle.status(instance.name))
        if full:
            view["backups"] = None
            view["state"] = instance_state(depot, lifecycle, instance)
            view["snapshots"] = [snapshot_to_json(profiles, snapshot) for snapshot in snapshots] or None
        shown.append(view)
    return shown


def show_instance(
    depot: Depot, lifecycle: Lifecycle, name: str, *, full: bool = False
) -> tuple[Instance, dict[str, Any]]:
    """One instance and its view.

    Raises:
        NotFound: no such instance.
    """
    with depot.catalog.read() as tx:
        instance = tx.instances.get(name)
        profiles = _profiles(tx, instance, {})
        snapshots = tx.instances.list_snapshots(name) if full else []
    view = instance_to_json(instance, profiles, lifecycle.status(name))
    if full:
        view["backups"] = None
        view["state"] = instance_state(depot, lifecycle, instance)
        view["snapshots"] = [snapshot_to_json(profiles, snapshot) for snapshot in snapshots] or None
    return instance, view


def instance_state(depot: Depot, lifecycle: Lifecycle, instance: Instance) -> dict[str, Any]:
    """The state as ``GET /1.0/instances/NAME/state`` shows it."""
    status = lifecycle.status(instance.name)
    view: dict[str, Any] = {
        "status": status.value,
        "status_code": status.code,
        "disk": {},
        "memory": {"usage": 0, "usage_peak": 0, "swap_usage": 0, "swap_usage_peak": 0},
        "network": None,
        "pid": 0,
        "processes": 0,
        "cpu": {"usage": 0},
    }
    try:
        usage = depot.pools.of(instance).usage(instance.name)
        view["disk"] = {"root": {"usage": usage}}
    except AzekuraError:
        pass
    if depot.host is None or status is InstanceStatus.STOPPED:
        return view
    state = depot.host.state(instance.name)
    view["memory"]["usage"] = state.memory_bytes
    view["memory"]["usage_peak"] = state.memory_peak
    view["network"] = {interface.name: _interface(interface) for interface in state.network}
    view["pid"] = state.init_pid
    view["processes"] = state.processes
    view["cpu"]["usage"] = state.cpu_ns
    return view


def _interface(interface: Interface) -> dict[str, Any]:
    counters = interface.counters
    return {
        "addresses": [
            {"family": one.family, "address": one.address, "netmask": one.netmask, "scope": one.scope}
            for one in interface.addresses
        ],
        "counters": {
            "bytes_received": counters.bytes_received,
            "bytes_sent": counters.bytes_sent,
            "packets_received": counters.packets_received,
            "packets_sent": counters.packets_sent,
            "errors_received": counters.errors_received,
            "errors_sent": counters.errors_sent,
            "packets_dropped_outbound": counters.packets_dropped_outbound,
            "packets_dropped_inbound": counters.packets_dropped_inbound,
        },
        "hwaddr": interface.hwaddr,
        "host_name": interface.host_name,
        "mtu": interface.mtu,
        "state": interface.state,
        "type": interface.type,
    }
