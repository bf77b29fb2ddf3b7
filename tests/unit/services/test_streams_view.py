"""The simplestreams face of a depot: one state of the catalog at a time, and only what is for everybody."""

from __future__ import annotations

import gzip
import json
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tests.fakes.depot import TurnableClock, folder_depot, put_image

from azekura.errors import InUse, NotFound
from azekura.model.image import Alias, Image
from azekura.services.depot import Depot
from azekura.services.images.aliases import delete_alias
from azekura.services.images.removal import collect_deleted, delete_image, undelete_image
from azekura.services.images.streams import StreamDocument, Streams, stream_file
from azekura.wire.simplestreams_items import file_name


@pytest.fixture
def given(tmp_path: Path) -> Iterator[tuple[Depot, TurnableClock]]:
    with folder_depot(tmp_path) as pair:
        yield pair


@pytest.fixture
def depot(given: tuple[Depot, TurnableClock]) -> Depot:
    return given[0]


@pytest.fixture
def clock(given: tuple[Depot, TurnableClock]) -> TurnableClock:
    return given[1]


def products(streams: Streams) -> dict[str, Any]:
    view = streams.view()
    listed = json.loads(view.images.body)["products"]
    assert json.loads(view.index.body)["index"]["images"]["products"] == list(listed)
    assert isinstance(listed, dict)
    return listed


def aliases(streams: Streams) -> set[str]:
    return {one["aliases"] for one in products(streams).values()}


def name_of(image: Image) -> str:
    return file_name(image.files.all[0])


def test_an_empty_server_offers_an_empty_list(depot: Depot) -> None:
    assert products(Streams(depot)) == {}


def test_private_images_are_nowhere(depot: Depot) -> None:
    put_image(depot, b"open", b"root", aliases=["open"], public=True)
    hidden = put_image(depot, b"hidden", aliases=["hidden"])
    streams = Streams(depot)
    assert aliases(streams) == {"open"}
    assert hidden.fingerprint.value not in streams.view().images.body.decode()
    with pytest.raises(NotFound, match=r"^not found$"):
        stream_file(depot, name_of(hidden))


def test_the_view_is_computed_once_for_a_state(depot: Depot) -> None:
    image = put_image(depot, b"a", aliases=["one"], public=True)
    streams = Streams(depot)
    assert streams.present() is None
    view = streams.view()
    assert streams.view() is view
    with depot.catalog.write() as tx:
        tx.images.mark_used(image.fingerprint, depot.clock())
        tx.settings.set({"user.x": "y"})
    depot.events.lifecycle("image-retrieved", "/1.0/images/x")
    assert streams.present() is view, "what clients can't see doesn't matter"


def test_every_change_is_seen_at_once(depot: Depot, clock: TurnableClock) -> None:
    streams = Streams(depot)
    assert products(streams) == {}
    image = put_image(depot, b"a", aliases=["one"], public=True)
    assert aliases(streams) == {"one"}
    with depot.catalog.write() as tx:
        tx.aliases.create(Alias("two", image.fingerprint))
    assert aliases(streams) == {"one,two"}
    delete_alias(depot, "one")
    assert aliases(streams) == {"two"}
    with depot.catalog.write() as tx:
        tx.images.replace(replace(tx.images.get(image.fingerprint), properties={"os": "Mine"}))
    assert list(products(streams)) == ["Mine:unknown:amd64:default"]
    with depot.catalog.write() as tx:
        tx.images.replace(replace(tx.images.get(image.fingerprint), public=False))
    assert products(streams) == {}
    with depot.catalog.write() as tx:
        tx.images.replace(replace(tx.images.get(image.fingerprint), public=True))
    assert aliases(streams) == {"two"}
    delete_image(depot, image.fingerprint)
    assert products(streams) == {}
    undelete_image(depot, image.fingerprint.value)
    assert aliases(streams) == {"two"}


def test_a_change_that_failed_changes_nothing(depot: Depot) -> None:
    image = put_image(depot, b"a", public=True)
    streams = Streams(depot)
    before = streams.view()

    def failing() -> None:
        with depot.catalog.write() as tx:
            tx.images.replace(replace(image, public=False))
            raise InUse("after all")

    with pytest.raises(InUse):
        failing()
    assert streams.view().images is before.images


def test_a_document_that_stayed_the_same_keeps_its_date(depot: Depot, clock: TurnableClock) -> None:
    put_image(depot, b"a", public=True)
    streams = Streams(depot)
    before = streams.view()
    clock.turn(hours=1)
    put_image(depot, b"private")
    after = streams.view()
    assert after.images is before.images
    put_image(depot, b"b", public=True)
    assert streams.view().images.made_at == clock.now
    assert streams.view().images.etag != before.images.etag


def test_many_readers_get_one_view(depot: Depot) -> None:
    for number in range(50):
        put_image(depot, str(number).encode(), public=True)
    streams = Streams(depot)
    seen: list[int] = []
    threads = [threading.Thread(target=lambda: seen.append(id(streams.view()))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(seen) == 8
    assert len(set(seen)) == 1


def test_files_are_found_by_the_name_they_are_given(depot: Depot) -> None:
    image = put_image(depot, b"meta", b"root", public=True)
    for file, content in zip(image.files.all, (b"meta", b"root"), strict=True):
        assert stream_file(depot, file_name(file)).read_bytes() == content
    for name in (f"{image.files.all[0].sha256}.squashfs", f"{image.fingerprint}.tar", "..", ""):
        with pytest.raises(NotFound, match=r"^not found$"):
            stream_file(depot, name)


def test_a_file_that_a_private_image_shares_is_served_for_the_public_one_only(depot: Depot) -> None:
    put_image(depot, b"shared", b"private root")
    with pytest.raises(NotFound):
        stream_file(depot, file_name(put_image(depot, b"shared", b"other").files.all[0]))
    image = put_image(depot, b"shared", b"public root", public=True)
    assert stream_file(depot, name_of(image)).read_bytes() == b"shared"


def test_files_outlive_the_index_that_clients_keep(depot: Depot, clock: TurnableClock) -> None:
    image = put_image(depot, b"a", public=True)
    delete_image(depot, image.fingerprint)
    clock.turn(minutes=119)
    assert stream_file(depot, name_of(image)).read_bytes() == b"a"
    clock.turn(minutes=2)
    with pytest.raises(NotFound):
        stream_file(depot, name_of(image))


def test_what_was_private_when_it_was_deleted_stays_hidden(depot: Depot) -> None:
    image = put_image(depot, b"a")
    delete_image(depot, image.fingerprint)
    with pytest.raises(NotFound):
        stream_file(depot, name_of(image))


def test_a_purged_image_is_gone(depot: Depot) -> None:
    image = put_image(depot, b"a", public=True)
    delete_image(depot, image.fingerprint)
    collect_deleted(depot, also=[image.fingerprint])
    with pytest.raises(NotFound):
        stream_file(depot, name_of(image))


def test_long_documents_are_compressed_and_short_ones_are_not(clock: TurnableClock) -> None:
    assert StreamDocument(b"{}", clock.now).packed() is None
    long = StreamDocument(b'{"a":1}' * 1000, clock.now)
    packed = long.packed()
    assert packed is not None
    assert gzip.decompress(packed) == long.body
    assert long.packed() is packed
