from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from tests.fakes.depot import TurnableClock, folder_depot, put_image, put_instance
from tests.fakes.runtime import FakeRuntime

from azekura.model.instance import Profile
from azekura.services.depot import Depot
from azekura.services.instances.lifecycle import Lifecycle
from azekura.services.instances.snapshot_taking import take_scheduled
from azekura.services.opening import recover_instances


@pytest.fixture
def hosting(tmp_path: Path) -> Iterator[tuple[Depot, Lifecycle, TurnableClock]]:
    with folder_depot(tmp_path, host=FakeRuntime()) as (depot, clock):
        lifecycle = Lifecycle(depot)
        yield depot, lifecycle, clock
        lifecycle.close()


def change(depot: Depot, name: str, config: dict[str, str]) -> None:
    with depot.catalog.write() as tx:
        instance = tx.instances.get(name)
        tx.instances.replace(replace(instance, config={**instance.config, **config}))


def test_a_schedule_takes_a_snapshot_of_what_runs_or_may_be_stopped(
    hosting: tuple[Depot, Lifecycle, TurnableClock],
) -> None:
    depot, lifecycle, clock = hosting
    image = put_image(depot, b"x")
    for name, stopped in (("resting", "true"), ("stopped", "false")):
        put_instance(depot, name, image)
        change(depot, name, {"snapshots.schedule": "* * * * *", "snapshots.schedule.stopped": stopped})
        depot.pools.open("default").create_volume(name, None)
    assert take_scheduled(depot, lifecycle, clock().astimezone()) == []
    clock.turn(minutes=1)
    assert take_scheduled(depot, lifecycle, clock().astimezone()) == []
    with depot.catalog.read() as tx:
        assert [one.name for one in tx.instances.list_snapshots("resting")] == ["snap0", "snap1"]
        assert tx.instances.list_snapshots("stopped") == []


def test_autostart_may_stand_in_a_profile(hosting: tuple[Depot, Lifecycle, TurnableClock]) -> None:
    depot, lifecycle, _ = hosting
    put_instance(depot, "wanted", put_image(depot, b"x"))
    depot.pools.open("default").create_volume("wanted", None)
    with depot.catalog.write() as tx:
        tx.profiles.replace(Profile("default", config={"boot.autostart": "true"}))
    assert recover_instances(depot, lifecycle) == ["wanted"]
