"""Nothing that something refers to is deleted (promise 3): many actors at once against a reference-counting oracle.

Importers, deleters, launchers, pruners and collectors work on the same few images, some of which share files, while
the clock jumps past grace times. Afterwards, and between the rounds, the blobs must be exactly those that the oracle
counts a reference for, with the right bytes; and each actor's own images must be in the state it left them in.
"""

from __future__ import annotations

import hashlib
import random
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

import pytest
from tests.api.split_images import split_pair
from tests.busybox_images import tiny_image
from tests.fakes.depot import METADATA, TurnableClock, folder_depot
from tests.fakes.storage import FolderStorage

from azekura.errors import AlreadyExists, Ambiguous, AzekuraError, InUse, InvalidRequest, NotFound, StaleETag
from azekura.model.fingerprint import Fingerprint
from azekura.model.image import Image
from azekura.model.instance import Instance, StoragePool
from azekura.model.source import Origin
from azekura.services.check import check_store
from azekura.services.depot import Depot
from azekura.services.images.aliases import move_alias, rollback_alias
from azekura.services.images.changes import pin_image
from azekura.services.images.lookup import find_image, get_image
from azekura.services.images.prune import PruneRule, prune
from azekura.services.images.register import AliasWish, ImageWishes, register
from azekura.services.images.removal import collect_deleted, delete_image, undelete_image
from azekura.services.images.staging import Staging
from azekura.services.images.usage import usage_report
from azekura.services.instances.records import add_record, remove_record
from azekura.storage.names import check_container

ACTORS = 4
ROUNDS = 3
STEPS = 14  # of each actor in a round
SHARED = 4  # images that all actors fight over
RACES = (NotFound, AlreadyExists, InUse, StaleETag, Ambiguous)  # what losing one looks like

Parts = tuple[tuple[str, bytes], ...]


def parts_of(number: int) -> Parts:
    """The files of image ``number``: every other one is split, and the split ones share two root file systems."""
    if number % 2:
        return (("unified", tiny_image(number)),)
    return (("metadata", split_pair(number)[0]), ("rootfs", split_pair(number % 4)[1]))


def fingerprint_of(number: int) -> Fingerprint:
    return Fingerprint(hashlib.sha256(b"".join(data for _, data in parts_of(number))).hexdigest())


def bring_in(depot: Depot, number: int, wishes: ImageWishes) -> Image:
    with Staging(depot, Origin.ADMIN) as staging:
        for role, data in parts_of(number):
            staging.part(role, len(data)).write(data)
        return register(depot, staging, staging.finish(), wishes)


