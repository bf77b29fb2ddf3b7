"""Several threads, and several servers, at one catalog: of those who want one thing, one gets it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

import pytest

from azekura.catalog import ANY, Catalog, open_catalog
from azekura.errors import AlreadyExists, NotFound, StaleETag, StorageFailed
from azekura.model.fingerprint import Fingerprint
from azekura.model.image import EPOCH, Alias, Image, ImageFile, ImageType, UnifiedFiles
from azekura.model.source import Origin
from azekura.model.trust import Token

NOW = datetime(2026, 11, 24, tzinfo=UTC)
CONTENDERS = 6


def image(number: int) -> Image:
    fingerprint = Fingerprint.parse(f"{number:064x}")
    files = UnifiedFiles(ImageFile(fingerprint.value, 1, ".tar"))
    return Image(fingerprint, ImageType.CONTAINER, "x86_64", files, EPOCH, NOW, Origin.ADMIN)


def all_at_once(open_here: Callable[[], Catalog], work: Callable[[Catalog, int], bool]) -> list[bool]:
    """Run ``work`` in several threads, half of them on a catalog of their own as another server would."""
    shared = open_here()
    catalogs = [shared if number % 2 else open_here() for number in range(CONTENDERS)]
    barrier = threading.Barrier(CONTENDERS)

    def contend(number: int) -> bool:
        barrier.wait(timeout=30)
        return work(catalogs[number], number)

    with ThreadPoolExecutor(CONTENDERS) as pool:
        return list(pool.map(contend, range(CONTENDERS)))


def test_of_many_who_create_the_same_image_one_succeeds(open_here: Callable[[], Catalog]) -> None:
    def create(catalog: Catalog, number: int) -> bool:
        try:
            with catalog.write() as tx:
                tx.images.create(image(1), metadata_yaml=b"%d" % number, templates={})
        except AlreadyExists:
            return False
        return True

    assert sorted(all_at_once(open_here, create)) == [False] * (CONTENDERS - 1) + [True]


def test_of_many_who_take_a_token_one_gets_it(open_here: Callable[[], Catalog]) -> None:
    with open_here().write() as tx:
        tx.tokens.add(Token("id", "5" * 64, "join", "laptop", NOW))

    def take(catalog: Catalog, _number: int) -> bool:
        with catalog.write() as tx:
            return tx.tokens.take("5" * 64, NOW) is not None

    assert sorted(all_at_once(open_here, take)) == [False] * (CONTENDERS - 1) + [True]


def test_of_many_who_swap_an_alias_one_wins_each_round(open_here: Callable[[], Catalog]) -> None:
    catalog = open_here()
    with catalog.write() as tx:
        for number in range(CONTENDERS + 1):
            tx.images.create(image(number), metadata_yaml=b"", templates={})
        tx.aliases.create(Alias("one", image(CONTENDERS).fingerprint))

    def swap(own: Catalog, number: int) -> bool:
        try:
            with own.write() as tx:
                tx.aliases.move("one", image(number).fingerprint, expect=image(CONTENDERS).fingerprint, reason="race")
        except StaleETag:
            return False
        return True

    won = all_at_once(open_here, swap)
    assert sum(won) == 1
    with catalog.read() as tx:
        assert tx.aliases.get("one").target == image(won.index(True)).fingerprint
        assert len(tx.aliases.history("one")) == 2


def test_check_then_write_loses_no_update(open_here: Callable[[], Catalog]) -> None:
    """What a writer has read stays true until it commits, so no increment gets lost."""

    def count_up(catalog: Catalog, _number: int) -> bool:
        for _ in range(5):
            with catalog.write() as tx:
                tx.settings.set({"user.count": str(int(tx.settings.get("user.count") or 0) + 1)})
        return True

    all_at_once(open_here, count_up)
    with open_here().read() as tx:
        assert tx.settings.get("user.count") == str(5 * CONTENDERS)


def test_whoever_has_seen_an_event_has_seen_all_before_it(open_here: Callable[[], Catalog]) -> None:
    seen: list[int] = []
    finished = threading.Event()

    def follow() -> None:
        catalog, last = open_here(), 0
        while True:
            ended = finished.is_set()
            with catalog.read() as tx:
                events = tx.events.since(last)
            seen.extend(event.sequence for event in events)
            last = seen[-1] if seen else 0
            if ended:
                return
            time.sleep(0.001)

    def append(catalog: Catalog, number: int) -> bool:
        for _ in range(10):
            with catalog.write(durable=False) as tx:
                tx.events.append("lifecycle", NOW, {"by": number})
        return True

    follower = threading.Thread(target=follow)
    follower.start()
    try:
        all_at_once(open_here, append)
    finally:
        finished.set()
        follower.join(timeout=30)
    with open_here().read() as tx:
        assert seen == [event.sequence for event in tx.events.since(0)]
    assert len(seen) == 10 * CONTENDERS


def test_a_reader_sees_one_state_and_does_not_hold_up_a_writer(open_here: Callable[[], Catalog]) -> None:
    catalog = open_here()
    with catalog.write() as tx:
        tx.images.create(image(1), metadata_yaml=b"", templates={})
        tx.images.create(image(2), metadata_yaml=b"", templates={})
        tx.aliases.create(Alias("one", image(1).fingerprint))
    with catalog.read() as reader:
        assert reader.aliases.get("one").target == image(1).fingerprint
        with open_here().write() as writer:
            writer.aliases.move("one", image(2).fingerprint, expect=ANY, reason="meanwhile")
            writer.images.delete(image(1).fingerprint, NOW)
        assert reader.aliases.get("one").target == image(1).fingerprint
        assert reader.images.get(image(1).fingerprint).aliases[0].name == "one"
        assert reader.images.count() == 2
    with catalog.read() as reader:
        assert reader.aliases.get("one").target == image(2).fingerprint


def test_while_an_alias_moves_nobody_ever_misses_it(open_here: Callable[[], Catalog]) -> None:
    catalog = open_here()
    with catalog.write() as tx:
        for number in (0, 1):
            tx.images.create(image(number), metadata_yaml=b"", templates={})
        tx.aliases.create(Alias("one", image(0).fingerprint))
    stop = threading.Event()
    missed: list[BaseException] = []

    def look() -> None:
        own = open_here()
        while not stop.is_set():
            try:
                with own.read() as tx:
                    assert tx.images.get(tx.aliases.get("one").target).aliases[0].name == "one"
            except (NotFound, AssertionError, IndexError) as exc:
                missed.append(exc)

    thread = threading.Thread(target=look)
    thread.start()
    for number in range(40):
        with catalog.write() as tx:
            tx.aliases.move("one", image(number % 2).fingerprint, expect=ANY, reason="test")
    stop.set()
    thread.join(timeout=30)
    assert missed == []


def test_a_read_transaction_can_change_nothing(catalog: Catalog) -> None:
    with catalog.read() as tx, pytest.raises(StorageFailed):
        tx.settings.set({"a": "b"})
    with catalog.read() as tx:
        assert tx.settings.all() == {}


def test_a_write_inside_a_write_is_refused_instead_of_waiting_for_itself(catalog: Catalog) -> None:
    with catalog.write() as tx:
        with pytest.raises(RuntimeError, match="would wait for itself"), catalog.write():
            pass
        tx.settings.set({"user.still": "works"})
    with catalog.write() as tx:
        assert tx.settings.all() == {"user.still": "works"}


def test_many_who_open_an_empty_place_at_once_make_its_tables_once(fresh_place: str) -> None:
    barrier = threading.Barrier(4)

    def open_and_use(number: int) -> None:
        barrier.wait(timeout=30)
        catalog = open_catalog(fresh_place)
        try:
            with catalog.write() as tx:
                tx.settings.set({f"user.{number}": "x"})
        finally:
            catalog.close()

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(open_and_use, range(4)))
    catalog = open_catalog(fresh_place)
    with catalog.read() as tx:
        assert len(tx.settings.all()) == 4
    catalog.close()
