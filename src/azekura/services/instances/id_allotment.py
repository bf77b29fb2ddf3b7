"""Ranges of ids for containers that share theirs with none: found and taken at a start."""

from __future__ import annotations

import threading
from collections.abc import Mapping

from azekura.model.instance import expand_config
from azekura.services.depot import Depot
from azekura.services.instances.id_maps import BASE_KEY, free_base, is_isolated, isolated_count, wanted_map
from azekura.services.instances.records import update_record
from azekura.storage.port import IdMap


class IdAllotment:
    """One daemon's: two containers that start at once get two ranges."""

    def __init__(self, depot: Depot) -> None:
        self._depot = depot
        self._lock = threading.Lock()

    def map_of(self, name: str, config: Mapping[str, str]) -> IdMap | None:
        """The map for a start of ``name``, whose expanded configuration is ``config``; None: a privileged container.

        An isolated container's range is found, and recorded, where it has none that fits.

        Raises:
            InvalidRequest: no range is free, or the configuration asks for one that can't be.
        """
        if not is_isolated(config) or config.get("security.idmap.base"):
            return wanted_map(config, "")
        count = isolated_count(config)
        with self._lock:
            base = str(free_base(count, self._taken(name)))
            if base != config.get(BASE_KEY):
                update_record(self._depot, name, {BASE_KEY: base})
        return wanted_map(config, base)

    def _taken(self, name: str) -> list[tuple[int, int]]:
        """First id and number of ids of every other isolated container that has a range."""
        with self._depot.catalog.read() as tx:
            profiles = {one.name: one for one in tx.profiles.list()}
            others = [
                expand_config([profiles[one] for one in other.profiles if one in profiles], other.config)
                for other in tx.instances.list()
                if other.name != name
            ]
        taken = []
        for other in others:
            has_range = other.get("security.idmap.base") or other.get(BASE_KEY, "0") != "0"
            if is_isolated(other) and has_range and (idmap := wanted_map(other, other.get(BASE_KEY, ""))):
                taken.append((idmap.base, idmap.count))
        return taken
