"""usage and prune: exact numbers on a store whose content is known."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from tests.api.split_images import split_pair
from tests.busybox_images import tiny_image
from tests.daemon_process import Daemon
from tests.rest import Rest, form


@pytest.fixture
def empty(fresh_daemon: Daemon, fresh: Rest) -> Iterator[Rest]:
    """A store without images, before and after."""
    _clear(fresh)
    yield fresh
    _clear(fresh)
    assert not [path for path in (fresh_daemon.folder / "images").rglob("*") if path.is_file()]


def _clear(rest: Rest) -> None:
    for one in rest.get("images?recursion=1").metadata:
        rest.done(rest.delete(f"images/{one['fingerprint']}"))
    assert rest.post("images/prune", {"to_free": 1 << 60}).status == 200
    assert rest.get("images/usage").metadata["stored"] == 0


def add_split(rest: Rest, metadata: bytes, rootfs: bytes) -> str:
    body, headers = form(("metadata", "m.tar", metadata), ("rootfs", "r.tar", rootfs))
    return str(rest.done(rest.post("images", raw=body, headers=headers))["fingerprint"])


def test_usage_counts_shared_files_once(empty: Rest, fresh_daemon: Daemon) -> None:
    rootfs = split_pair(1)[1]
    first_meta, second_meta = split_pair(1)[0], split_pair(2)[0]
    data = tiny_image(1)
    first, second = add_split(empty, first_meta, rootfs), add_split(empty, second_meta, rootfs)
    third = empty.add_image(data, X_LXD_aliases="alias=kept")
    report = empty.get("images/usage").metadata
    rows = {row["fingerprint"]: row for row in report["images"]}
    assert rows[first]["size"] == len(first_meta) + len(rootfs)
    assert rows[first]["unique"] == len(first_meta)
    assert rows[first]["shared"] == len(rootfs)
    assert rows[second]["unique"] == len(second_meta)
    assert rows[third] == {
        "fingerprint": third,
        "aliases": ["kept"],
        "size": len(data),
        "unique": len(data),
        "shared": 0,
        "used_by": [],
        "pinned": False,
        "cached": False,
        "deleted": False,
    }
    stored = len(first_meta) + len(second_meta) + len(rootfs) + len(data)
    assert report["logical"] == stored + len(rootfs)
    assert report["unique"] == stored
    assert report["shared"] == len(rootfs)
    assert report["stored"] == stored
    assert report["reclaimable"] == stored - len(data)
    on_disk = sum(path.stat().st_size for path in (fresh_daemon.folder / "images").rglob("*") if path.is_file())
    assert on_disk == stored


def test_a_shared_file_stays_until_the_last_image_is_gone(empty: Rest) -> None:
    rootfs = split_pair(1)[1]
    first = add_split(empty, split_pair(1)[0], rootfs)
    second = add_split(empty, split_pair(2)[0], rootfs)
    empty.done(empty.delete(f"images/{first}"))
    empty.post("images/prune", {"to_free": 1 << 60, "older_than_days": 1})
    assert empty.get(f"images/{first}").status == 404
    assert empty.post(f"images/{first}/undelete").status == 404
    exported = empty.get(f"images/{second}/export").body
    assert rootfs in exported


def test_a_deleted_image_is_counted_until_it_is_collected(empty: Rest) -> None:
    image = empty.add_image(tiny_image(2))
    empty.done(empty.delete(f"images/{image}"))
    report = empty.get("images/usage").metadata
    assert [row["deleted"] for row in report["images"]] == [True]
    assert report["reclaimable"] == report["stored"] == len(tiny_image(2))


def test_a_dry_run_says_what_would_go_and_why_and_changes_nothing(empty: Rest) -> None:
    loose = empty.add_image(tiny_image(3))
    named = empty.add_image(tiny_image(4), X_LXD_aliases="alias=named")
    pinned = empty.add_image(tiny_image(5))
    empty.post(f"images/{pinned}/pin", {})
    before = empty.get("images/usage").metadata
    plain = empty.post("images/prune", {"dry_run": True}).metadata
    assert [one["fingerprint"] for one in plain] == [loose]
    assert plain[0]["size"] == len(tiny_image(3))
    assert not plain[0]["removed"]
    assert "no alias points to it" in plain[0]["reason"]
    assert "no instance uses it" in plain[0]["reason"]
    unused = empty.post("images/prune", {"dry_run": True, "unused": True}).metadata
    assert [one["fingerprint"] for one in unused] == [loose, named]
    assert unused[1]["aliases"] == ["named"]
    assert empty.post("images/prune", {"dry_run": True, "older_than_days": 1}).metadata == []
    everything = empty.post("images/prune", {"dry_run": True, "older_than_days": 0}).metadata
    assert {one["fingerprint"] for one in everything} == {loose, named}
    assert empty.get("images/usage").metadata == before


def test_a_prune_removes_what_its_dry_run_named(empty: Rest) -> None:
    loose = empty.add_image(tiny_image(6))
    named = empty.add_image(tiny_image(7), X_LXD_aliases="alias=named")
    planned = empty.post("images/prune", {"dry_run": True}).metadata
    done = empty.post("images/prune", {}).metadata
    assert [one["fingerprint"] for one in planned] == [one["fingerprint"] for one in done] == [loose]
    assert done[0]["removed"]
    assert empty.get(f"images/{loose}").status == 404
    assert empty.get(f"images/{named}").status == 200
    assert empty.post(f"images/{loose}/undelete").status == 200


def test_freeing_space_takes_deleted_images_first_and_stops_when_enough_is_free(empty: Rest) -> None:
    deleted = empty.add_image(tiny_image(8))
    loose = empty.add_image(tiny_image(9))
    empty.done(empty.delete(f"images/{deleted}"))
    freed = empty.post("images/prune", {"to_free": 1}).metadata
    assert [one["fingerprint"] for one in freed] == [deleted]
    assert freed[0]["reason"] == "it was deleted and could still be brought back"
    assert empty.get(f"images/{loose}").status == 200
    assert empty.get("images/usage").metadata["stored"] == len(tiny_image(9))


def test_a_shared_file_counts_with_the_last_image_that_holds_it(empty: Rest) -> None:
    rootfs = split_pair(1)[1]
    first = add_split(empty, split_pair(1)[0], rootfs)
    second = add_split(empty, split_pair(2)[0], rootfs)
    planned = empty.post("images/prune", {"dry_run": True}).metadata
    assert [one["fingerprint"] for one in planned] == [first, second]
    assert [one["size"] for one in planned] == [len(split_pair(1)[0]), len(split_pair(2)[0]) + len(rootfs)]
    freed = empty.post("images/prune", {"to_free": len(split_pair(1)[0]) + 1}).metadata
    assert [one["size"] for one in freed] == [one["size"] for one in planned]
    assert empty.get("images/usage").metadata["stored"] == 0


def test_freeing_space_really_frees_it(empty: Rest) -> None:
    empty.add_image(tiny_image(10))
    empty.add_image(tiny_image(11), X_LXD_aliases="alias=named")
    empty.post("images/prune", {"to_free": 1 << 60})
    report = empty.get("images/usage").metadata
    assert report["stored"] == len(tiny_image(11)), "an image with an alias stays, unless --unused says otherwise"


@pytest.mark.parametrize(
    "body",
    [{"dry_run": "yes"}, {"older_than_days": "x"}, {"to_free": 1.5}, {"unused": 1}, []],
)
def test_prunes_that_make_no_sense_are_refused(fresh: Rest, body: object) -> None:
    answer = fresh.post("images/prune", body)
    assert answer.status == 400


def test_numbers_beyond_all_bounds_are_taken_as_very_large(fresh: Rest) -> None:
    assert fresh.post("images/prune", {"older_than_days": 10**30, "dry_run": True}).metadata == []
    assert fresh.post("images/prune", {"older_than_days": 10**30, "to_free": 10**30, "dry_run": True}).status == 200


def test_a_missing_file_of_an_image_is_said_with_what_to_do(fresh_daemon: Daemon, empty: Rest) -> None:
    image = empty.add_image(tiny_image(12))
    path = next(path for path in (fresh_daemon.folder / "images").rglob("*") if path.is_file())
    aside = fresh_daemon.root / "aside"
    path.rename(aside)
    try:
        answer = empty.get(f"images/{image}/export")
        assert answer.status == 500
        assert "missing from the store" in answer.error
        assert "lxd check" in answer.error
    finally:
        aside.rename(path)
