"""``lxc copy --refresh``: an earlier copy gets the content and the snapshots that its source has now."""

from __future__ import annotations

from azekura.errors import InvalidRequest, NotFound
from azekura.model.instance import Instance
from azekura.services.depot import Depot
from azekura.services.instances.copies import copy_one_snapshot, delete_snapshot
from azekura.services.instances.volumes_across import refresh_across


def refresh_instance(depot: Depot, name: str, source: str, *, instance_only: bool) -> Instance | None:
    """Bring ``name`` up to date; None, and nothing done, when there is no such instance yet.

    Snapshots that the source no longer has are deleted, also those that were made again under their old name.

    Raises:
        NotFound: no such source.
        InvalidRequest: the earlier copy is running.
        StorageFailed, NoSpace.
    """
    origin, _, snapshot = source.partition("/")
    with depot.catalog.read() as tx:
        try:
            copy = tx.instances.get(name)
        except NotFound:
            return None
        base = tx.instances.get_snapshot(origin, snapshot).instance if snapshot else tx.instances.get(origin)
        wanted = {} if snapshot else {one.name: one for one in tx.instances.list_snapshots(origin)}
        present = {one.name: one for one in tx.instances.list_snapshots(name)}
    if depot.host is not None and depot.host.is_running(name):
        raise InvalidRequest("Cannot refresh a running instance")
    if not snapshot and not instance_only:
        for one in present.values():
            if one.name not in wanted or wanted[one.name].created_at != one.created_at:
                delete_snapshot(depot, name, one.name)
        with depot.catalog.read() as tx:
            kept = {one.name for one in tx.instances.list_snapshots(name)}
        for one in wanted.values():
            if one.name not in kept:
                copy_one_snapshot(depot, origin, one, copy)
    with depot.instance_locks.hold(name):
        refresh_across(depot.pools.of(base), source, depot.pools.of(copy), name)
    depot.events.lifecycle("instance-updated", f"/1.0/instances/{name}")
    return copy
