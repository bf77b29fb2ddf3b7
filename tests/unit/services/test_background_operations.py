"""Operations: begun, told of, cancelled, ended once, kept for a while, and recognised as dead after a crash."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import Any

import pytest
from tests.rest import eventually

from azekura.errors import Cancelled, InvalidRequest, NotFound, StorageFailed
from azekura.model.operation import OperationClass, OperationStatus
from azekura.services.depot import Depot, KeyedLocks
from azekura.services.events import Event
from azekura.services.operations import Operations, Running, format_bytes


@pytest.fixture
def told(depot: Depot) -> list[Event]:
    events: list[Event] = []
    depot.events.subscribe(events.append)
    return events


def statuses(told: list[Event]) -> list[str]:
    return [event.metadata["status"] for event in told if event.type == "operation"]


def test_work_is_done_and_its_result_kept(depot: Depot, told: list[Event]) -> None:
    def work(running: Running) -> Mapping[str, Any]:
        running.update({"download_progress": "50%"})
        return {"fingerprint": "f"}

    begun = depot.operations.start("Downloading image", work, resources={"images": ("/1.0/images/f",)})
    ended = depot.operations.wait(begun.id, 10)
    assert ended.status is OperationStatus.SUCCESS
    assert ended.metadata == {"download_progress": "50%", "fingerprint": "f"}
    assert not ended.may_cancel
    eventually(lambda: statuses(told) == ["Pending", "Running", "Running", "Success"])
    assert [one.id for one in depot.operations.list()] == [begun.id]
    with depot.catalog.read() as tx:
        assert tx.operations.get(begun.id).status is OperationStatus.SUCCESS


@pytest.mark.parametrize(
    ("error", "status", "text"),
    [
        (StorageFailed("the disk is gone", hint="buy one"), OperationStatus.FAILURE, "the disk is gone (buy one)"),
        (Cancelled("Operation cancelled"), OperationStatus.CANCELLED, "Operation cancelled"),
        (ZeroDivisionError("x"), OperationStatus.FAILURE, "Internal error, see the daemon's log: ZeroDivisionError"),
        (SystemExit(3), OperationStatus.FAILURE, "Internal error, see the daemon's log: SystemExit"),
    ],
)
def test_work_that_fails_says_why(depot: Depot, error: BaseException, status: OperationStatus, text: str) -> None:
    def work(_: Running) -> None:
        raise error

    ended = depot.operations.wait(depot.operations.start("x", work).id, 10)
    assert ended.status is status
    assert ended.error == text


def test_cancelling_is_heeded_by_the_work(depot: Depot, told: list[Event]) -> None:
    started = threading.Event()

    def work(running: Running) -> None:
        started.set()
        assert running.cancel_requested.wait(10)
        running.check()

    begun = depot.operations.start("x", work, may_cancel=True)
    assert started.wait(10)
    depot.operations.cancel(begun.id)
    ended = depot.operations.wait(begun.id, 10)
    assert ended.status is OperationStatus.CANCELLED
    eventually(lambda: statuses(told) == ["Pending", "Running", "Cancelling", "Cancelled"])
    with pytest.raises(InvalidRequest, match="Only running operations can be cancelled"):
        depot.operations.cancel(begun.id)


def test_work_that_stumbles_over_its_cancelling_is_cancelled(depot: Depot) -> None:
    def work(running: Running) -> None:
        assert running.cancel_requested.wait(10)
        raise StorageFailed("the connection was closed")

    begun = depot.operations.start("x", work, may_cancel=True)
    depot.operations.cancel(begun.id)
    assert depot.operations.wait(begun.id, 10).status is OperationStatus.CANCELLED


def test_what_may_not_be_cancelled_goes_on(depot: Depot) -> None:
    gate = threading.Event()

    def work(_: Running) -> None:
        gate.wait(10)

    begun = depot.operations.start("x", work)
    with pytest.raises(InvalidRequest, match="can't be cancelled"):
        depot.operations.cancel(begun.id)
    gate.set()
    assert depot.operations.wait(begun.id, 10).status is OperationStatus.SUCCESS


def test_past_the_point_of_no_return_cancelling_is_refused(depot: Depot) -> None:
    passed, gate = threading.Event(), threading.Event()

    def work(running: Running) -> None:
        running.not_cancellable()
        passed.set()
        gate.wait(10)

    begun = depot.operations.start("x", work, may_cancel=True)
    assert passed.wait(10)
    with pytest.raises(InvalidRequest):
        depot.operations.cancel(begun.id)
    gate.set()
    assert depot.operations.wait(begun.id, 10).status is OperationStatus.SUCCESS


def test_the_first_end_counts(depot: Depot) -> None:
    running = depot.operations.create("token", kind=OperationClass.TOKEN, may_cancel=True)
    depot.operations.finish(running, OperationStatus.SUCCESS)
    depot.operations.finish(running, OperationStatus.FAILURE, error="late")
    assert depot.operations.get(running.id).status is OperationStatus.SUCCESS
    running.update({"more": "late"})
    assert "more" not in depot.operations.get(running.id).metadata


def test_a_cancelled_token_is_undone(depot: Depot) -> None:
    running = depot.operations.create("token", kind=OperationClass.TOKEN, may_cancel=True)
    undone: list[bool] = []
    running.on_cancel = lambda: undone.append(True)
    depot.operations.cancel(running.id)
    assert undone == [True]
    assert depot.operations.get(running.id).status is OperationStatus.CANCELLED


def test_secrets_are_shown_to_the_asker_and_not_kept(depot: Depot) -> None:
    running = depot.operations.create("token", kind=OperationClass.TOKEN, metadata={"secret": "s3cret", "other": "x"})
    assert depot.operations.get(running.id).metadata["secret"] == "s3cret"
    with depot.catalog.read() as tx:
        assert tx.operations.get(running.id).metadata == {"other": "x"}


def test_an_operation_that_cannot_be_recorded_is_not_listed(depot: Depot) -> None:
    with pytest.raises(InvalidRequest):
        depot.operations.create("\ud800")
    assert depot.operations.list() == []


def test_an_unknown_operation_is_not_found(depot: Depot) -> None:
    for ask in (depot.operations.get, depot.operations.cancel, depot.operations.running, depot.operations.wait):
        with pytest.raises(NotFound):
            ask("nosuch")


def test_after_a_crash_what_ran_is_a_failure_and_says_so(depot: Depot) -> None:
    running = depot.operations.create("x", kind=OperationClass.TOKEN)
    after = Operations(depot.catalog, depot.events)
    after.adopt_orphans()
    found = after.get(running.id)
    assert found.status is OperationStatus.FAILURE
    assert found.error == "The server that ran this operation was stopped"
    assert not found.may_cancel
    after.close()


def test_progress_is_told_in_lxds_form_and_not_too_often(depot: Depot, told: list[Event]) -> None:
    running = depot.operations.create("x", kind=OperationClass.TOKEN)
    told.clear()
    for done in range(1000):
        running.progress("download_progress", "", done, 1000, 151_480_000)
    running.progress("download_progress", "", 1000, 1000, 151_480_000)
    assert running.operation.metadata["download_progress"] == "100% (151.48MB/s)"
    assert running.operation.metadata["progress"]["percent"] == "100"
    assert len(told) < 20
    running.progress("download_progress", "rootfs", 0, 0, 0)
    running.progress("pack_progress", "Image pack", 12_340_000, None, 1_200_000)


@pytest.mark.parametrize(
    ("count", "text"),
    [(0, "0B"), (999, "999B"), (1000, "1.00kB"), (151_480_000, "151.48MB"), (10**12, "1.00TB"), (10**21, "1000.00EB")],
)
def test_bytes_are_printed_as_lxd_prints_them(count: int, text: str) -> None:
    assert format_bytes(count) == text


def test_a_listener_that_left_hears_nothing(depot: Depot) -> None:
    heard: list[Event] = []
    leave = depot.events.subscribe(heard.append)
    depot.events.lifecycle("image-created", "/1.0/images/f")
    leave()
    leave()
    depot.events.lifecycle("image-deleted", "/1.0/images/f")
    assert [event.metadata["action"] for event in heard] == ["image-created"]


def test_keyed_locks_exclude_by_key_and_are_forgotten() -> None:
    locks = KeyedLocks()
    inside: list[str] = []

    def enter(key: str) -> None:
        with locks.hold(key):
            inside.append(key)

    with locks.hold("a"):
        other = threading.Thread(target=enter, args=("a",))
        other.start()
        enter("b")
        other.join(0.1)
        assert inside == ["b"]
    other.join(10)
    assert inside == ["b", "a"]
    assert locks._locks == {}


def test_a_wait_for_a_lock_ends_when_it_is_no_longer_wanted() -> None:
    locks = KeyedLocks()

    def give_up() -> None:
        raise Cancelled("Operation cancelled")

    with locks.hold("a"), pytest.raises(Cancelled), locks.hold("a", give_up):
        pass
    assert locks._locks == {}
