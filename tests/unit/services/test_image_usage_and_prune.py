"""What uses space and what may go, on stores whose content is known to the byte."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from tests.fakes.depot import TurnableClock, put_image, put_instance

from azekura.model.image import Image
from azekura.services.depot import Depot
from azekura.services.images.prune import PruneRule, prune
from azekura.services.images.removal import delete_image
from azekura.services.images.usage import image_usage, usage_report


def numbers(depot: Depot) -> dict[str, int]:
    report = usage_report(depot)
    return {key: value for key, value in report.items() if key != "images"}


def test_an_empty_store_uses_nothing(depot: Depot) -> None:
    assert numbers(depot) == {"logical": 0, "unique": 0, "shared": 0, "stored": 0, "reclaimable": 0}


def test_the_numbers_of_a_known_store_are_exact(depot: Depot) -> None:
    a = put_image(depot, b"a" * 10, b"r" * 100)
    b = put_image(depot, b"b" * 20, b"r" * 100, aliases=["b"])
    c = put_image(depot, b"c" * 1000, public=True)
    d = put_image(depot, b"d" * 5000)
    e = put_image(depot, b"e" * 30_000)
    put_instance(depot, "c1", e)
    delete_image(depot, d.fingerprint)
    rows = {row.image.fingerprint: row for row in image_usage(depot)}
    assert {image.fingerprint for image in (a, b, c, d, e)} == set(rows)
    assert (rows[a.fingerprint].unique, rows[a.fingerprint].shared) == (10, 100)
    assert (rows[b.fingerprint].unique, rows[b.fingerprint].shared) == (20, 100)
    assert (rows[d.fingerprint].unique, rows[d.fingerprint].shared) == (5000, 0)
    assert rows[e.fingerprint].used_by == ("/1.0/instances/c1",)
    assert numbers(depot) == {
        "logical": 36_230,
        "unique": 36_130,
        "shared": 100,
        "stored": 36_130,
        "reclaimable": 5010,  # a's own ten bytes, and d
    }


def test_a_file_twice_in_one_image_is_stored_once(depot: Depot) -> None:
    image = put_image(depot, b"same", b"same")
    row = image_usage(depot)[0]
    assert image.size == 8
    assert row.unique + row.shared in (4, 8)
    assert numbers(depot)["stored"] == 4


@pytest.fixture
def shelf(depot: Depot, clock: TurnableClock) -> dict[str, Image]:
    """Images of different fates, a day apart; ten more days have passed since the last."""
    shelf: dict[str, Image] = {}
    fates: dict[str, dict[str, Any]] = {
        "loose": {},
        "named": {"aliases": ["name"]},
        "pinned": {"pinned": True},
        "public": {"public": True},
        "cached": {"cached": True},
        "used": {},
        "young": {},
    }
    for number, (name, fields) in enumerate(fates.items()):
        shelf[name] = put_image(depot, name.encode() * (number + 1), **fields)
        clock.turn(days=1)
    put_instance(depot, "c1", shelf["used"])
    clock.turn(days=10)
    with depot.catalog.write() as tx:
        tx.images.mark_used(shelf["young"].fingerprint, clock())
    return shelf


def names(shelf: dict[str, Image], depot: Depot, rule: PruneRule) -> list[str]:
    known = {image.fingerprint: name for name, image in shelf.items()}
    return [known[one.image.fingerprint] for one in prune(depot, rule, dry_run=True)]


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        (PruneRule(), ["loose", "public", "cached", "young"]),
        (PruneRule(unused=True), ["loose", "named", "public", "cached", "young"]),
        (PruneRule(older_than=timedelta(days=14)), ["loose", "named", "public"]),
        (PruneRule(older_than=timedelta(days=13)), ["loose", "named", "public", "cached"]),
        (PruneRule(older_than=timedelta(days=1000)), []),
        (PruneRule(older_than=timedelta(0)), ["loose", "named", "public", "cached", "young"]),
        (PruneRule(to_free=1), ["loose"]),
        (PruneRule(to_free=6), ["loose", "public"]),
        (PruneRule(to_free=0), []),
        (PruneRule(to_free=10**12), ["loose", "public", "cached", "young"]),
        (PruneRule(to_free=10**12, unused=True), ["loose", "named", "public", "cached", "young"]),
        (PruneRule(to_free=7, older_than=timedelta(days=14)), ["loose", "named"]),
    ],
)
def test_rules_choose_the_least_recently_used_first(
    depot: Depot, shelf: dict[str, Image], rule: PruneRule, expected: list[str]
) -> None:
    assert names(shelf, depot, rule) == expected


@pytest.mark.parametrize("rule", [PruneRule(), PruneRule(unused=True), PruneRule(to_free=10**12, unused=True)])
def test_what_is_pinned_or_used_always_stays(depot: Depot, shelf: dict[str, Image], rule: PruneRule) -> None:
    prune(depot, rule, dry_run=False)
    with depot.catalog.read() as tx:
        left = {image.fingerprint for image in tx.images.list()}
    assert {shelf["pinned"].fingerprint, shelf["used"].fingerprint} <= left


def test_each_choice_has_its_reason(depot: Depot, shelf: dict[str, Image]) -> None:
    reasons = {one.image.fingerprint: one.reason for one in prune(depot, PruneRule(unused=True), dry_run=True)}
    assert reasons[shelf["loose"].fingerprint] == "no instance uses it, no alias points to it, never used"
    assert reasons[shelf["named"].fingerprint] == "no instance uses it, never used"
    assert "it was downloaded for a launch" in reasons[shelf["cached"].fingerprint]
    assert reasons[shelf["young"].fingerprint].endswith("last used 0 day(s) ago")


def test_a_dry_run_and_the_real_one_say_the_same(depot: Depot, shelf: dict[str, Image]) -> None:
    planned = prune(depot, PruneRule(to_free=30), dry_run=True)
    done = prune(depot, PruneRule(to_free=30), dry_run=False)
    assert [(one.image.fingerprint, one.size, one.reason) for one in planned] == [
        (one.image.fingerprint, one.size, one.reason) for one in done
    ]
    assert {one.removed for one in planned} == {False}
    assert {one.removed for one in done} == {True}


def test_what_is_said_to_be_freed_is_freed(depot: Depot, shelf: dict[str, Image]) -> None:
    before = numbers(depot)["stored"]
    done = prune(depot, PruneRule(to_free=30), dry_run=False)
    assert before - numbers(depot)["stored"] == sum(one.size for one in done) >= 30
    assert sum(blob.size for blob in depot.blobs.list()) == numbers(depot)["stored"]


def test_a_plain_prune_leaves_the_way_back(depot: Depot, shelf: dict[str, Image]) -> None:
    before = numbers(depot)["stored"]
    prune(depot, PruneRule(), dry_run=False)
    assert numbers(depot)["stored"] == before
    assert len([row for row in image_usage(depot) if row.image.deleted_at is not None]) == 4
