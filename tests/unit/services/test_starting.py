"""A start and its record: both or neither."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from tests.fakes.depot import TurnableClock, folder_depot, put_image, put_instance
from tests.fakes.runtime import FakeRuntime
from tests.fakes.storage import FolderStorage

from azekura.errors import RuntimeFailed, StorageFailed
from azekura.model.instance import Instance
from azekura.runtime.port import ContainerSpec
from azekura.services.depot import Depot
from azekura.services.instances.lifecycle import Lifecycle
from azekura.services.pools import Pools
from azekura.storage.port import StorageDriver


class UnreliableStorage(FolderStorage):
    """``settle`` waits for ``slow`` and, where ``broken``, fails."""

    broken = False
    slow: threading.Event | None = None

    def settle(self, name: str) -> None:
        super().settle(name)
        if self.slow is not None:
            assert self.slow.wait(10)
        if self.broken:
            raise StorageFailed("Failed to write c1 to the disk: Input/output error")


class OnePool(Pools):
    driver: UnreliableStorage

    def open(self, name: str) -> StorageDriver:
        return self.driver


class ReleasingRuntime(FakeRuntime):
    """Lets the disk go on once the container runs."""

    release: threading.Event | None = None

    def start(self, spec: ContainerSpec) -> None:
        super().start(spec)
        if self.release is not None:
            self.release.set()


@pytest.fixture
def runtime() -> ReleasingRuntime:
    return ReleasingRuntime()


@pytest.fixture
def made(tmp_path: Path, runtime: ReleasingRuntime) -> Iterator[tuple[Depot, TurnableClock]]:
    with folder_depot(tmp_path, host=runtime) as (depot, clock):
        pools = OnePool(depot.catalog, depot.folder)
        pools.driver = UnreliableStorage(depot.folder.pools / "default")
        depot.pools = pools
        image = put_image(depot, b"image", b"rootfs")
        instance = put_instance(depot, "c1", image)
        fill = pools.driver.fill_image()
        with fill:
            fill.commit(image.fingerprint.value)
        pools.driver.create_volume("c1", image.fingerprint.value)
        with depot.catalog.write() as tx:
            config = {**instance.config, "volatile.apply_template": "create", "volatile.last_state.power": "STOPPED"}
            tx.instances.replace(replace(instance, config=config))
            tx.instances.set_files("c1", b"", {})
        yield depot, clock


@pytest.fixture
def depot(made: tuple[Depot, TurnableClock]) -> Depot:
    return made[0]


@pytest.fixture
def storage(depot: Depot) -> UnreliableStorage:
    assert isinstance(depot.pools, OnePool)
    return depot.pools.driver


@pytest.fixture
def lifecycle(depot: Depot) -> Iterator[Lifecycle]:
    lifecycle = Lifecycle(depot)
    yield lifecycle
    lifecycle.close()


def record(depot: Depot) -> Instance:
    with depot.catalog.read() as tx:
        return tx.instances.get("c1")


def test_started_instance_is_recorded_as_running(
    made: tuple[Depot, TurnableClock], lifecycle: Lifecycle, runtime: ReleasingRuntime
) -> None:
    depot, clock = made
    lifecycle.start("c1")
    assert runtime.is_running("c1")
    assert record(depot).config["volatile.last_state.power"] == "RUNNING"
    assert "volatile.apply_template" not in record(depot).config
    assert record(depot).last_used_at == clock.now


def test_failed_start_leaves_the_record_as_it_was(
    depot: Depot, lifecycle: Lifecycle, runtime: ReleasingRuntime
) -> None:
    before = record(depot)
    runtime.fail_next_start = "no init"
    with pytest.raises(RuntimeFailed, match="no init"):
        lifecycle.start("c1")
    assert record(depot) == before
    lifecycle.start("c1")
    assert record(depot) != before


def test_instance_starts_while_the_disk_is_slow_but_that_is_said_when_all_is_on_it(
    lifecycle: Lifecycle, runtime: ReleasingRuntime, storage: UnreliableStorage
) -> None:
    storage.slow = runtime.release = threading.Event()
    lifecycle.start("c1")  # would never end if the one waited for the other
    assert storage.slow.is_set()


def test_instance_whose_disk_fails_does_not_run(
    depot: Depot, lifecycle: Lifecycle, runtime: ReleasingRuntime, storage: UnreliableStorage
) -> None:
    before = record(depot)
    storage.broken = True
    with pytest.raises(StorageFailed, match="Input/output error"):
        lifecycle.start("c1")
    assert not runtime.is_running("c1")
    assert not storage.is_mounted("c1")
    assert record(depot) == before


def test_volume_that_a_power_loss_left_without_its_images_name_is_not_started(
    depot: Depot, lifecycle: Lifecycle
) -> None:
    (depot.folder.pools / "default/containers/c1/image").write_text("")
    with pytest.raises(StorageFailed, match="power loss") as caught:
        lifecycle.start("c1")
    assert caught.value.hint == "delete it and make it again: lxc delete c1"
    lifecycle.delete("c1")


def test_instance_whose_volume_a_power_loss_took_can_be_deleted(
    depot: Depot, lifecycle: Lifecycle, storage: UnreliableStorage
) -> None:
    storage.delete_volume("c1")
    lifecycle.delete("c1")
    with depot.catalog.read() as tx:
        assert tx.instances.list() == []