@dataclass
class Actor:
    """One thread's doings. ``own`` is what it knows of the images that nobody else deletes: present or deleted."""

    depot: Depot
    clock: TurnableClock
    number: int
    random: random.Random
    own: dict[int, str] = field(default_factory=dict)
    instances: list[str] = field(default_factory=list)
    done: Counter[str] = field(default_factory=Counter)
    fault: BaseException | None = None

    def run(self) -> None:
        try:
            for _ in range(STEPS):
                step = self.random.choice(self.steps())
                try:
                    step()
                    self.done[step.__name__] += 1
                except RACES:
                    self.done[f"{step.__name__} lost"] += 1
        except BaseException as exc:  # noqa: BLE001 - told to the test's own thread
            self.fault = exc

    def steps(self) -> list[Callable[[], None]]:
        """What it may do next, the frequent ones more than once."""
        return [
            self.import_shared,
            self.import_shared,
            self.import_own,
            self.delete_shared,
            self.delete_shared,
            self.delete_own,
            self.undelete_shared,
            self.undelete_own,
            self.launch,
            self.launch,
            self.destroy,
            self.move,
            self.roll_back,
            self.prune,
            self.collect,
            self.read,
            self.read,
            self.pin,
        ]

    def shared(self) -> int:
        return self.random.randrange(SHARED)

    def mine(self) -> int:
        return 100 + 10 * self.number + self.random.randrange(3)

    def import_shared(self) -> None:
        contested = (AliasWish("contested"),) if self.random.random() < 0.4 else ()
        wishes = ImageWishes(adopt=self.random.random() < 0.5, aliases=contested)
        image = bring_in(self.depot, self.shared(), wishes)
        assert image.deleted_at is None

    def import_own(self) -> None:
        number = self.mine()
        wishes = ImageWishes(aliases=(AliasWish(f"own/{number}"),), reuse=True, adopt=True)
        assert bring_in(self.depot, number, wishes).fingerprint == fingerprint_of(number)
        self.own[number] = "present"
        self.check_own()

    def delete_own(self) -> None:
        number = self.mine()
        if self.own.get(number) == "present":
            delete_image(self.depot, fingerprint_of(number))
            self.own[number] = "deleted"
        else:
            with pytest.raises(NotFound):
                delete_image(self.depot, fingerprint_of(number))
        self.check_own()

    def undelete_own(self) -> None:
        number = self.mine()
        if self.own.get(number) == "deleted":
            undelete_image(self.depot, fingerprint_of(number).value)
            self.own[number] = "present"
        self.check_own()

    def check_own(self) -> None:
        """What was acknowledged holds: own images are named, so that no prune of ours takes them."""
        for number, state in self.own.items():
            with self.depot.catalog.read() as tx:
                present = tx.aliases.find(f"own/{number}") is not None
            assert present == (state == "present"), (number, state)

    def delete_shared(self) -> None:
        delete_image(self.depot, fingerprint_of(self.shared()))

    def undelete_shared(self) -> None:
        undelete_image(self.depot, fingerprint_of(self.shared()).value)

    def launch(self) -> None:
        """Refer to an image's file as an instance does; from then on the file stays whatever becomes of the image."""
        image = get_image(self.depot.catalog, fingerprint_of(self.shared()).value)
        name = check_container(f"c{self.number}-{self.done['launch']}-{self.random.randrange(10**6)}")
        blob = image.files.all[-1].sha256
        config = {"volatile.base_image": image.fingerprint.value, "volatile.base_blob": blob}
        with self.depot.catalog.write() as tx:
            add_record(tx, Instance(name, "x86_64", "default", self.clock(), config), METADATA, {})
        self.instances.append(name)
        assert self.depot.blobs.verify(blob)

    def destroy(self) -> None:
        if self.instances:
            name = self.instances.pop(self.random.randrange(len(self.instances)))
            with self.depot.catalog.write() as tx:
                instance = tx.instances.get(name)
                assert self.depot.blobs.verify(instance.config["volatile.base_blob"])
                remove_record(tx, instance)

    def move(self) -> None:
        move_alias(self.depot, "moving", fingerprint_of(self.shared()).value)

    def roll_back(self) -> None:
        try:
            rollback_alias(self.depot, "moving", self.random.randrange(1, 3))
        except InvalidRequest as exc:
            assert "can't be rolled back" in str(exc)  # noqa: PT017 - one of two good outcomes

    def prune(self) -> None:
        rule = self.random.choice([PruneRule(), PruneRule(to_free=1), PruneRule(to_free=10**9), PruneRule(to_free=500)])
        prune(self.depot, rule, dry_run=self.random.random() < 0.3)

    def collect(self) -> None:
        self.clock.turn(hours=self.random.choice([1, 13, 30]))
        collect_deleted(self.depot)

    def pin(self) -> None:
        pin_image(self.depot, fingerprint_of(self.shared()), pinned=self.random.random() < 0.3)

    def read(self) -> None:
        """An image that is listed can be read, unless it goes at that very moment, again and again."""
        for _ in range(5):
            image = find_image(self.depot.catalog, "moving" if self.random.random() < 0.3 else self.wanted())
            try:
                for file in image.files.all:
                    with self.depot.blobs.open(file.sha256) as raw:
                        assert hashlib.sha256(raw.read()).hexdigest() == file.sha256
                return
            except NotFound:
                continue
        pytest.fail("an image that is listed could not be read five times in a row")

    def wanted(self) -> str:
        return fingerprint_of(self.shared()).value


