"""Taking snapshots: when somebody asks, and when a schedule does."""

from __future__ import annotations

from datetime import datetime

from azekura.errors import AzekuraError, NotFound
from azekura.model.instance import InstanceStatus, expand_config
from azekura.services.depot import Depot
from azekura.services.instances.copies import create_snapshot
from azekura.services.instances.lifecycle import Lifecycle
from azekura.services.instances.profiles import load_profiles
from azekura.services.instances.snapshot_plans import expiry, is_due, snapshot_name
from azekura.services.settings import truth


def take_snapshot(depot: Depot, lifecycle: Lifecycle, name: str, snapshot: str, expires_at: datetime | None) -> str:
    """Keep the instance as it is now; a running one stands still meanwhile. Returns the snapshot's name.

    Without a name, ``snapshots.pattern`` gives it one; ``expires_at`` None is what ``snapshots.expiry`` says.

    Raises:
        NotFound: no such instance.
        AlreadyExists: the snapshot's name is taken.
        InvalidRequest: a name that can't be.
    """
    with depot.catalog.read() as tx:
        instance = tx.instances.get(name)
        config = expand_config(load_profiles(tx, instance.profiles), instance.config)
        taken = [one.name for one in tx.instances.list_snapshots(name)]
    now = depot.clock()
    if expires_at is None:
        expires_at = expiry(config.get("snapshots.expiry", ""), now)
    freeze = lifecycle.status(name) is InstanceStatus.RUNNING
    if freeze:
        lifecycle.freeze(name)  # a file system that stands still for the copy
    try:
        snapshot = snapshot or snapshot_name(config.get("snapshots.pattern", ""), now.astimezone(), taken)
        return create_snapshot(depot, name, snapshot, expires_at=expires_at)
    finally:
        if freeze:
            lifecycle.unfreeze(name)


def take_scheduled(depot: Depot, lifecycle: Lifecycle, now: datetime) -> list[str]:
    """Take the snapshots whose schedule names the minute of ``now`` (local time). Returns what went wrong."""
    with depot.catalog.read() as tx:
        instances = tx.instances.list()
        profiles = {one.name: one for one in tx.profiles.list()}
    failed = []
    for instance in instances:
        config = expand_config([profiles[one] for one in instance.profiles if one in profiles], instance.config)
        schedule = config.get("snapshots.schedule", "")
        if not schedule or not is_due(schedule, now):
            continue
        if not truth(config.get("snapshots.schedule.stopped", "false")) and not lifecycle.is_running(instance.name):
            continue
        try:
            take_snapshot(depot, lifecycle, instance.name, "", None)
        except NotFound:
            pass  # deleted meanwhile
        except AzekuraError as exc:
            failed.append(f"{instance.name}: {exc}")
    return failed
