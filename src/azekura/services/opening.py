"""Bringing the depot up, and down again."""

from __future__ import annotations

import logging
from pathlib import Path

from azekura.blobs.folder import FolderBlobs
from azekura.catalog import open_catalog
from azekura.errors import AzekuraError, NotFound, RuntimeFailed
from azekura.model.instance import Profile, expand_config
from azekura.runtime.lxc import LxcRuntime
from azekura.runtime.port import Runtime
from azekura.services.depot import Depot
from azekura.services.events import Events
from azekura.services.images.removal import collect_deleted
from azekura.services.instances.lifecycle import Lifecycle
from azekura.services.instances.records import update_record
from azekura.services.operations import Operations
from azekura.services.pools import Pools
from azekura.services.settings import truth
from azekura.services.state_folder import StateFolder

log = logging.getLogger("azekura.opening")

BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


def open_depot(folder: StateFolder, *, host: Runtime | None = None) -> Depot:
    """Open the state folder, put right what a crash left, and find what still runs.

    Raises:
        HostError, StorageFailed: the folder can't be used.
    """
    folder.create()
    catalog = open_catalog(folder.catalog)
    blobs = FolderBlobs(folder.blobs)
    events = Events(catalog)
    operations = Operations(catalog, events)
    problem: RuntimeFailed | None = None
    if host is None:
        host, problem = _open_runtime(folder)
    depot = Depot(
        folder=folder,
        catalog=catalog,
        blobs=blobs,
        pools=Pools(catalog, folder),
        events=events,
        operations=operations,
        host=host,
        host_problem=problem,
    )
    operations.adopt_orphans()
    if swept := blobs.sweep():
        log.info("removed %d unfinished downloads or uploads", swept)
    _default_profile(depot)
    depot.pools.recover()
    collect_deleted(depot)
    return depot


def _open_runtime(folder: StateFolder) -> tuple[Runtime | None, RuntimeFailed | None]:
    runtime = LxcRuntime(folder.runtime)
    try:
        runtime.check()
    except RuntimeFailed as exc:
        runtime.close()
        return None, exc
    return runtime, None


def _default_profile(depot: Depot) -> None:
    with depot.catalog.write() as tx:
        try:
            tx.profiles.get("default")
        except NotFound:
            tx.profiles.create(Profile("default", "Default LXD profile"))


def close_depot(depot: Depot) -> None:
    """End what runs in this process; containers go on."""
    depot.operations.close()
    if depot.host is not None:
        depot.host.close()
    depot.catalog.close()


def recover_instances(depot: Depot, lifecycle: Lifecycle) -> list[str]:
    """Find containers that still run, clean up after those that ended, and name those that should be started.

    After a reboot of the host, or ``lxd shutdown``, that is what ran before, and what has ``boot.autostart``.
    """
    if depot.host is None:
        return []
    alive = set(depot.host.recover())
    lifecycle.watch()
    fresh_boot = _is_fresh_boot(depot)
    wanted: list[tuple[int, str]] = []
    with depot.catalog.read() as tx:
        instances = tx.instances.list()
        profiles = {one.name: one for one in tx.profiles.list()}
    for instance in instances:
        if instance.name in alive:
            lifecycle.enforce_limits(instance.name)
            continue
        config = expand_config([profiles[one] for one in instance.profiles if one in profiles], instance.config)
        autostart = config.get("boot.autostart", "")
        ran = instance.config.get("volatile.last_state.power") == "RUNNING"
        driver = depot.pools.of(instance)
        if driver.is_mounted(instance.name):
            driver.unmount(instance.name)
        if instance.ephemeral and ran:
            lifecycle.delete(instance.name)
        elif fresh_boot and (truth(autostart) if autostart else ran):
            wanted.append((-int(config.get("boot.autostart.priority", "0") or 0), instance.name))
        elif ran:
            update_record(depot, instance.name, {"volatile.last_state.power": "STOPPED"})
    return [name for _, name in sorted(wanted)]


def autostart(lifecycle: Lifecycle, names: list[str]) -> None:
    """Start containers, one after another; a failure is logged and the others go on."""
    for name in names:
        try:
            lifecycle.start(name)
        except AzekuraError as exc:
            log.error("%s was not started: %s", name, exc)


def _is_fresh_boot(depot: Depot) -> bool:
    """Whether the host was booted, or all containers were stopped by ``lxd shutdown``, since we last ran."""
    mark = depot.folder.root / "boot-id"
    now = BOOT_ID.read_text().strip() if BOOT_ID.exists() else ""
    before = mark.read_text().strip() if mark.exists() else ""
    temporary = mark.with_name(".boot-id")
    temporary.write_text(now)
    temporary.replace(mark)
    return before != now


def stop_all(depot: Depot, lifecycle: Lifecycle, timeout: float) -> None:
    """``lxd shutdown``: stop every container cleanly (then by force), remembering that they shall start again."""
    if depot.host is None:
        return
    with depot.catalog.read() as tx:
        names = [instance.name for instance in tx.instances.list()]
    for name in [name for name in names if lifecycle.is_running(name)]:
        try:
            lifecycle.stop(name, timeout=timeout, force=False)
        except AzekuraError:
            try:
                lifecycle.stop(name, timeout=None, force=True)
            except AzekuraError as exc:
                log.error("%s was not stopped: %s", name, exc)
                continue
        try:
            update_record(depot, name, {"volatile.last_state.power": "RUNNING"})
        except NotFound:
            continue  # it was ephemeral
    (depot.folder.root / "boot-id").write_text("shutdown")