def collect_until(stop: threading.Event, actor: Actor) -> None:
    """A collector that never rests, with a clock that makes everything due."""
    try:
        while not stop.is_set():
            actor.clock.turn(hours=30)
            collect_deleted(actor.depot)
    except BaseException as exc:  # noqa: BLE001 - told to the test's own thread
        actor.fault = exc


def counted_references(depot: Depot) -> Counter[str]:
    """The oracle: how many times each blob is referred to, by rows alone and counted anew."""
    references: Counter[str] = Counter()
    with depot.catalog.read() as tx:
        rows = {image.fingerprint: image for image in [*tx.images.list(), *tx.images.list(deleted=True)]}
        for image in rows.values():
            references.update({file.sha256 for file in image.files.all})
        for instance in tx.instances.list():
            references[instance.config["volatile.base_blob"]] += 1
    return references


def assert_blobs_are_the_referenced_ones(depot: Depot) -> None:
    collect_deleted(depot)
    references = counted_references(depot)
    stored = {blob.sha256: blob.size for blob in depot.blobs.list()}
    assert set(stored) == set(references)
    for sha256 in stored:
        assert depot.blobs.verify(sha256)
    with depot.catalog.read() as tx:
        assert dict(tx.blobs.list()) == stored
        for sha256, count in references.items():
            assert len(tx.blobs.references(sha256)) == count
    assert usage_report(depot)["stored"] == sum(stored.values())
    report = check_store(depot, repair=False)
    assert report.problems == []
    files = [path.name for path in depot.folder.blobs.rglob("*") if path.is_file()]
    assert len(files) == len(stored), files


@pytest.fixture
def both(tmp_path: Path) -> Iterator[tuple[Depot, TurnableClock]]:
    with folder_depot(tmp_path) as (depot, clock):
        with depot.catalog.write() as tx:
            tx.pools.create(StoragePool("default", "dir"))
        FolderStorage(depot.folder.pools / "default").create()
        yield depot, clock


@pytest.mark.slow
@pytest.mark.parametrize("seed", [1, 2])
def test_blobs_are_those_that_are_referred_to_whatever_many_actors_do(
    both: tuple[Depot, TurnableClock], seed: int
) -> None:
    depot, clock = both
    actors = [Actor(depot, clock, number, random.Random(seed * 100 + number)) for number in range(ACTORS)]
    for _ in range(ROUNDS):
        stop = threading.Event()
        collector = Actor(depot, clock, ACTORS, random.Random())
        collecting = threading.Thread(target=collect_until, args=(stop, collector))
        threads = [threading.Thread(target=actor.run) for actor in actors]
        for thread in (collecting, *threads):
            thread.start()
        for thread in threads:
            thread.join()
        stop.set()
        collecting.join()
        for actor in (*actors, collector):
            if actor.fault is not None:
                raise actor.fault
            actor.check_own()
        assert_blobs_are_the_referenced_ones(depot)
    _tear_down(depot, clock)


def _tear_down(depot: Depot, clock: TurnableClock) -> None:
    """Let everything go: nothing may stay."""
    with depot.catalog.write() as tx:
        for instance in tx.instances.list():
            remove_record(tx, instance)
    with depot.catalog.read() as tx:
        images = tx.images.list()
    for image in images:
        delete_image(depot, image.fingerprint)
    clock.turn(days=3)
    assert_blobs_are_the_referenced_ones(depot)
    assert list(depot.blobs.list()) == []


def test_a_single_actor_finds_the_model_true(both: tuple[Depot, TurnableClock]) -> None:
    """The same steps one after the other, with the model looked at after each."""
    depot, clock = both
    actor = Actor(depot, clock, 0, random.Random(7))
    for _ in range(25):
        step = actor.random.choice(actor.steps())
        try:
            step()
        except RACES:
            pass
        except AzekuraError as exc:
            pytest.fail(f"{step.__name__}: {exc}")
        assert_blobs_are_the_referenced_ones(depot)
    clock.turn(seconds=timedelta(days=2).total_seconds())
    _tear_down(depot, clock)
