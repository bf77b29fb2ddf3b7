"""``lxd activateifneeded``: what a service manager runs at boot where the daemon otherwise starts with its socket.

It looks into the catalog itself and, when something there wants the daemon, makes a connection to the socket, which a
service manager that listens there answers by starting it.
"""

from __future__ import annotations

import logging

from azekura.catalog import open_catalog
from azekura.errors import AzekuraError
from azekura.model.instance import expand_config
from azekura.services.settings import Settings, truth
from azekura.services.state_folder import StateFolder

log = logging.getLogger("azekura.activation")


def activate_if_needed(folder: StateFolder) -> None:
    """Wake the daemon up if it has something to do.

    Raises:
        AzekuraError: the catalog can't be read, or nobody listens at the socket.
    """
    if folder.catalog == folder.database and not folder.database.exists():
        log.debug("No DB, so no need to start the daemon now.")
        return
    reason = _reason(folder)
    if not reason:
        log.debug("No need to start the daemon now")
        return
    log.debug("Daemon has %s, activating...", reason)
    from azekura.client.server import Server

    Server(f"unix://{folder.socket}").get("/1.0")


def _reason(folder: StateFolder) -> str:
    """What the daemon is needed for; empty when nothing is."""
    catalog = open_catalog(folder.catalog)
    try:
        if Settings(catalog).get("core.https_address"):
            return "core.https_address set"
        with catalog.read() as tx:
            profiles = {one.name: one for one in tx.profiles.list()}
            configs = [
                expand_config([profiles[name] for name in one.profiles if name in profiles], one.config)
                for one in tx.instances.list()
            ]
    finally:
        catalog.close()
    for config in configs:
        autostart = config.get("boot.autostart", "")
        if truth(autostart) if autostart else config.get("volatile.last_state.power") == "RUNNING":
            return "auto-started instances"
    if any(config.get("snapshots.schedule") for config in configs):
        return "scheduled instance snapshots"
    return ""


def run(folder: StateFolder) -> int:
    """The command; where nobody listens there is nothing to wake."""
    try:
        activate_if_needed(folder)
    except AzekuraError as exc:
        log.debug("the daemon was not reached: %s", exc)
        return 1
    return 0
