"""``lxd init``: the set-up, chosen by what the machine really can do, or given as YAML."""

from __future__ import annotations

import argparse
import sys
from typing import Any

import yaml

from azekura.client.server import Server
from azekura.errors import InvalidRequest, NotFound, Unsupported
from azekura.services.state_folder import StateFolder
from azekura.storage.probe import probe
from azekura.wire.fields import Body

MAX_PRESEED = 1 << 20


def run_init(folder: StateFolder, options: argparse.Namespace) -> int:
    """Set the running daemon up through its API, as any client could.

    Raises:
        AzekuraError: one reason; what was set before stays set.
    """
    server = Server(f"unix://{folder.socket}")
    if options.dump:
        print(yaml.safe_dump(_dump(server), sort_keys=False), end="")
        return 0
    if options.preseed:
        text = sys.stdin.read(MAX_PRESEED + 1)
        if len(text) > MAX_PRESEED:
            raise InvalidRequest("The preseed is larger than 1 MiB")
        try:
            preseed = yaml.safe_load(text)
        except (yaml.YAMLError, RecursionError) as exc:
            raise InvalidRequest(f"The preseed is not YAML: {str(exc)[:200]}") from exc
        apply_preseed(server, preseed or {})
        return 0
    if not options.auto and not options.minimal:
        from azekura.daemon.init_questions import ask_everything

        apply_preseed(server, ask_everything(server, probe(folder.pools)))
        return 0
    apply_preseed(server, automatic(server, folder, options))
    return 0


def automatic(server: Server, folder: StateFolder, options: argparse.Namespace) -> dict[str, Any]:
    """The set-up for this machine, and a line on standard output that says what was chosen and why."""
    preseed: dict[str, Any] = {"config": {}}
    if options.network_address:
        host = f"[{options.network_address}]" if ":" in options.network_address else options.network_address
        preseed["config"]["core.https_address"] = f"{host}:{options.network_port}"
        if options.trust_password:
            preseed["config"]["core.trust_password"] = options.trust_password
    pools = server.get("storage-pools")
    if pools:
        print("A storage pool is there already: it stays as it is")
        return preseed
    driver = options.storage_backend
    if driver is None:
        support = probe(folder.pools)
        driver = support.best
        if driver is None:
            print("No storage pool was made: this server keeps images and runs no containers")
            for reason in support.reasons:
                print(f"  {reason}")
            return preseed
        print(f"Storage driver: {driver}")
        for reason in support.reasons:
            print(f"  {reason}")
    preseed["storage_pools"] = [{"name": options.storage_pool, "driver": driver}]
    preseed["profiles"] = [
        {"name": "default", "devices": {"root": {"type": "disk", "path": "/", "pool": options.storage_pool}}}
    ]
    return preseed


def apply_preseed(server: Server, raw: Any) -> None:
    """Apply LXD's preseed: config, storage pools, profiles. What is there already is updated.

    Raises:
        InvalidRequest: malformed; Unsupported: networks, projects or a cluster are asked for.
    """
    body = Body(raw, "preseed")
    # LXD's dump names the project that is always there
    if {project.text("name") for project in body.bodies("projects")} - {"default"}:
        raise Unsupported('This server has no projects beyond "default" to set up: leave the others out of the preseed')
    for key in ("networks", "cluster"):
        if body.raw.get(key):
            raise Unsupported(f'This server has no {key} to set up: leave "{key}" out of the preseed')
    config = body.mapping("config")
    if config:
        server.patch("/1.0", {"config": config})
    for pool in body.bodies("storage_pools"):
        _apply_pool(server, pool)
    for profile in body.bodies("profiles"):
        _apply_profile(server, profile)


def _apply_pool(server: Server, pool: Body) -> None:
    name = pool.text("name")
    try:
        present = server.get(f"storage-pools/{name}")
    except NotFound:
        server.post(
            "storage-pools",
            {
                "name": name,
                "driver": pool.text("driver"),
                "config": pool.mapping("config"),
                "description": pool.text("description"),
            },
        )
        return
    if pool.text("driver", present["driver"]) != present["driver"]:
        raise InvalidRequest(f'Storage pool "{name}" is there already, with the driver {present["driver"]}')
    server.patch(f"storage-pools/{name}", {"config": pool.mapping("config")})


def _apply_profile(server: Server, profile: Body) -> None:
    name = profile.text("name")
    wanted = {
        "description": profile.text("description"),
        "config": profile.mapping("config"),
        "devices": profile.devices("devices"),
    }
    try:
        present = server.get(f"profiles/{name}")
    except NotFound:
        server.post("profiles", {"name": name, **wanted})
        return
    server.put(
        f"profiles/{name}",
        {
            "description": wanted["description"] or present["description"],
            "config": {**present["config"], **profile.mapping("config")},
            "devices": {**present["devices"], **profile.devices("devices")},
        },
    )


def _dump(server: Server) -> dict[str, Any]:
    info = server.get("/1.0")
    pools = server.get("storage-pools", {"recursion": "1"})
    profiles = server.get("profiles", {"recursion": "1"})
    return {
        "config": info["config"],
        "networks": [],
        "storage_pools": [{key: pool[key] for key in ("config", "description", "name", "driver")} for pool in pools],
        "profiles": [
            {key: profile[key] for key in ("config", "description", "devices", "name")} for profile in profiles
        ],
        "projects": [
            {key: project[key] for key in ("config", "description", "name")}
            for project in server.get("projects", {"recursion": "1"})
        ],
    }
