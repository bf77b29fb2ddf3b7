"""Rows that nobody waits for are written all the same, in their order."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from functools import partial

import pytest
from tests.fakes.depot import START

from azekura.catalog import Transaction
from azekura.errors import NotFound
from azekura.services.depot import Depot
from azekura.services.ledger import Ledger


@pytest.fixture
def ledger(depot: Depot) -> Iterator[Ledger]:
    ledger = Ledger(depot.catalog)
    yield ledger
    ledger.close()


def numbers(depot: Depot) -> list[int]:
    with depot.catalog.read() as tx:
        return [event.metadata["n"] for event in tx.events.since(0) if "n" in event.metadata]


def event(number: int, tx: Transaction) -> None:
    tx.events.append("lifecycle", START, {"n": number})


def test_entries_are_written_in_their_order(depot: Depot, ledger: Ledger) -> None:
    for number in range(50):
        ledger.put(partial(event, number))
    ledger.flush()
    assert numbers(depot) == list(range(50))


def test_entries_of_many_threads_are_all_written(depot: Depot, ledger: Ledger) -> None:
    def put(first: int) -> None:
        for number in range(first, first + 25):
            ledger.put(partial(event, number))

    threads = [threading.Thread(target=put, args=(first,)) for first in range(0, 200, 25)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    ledger.flush()
    assert sorted(numbers(depot)) == list(range(200))


def test_closing_writes_what_waits_and_takes_nothing_more(depot: Depot, ledger: Ledger) -> None:
    ledger.put(lambda tx: event(1, tx))
    ledger.close()
    ledger.put(lambda tx: event(2, tx))
    ledger.flush()
    assert numbers(depot) == [1]


def test_an_entry_that_cannot_be_leaves_the_others(depot: Depot, ledger: Ledger) -> None:
    def impossible(_: Transaction) -> None:
        raise NotFound("operation", "x")

    for entry in (lambda tx: event(1, tx), impossible, lambda tx: event(2, tx)):
        ledger.put(entry)
    ledger.flush()
    assert numbers(depot) == [1, 2]


def test_a_ledger_without_entries_starts_no_thread_and_ends(depot: Depot) -> None:
    before = threading.active_count()
    ledger = Ledger(depot.catalog)
    ledger.flush()
    ledger.close()
    assert threading.active_count() == before


def test_events_are_kept(depot: Depot) -> None:
    depot.events.lifecycle("image-created", "/1.0/images/x")
    depot.events.publish("operation", {"n": 7}, keep=False)
    depot.events.close()
    with depot.catalog.read() as tx:
        assert [one.metadata["action"] for one in tx.events.since(0)] == ["image-created"]
