"""When cached images go, when deleted ones are collected, and when the background looks."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from tests.fakes.depot import START, TurnableClock, put_image, put_instance

from azekura.daemon.background import Schedule
from azekura.errors import NotFound
from azekura.model.image import NEVER
from azekura.services.depot import Depot
from azekura.services.images.expiry import expire_images, is_expired
from azekura.services.images.removal import collect_deleted, delete_image, undelete_image
from azekura.services.instances.records import remove_record
from azekura.services.settings import Settings

DAY = timedelta(days=1)


@pytest.mark.parametrize(
    ("fields", "days", "after", "expected"),
    [
        ({"cached": True}, 10, 10 * DAY, True),
        ({"cached": True}, 10, 10 * DAY - timedelta(seconds=1), False),
        ({"cached": True}, 0, 1000 * DAY, False),
        ({"cached": True}, -1, 1000 * DAY, False),
        ({"cached": False}, 10, 1000 * DAY, False),
        ({"cached": True, "pinned": True}, 10, 1000 * DAY, False),
        ({"cached": True, "last_used_at": START + 5 * DAY}, 10, 14 * DAY, False),
        ({"cached": True, "last_used_at": START + 5 * DAY}, 10, 15 * DAY, True),
        ({"cached": True, "last_used_at": NEVER}, 10, 10 * DAY, True),
        ({"cached": True, "public": True}, 10, 10 * DAY, True),
        ({"cached": True, "expires_at": START + DAY}, 10, 2 * DAY, False),
        ({"cached": True}, 1_000_000, 1000 * DAY, False),
    ],
)
def test_expiry_follows_lxds_rule(
    depot: Depot, fields: dict[str, Any], days: int, after: timedelta, expected: bool
) -> None:
    image = put_image(depot, b"image", **fields)
    assert is_expired(image, START + after, days) is expected


def test_expired_images_are_deleted_and_collected_after_the_grace_time(depot: Depot, clock: TurnableClock) -> None:
    cached = put_image(depot, b"cached", cached=True)
    kept = put_image(depot, b"kept")
    clock.turn(days=9)
    assert expire_images(depot) == []
    clock.turn(days=1)
    assert [image.fingerprint for image in expire_images(depot)] == [cached.fingerprint]
    assert undelete_image(depot, cached.fingerprint.value).cached
    assert [image.fingerprint for image in expire_images(depot)] == [cached.fingerprint]
    clock.turn(hours=25)
    expire_images(depot)
    with pytest.raises(NotFound):
        undelete_image(depot, cached.fingerprint.value)
    assert {blob.sha256 for blob in depot.blobs.list()} == {file.sha256 for file in kept.files.all}


def test_the_setting_decides_after_how_many_days(depot: Depot, clock: TurnableClock) -> None:
    put_image(depot, b"cached", cached=True)
    Settings(depot.catalog).change({"images.remote_cache_expiry": "3"}, replace=False)
    clock.turn(days=2)
    assert expire_images(depot) == []
    clock.turn(days=1)
    assert len(expire_images(depot)) == 1


@pytest.mark.parametrize(("hours", "kept"), [("24", 23.9), ("24", 0.0), ("1", 0.9), ("1000000", 999_999.0)])
def test_a_deleted_image_is_kept_for_the_grace_time(
    depot: Depot, clock: TurnableClock, hours: str, kept: float
) -> None:
    Settings(depot.catalog).change({"images.undelete_hours": hours}, replace=False)
    image = put_image(depot, b"image")
    delete_image(depot, image.fingerprint)
    clock.turn(hours=kept)
    assert collect_deleted(depot) == []
    clock.turn(hours=int(hours) - kept, seconds=1)
    assert [one.fingerprint for one in collect_deleted(depot)] == [image.fingerprint]
    assert list(depot.blobs.list()) == []


def test_a_grace_time_of_zero_collects_at_once(depot: Depot, clock: TurnableClock) -> None:
    Settings(depot.catalog).change({"images.undelete_hours": "0"}, replace=False)
    image = put_image(depot, b"image")
    delete_image(depot, image.fingerprint)
    clock.turn(seconds=1)
    collect_deleted(depot)
    assert list(depot.blobs.list()) == []


def test_an_image_that_an_instance_stands_on_can_be_brought_back_as_long_as_it_does(
    depot: Depot, clock: TurnableClock
) -> None:
    image = put_image(depot, b"metadata", b"rootfs")
    instance = put_instance(depot, "c1", image)
    delete_image(depot, image.fingerprint)
    clock.turn(days=30)
    assert collect_deleted(depot) == []
    assert undelete_image(depot, image.fingerprint.value).fingerprint == image.fingerprint
    delete_image(depot, image.fingerprint)
    clock.turn(days=30)
    with depot.catalog.write() as tx:
        remove_record(tx, instance)
    assert [one.fingerprint for one in collect_deleted(depot)] == [image.fingerprint]
    assert list(depot.blobs.list()) == []


def test_a_file_that_an_instance_stands_on_outlives_an_image_that_is_purged(depot: Depot, clock: TurnableClock) -> None:
    image = put_image(depot, b"metadata", b"rootfs")
    put_instance(depot, "c1", image)
    delete_image(depot, image.fingerprint)
    clock.turn(seconds=1)
    collect_deleted(depot, also=[image.fingerprint])
    assert [blob.sha256 for blob in depot.blobs.list()] == [image.files.all[-1].sha256]


def test_a_file_that_another_image_shares_outlives_the_first(depot: Depot, clock: TurnableClock) -> None:
    first = put_image(depot, b"one", b"rootfs")
    second = put_image(depot, b"two", b"rootfs")
    delete_image(depot, first.fingerprint)
    clock.turn(days=30)
    collect_deleted(depot)
    assert {blob.sha256 for blob in depot.blobs.list()} == {file.sha256 for file in second.files.all}


def test_an_image_that_comes_again_while_deleted_is_there_again(depot: Depot, clock: TurnableClock) -> None:
    image = put_image(depot, b"image")
    delete_image(depot, image.fingerprint)
    put_image(depot, b"image")
    clock.turn(days=30)
    collect_deleted(depot)
    with depot.catalog.read() as tx:
        assert tx.images.get(image.fingerprint).deleted_at is None
    assert depot.blobs.verify(image.files.all[0].sha256)


# -- the schedule


NOW = datetime(2030, 1, 1, tzinfo=UTC)


def test_updates_are_due_at_the_start_and_then_by_the_interval() -> None:
    schedule = Schedule()
    assert schedule.update_due(NOW, 6)
    schedule.updated(NOW)
    assert not schedule.update_due(NOW + timedelta(hours=5, minutes=59), 6)
    assert schedule.update_due(NOW + timedelta(hours=6), 6)
    assert schedule.update_due(NOW + timedelta(hours=1), 1), "a shorter interval counts at once"


@pytest.mark.parametrize("interval", [0, -1, -1_000_000])
def test_updates_are_never_due_when_switched_off(interval: int) -> None:
    assert not Schedule().update_due(NOW, interval)


def test_updates_with_the_longest_interval_are_no_fault() -> None:
    schedule = Schedule()
    schedule.updated(NOW)
    assert not schedule.update_due(NOW + timedelta(days=1), 1_000_000)


def test_expiry_is_due_at_the_start_daily_and_when_its_settings_change() -> None:
    schedule = Schedule()
    assert schedule.expiry_due(NOW)
    schedule.expired(NOW)
    assert not schedule.expiry_due(NOW + timedelta(hours=23))
    assert schedule.expiry_due(NOW + DAY)
    schedule.forget_expiry()
    assert schedule.expiry_due(NOW + timedelta(seconds=1))


def test_a_clock_that_goes_back_makes_nothing_due() -> None:
    schedule = Schedule()
    schedule.updated(NOW)
    schedule.expired(NOW)
    assert not schedule.update_due(NOW - DAY, 6)
    assert not schedule.expiry_due(NOW - DAY)


def test_a_change_of_a_record_keeps_its_dates(depot: Depot) -> None:
    image = put_image(depot, b"image")
    with depot.catalog.write() as tx:
        tx.images.replace(replace(image, public=True))
        assert tx.images.get(image.fingerprint).uploaded_at == image.uploaded_at
