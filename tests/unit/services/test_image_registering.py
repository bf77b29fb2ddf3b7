"""Recording images: what is adopted, what is refused, and that a refusal leaves nothing."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path

import pytest
from tests.busybox_images import tiny_image
from tests.fakes.depot import TurnableClock, put_image

from azekura.errors import AlreadyExists, FingerprintMismatch, NotFound
from azekura.model.fingerprint import Fingerprint
from azekura.model.image import Image
from azekura.model.source import ImageSource, Origin, Protocol
from azekura.services.depot import Depot
from azekura.services.images.aliases import alias_history, create_alias
from azekura.services.images.register import AliasWish, ImageWishes, check_wishes, register
from azekura.services.images.removal import delete_image
from azekura.services.images.staging import Staging
from azekura.services.images.usage import usage_report

DATA = tiny_image(42)
FINGERPRINT = Fingerprint.parse(hashlib.sha256(DATA).hexdigest())
ALL = ImageWishes(
    public=True,
    auto_update=True,
    cached=True,
    filename="f",
    properties={"a": "b"},
    aliases=(AliasWish("one", "first"), AliasWish("two")),
    source=ImageSource("https://x", Protocol.SIMPLESTREAMS, "debian/12"),
    adopt=True,
)


def bring(depot: Depot, wishes: ImageWishes, data: bytes = DATA) -> Image:
    with Staging(depot, Origin.ADMIN) as staging:
        part = staging.part("unified", len(data))
        part.write(data)
        return register(depot, staging, staging.finish(), wishes)


def assert_nothing_was_left(depot: Depot) -> None:
    assert list(depot.blobs.list()) == []
    assert usage_report(depot)["stored"] == 0
    assert not [path for path in Path(depot.folder.blobs).rglob("*") if path.is_file()]


def test_all_wishes_are_recorded(depot: Depot, clock: TurnableClock) -> None:
    image = bring(depot, ALL)
    assert image.fingerprint == FINGERPRINT
    assert image.public
    assert image.auto_update
    assert image.cached
    assert image.filename == "f"
    assert image.properties == {"os": "tiny", "a": "b"}
    assert [(alias.name, alias.description) for alias in image.aliases] == [("one", "first"), ("two", "")]
    assert image.source == ALL.source
    assert image.uploaded_at == clock()
    assert image.origin is Origin.ADMIN


def test_properties_replace_when_told_and_empty_ones_go(depot: Depot) -> None:
    image = bring(depot, ImageWishes(properties={"x": "1", "y": ""}, replace_properties=True))
    assert image.properties == {"x": "1"}


def test_adopting_adds_flags_and_takes_none_away(depot: Depot) -> None:
    bring(depot, ALL)
    again = bring(depot, ImageWishes(adopt=True))
    assert again.public
    assert again.auto_update
    assert again.properties == {"os": "tiny", "a": "b"}
    assert again.source == ALL.source
    assert [alias.name for alias in again.aliases] == ["one", "two"]


def test_adopting_by_an_explicit_copy_ends_caching(depot: Depot) -> None:
    bring(depot, replace(ALL, aliases=()))
    assert bring(depot, ImageWishes(cached=True, adopt=True)).cached
    assert not bring(depot, ImageWishes(adopt=True)).cached
    assert not bring(depot, ImageWishes(cached=True, adopt=True)).cached


def test_adopting_adds_flags_properties_and_aliases(depot: Depot) -> None:
    bring(depot, ImageWishes())
    image = bring(depot, ALL)
    assert image.public
    assert image.auto_update
    assert image.properties == {"os": "tiny", "a": "b"}
    assert [alias.name for alias in image.aliases] == ["one", "two"]


def test_the_same_image_again_is_refused_unless_adopted(depot: Depot) -> None:
    bring(depot, ImageWishes())
    with pytest.raises(AlreadyExists, match="Image with same fingerprint already exists"):
        bring(depot, ImageWishes(public=True))
    assert usage_report(depot)["stored"] == len(DATA)


def test_other_bytes_than_expected_leave_nothing(depot: Depot) -> None:
    with pytest.raises(FingerprintMismatch, match=FINGERPRINT.value):
        bring(depot, ImageWishes(expected=Fingerprint("0" * 64)))
    assert_nothing_was_left(depot)


def test_an_alias_taken_while_the_bytes_came_leaves_nothing(depot: Depot) -> None:
    other = put_image(depot, b"other")
    check_wishes(depot, ImageWishes(aliases=(AliasWish("name"),)))
    create_alias(depot, "name", other.fingerprint.value)
    with pytest.raises(AlreadyExists, match="Alias already exists: name"):
        bring(depot, ImageWishes(aliases=(AliasWish("name"),)))
    assert {blob.sha256 for blob in depot.blobs.list()} == {other.files.all[0].sha256}
    assert usage_report(depot)["stored"] == other.size


def test_a_profile_gone_while_the_bytes_came_leaves_nothing(depot: Depot) -> None:
    with pytest.raises(NotFound, match="Profile 'nosuch' doesn't exist"):
        bring(depot, ImageWishes(profiles=("nosuch",)))
    assert_nothing_was_left(depot)


def test_a_withdrawn_image_leaves_shared_files_alone(depot: Depot) -> None:
    bring(depot, ImageWishes(aliases=(AliasWish("name"),)))
    delete_image(depot, FINGERPRINT)
    other = put_image(depot, b"other")
    create_alias(depot, "name", other.fingerprint.value)
    with pytest.raises(AlreadyExists):
        bring(depot, ImageWishes(aliases=(AliasWish("name"),)))
    stored = {blob.sha256 for blob in depot.blobs.list()}
    with depot.catalog.read() as tx:
        recorded = {sha256 for sha256, _ in tx.blobs.list()}
    assert stored == recorded


def test_reuse_moves_an_alias_once_the_image_is_there(depot: Depot) -> None:
    other = put_image(depot, b"other", aliases=["name"])
    image = bring(depot, ImageWishes(aliases=(AliasWish("name"),), reuse=True))
    assert [alias.name for alias in image.aliases] == ["name"]
    assert [move.target for move in alias_history(depot, "name")] == [image.fingerprint, other.fingerprint]


def test_a_deleted_image_that_comes_again_is_a_new_record(depot: Depot) -> None:
    bring(depot, ALL)
    delete_image(depot, FINGERPRINT)
    image = bring(depot, ImageWishes())
    assert not image.public
    assert image.properties == {"os": "tiny"}
    assert image.aliases == ()
    assert depot.blobs.verify(image.files.all[0].sha256)
