"""A full file system: told early where the size is known, and nothing is left behind either way."""

from __future__ import annotations

import hashlib
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.small_disk import small_disk

from azekura.blobs.folder import FolderBlobs
from azekura.errors import NoSpace

pytestmark = pytest.mark.root
MIB = 1 << 20


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Path]:
    with small_disk(tmp_path, 4) as path:
        yield path


def free(path: Path) -> int:
    state = os.statvfs(path)
    return state.f_bavail * state.f_frsize


def test_a_declared_size_that_does_not_fit_is_refused_before_the_first_byte(small: Path) -> None:
    store = FolderBlobs(small / "blobs")
    with pytest.raises(NoSpace) as caught:
        store.ingest(expected_size=5 * MIB)
    assert (caught.value.needed, caught.value.available) == (5 * MIB, free(small))


def test_a_second_ingest_cannot_take_what_the_first_has_reserved(small: Path) -> None:
    store = FolderBlobs(small / "blobs")
    with store.ingest(expected_size=3 * MIB) as first:
        with pytest.raises(NoSpace):
            store.ingest(expected_size=2 * MIB)
        first.write(b"x" * (3 * MIB))
        first.commit()


def test_running_full_while_writing_frees_everything_again(small: Path) -> None:
    store = FolderBlobs(small / "blobs")
    before = free(small)
    with store.ingest() as ingest:
        ingest.write(b"x" * (3 * MIB))
        with pytest.raises(NoSpace) as caught:
            ingest.write(b"x" * (3 * MIB))
    assert caught.value.needed is not None
    assert caught.value.needed > 3 * MIB
    assert caught.value.available is not None
    assert free(small) == before
    assert list(store.list()) == []
    with store.ingest() as ingest:
        ingest.write(b"fits")
        assert ingest.commit().sha256 == hashlib.sha256(b"fits").hexdigest()


def test_no_room_for_the_shelf_keeps_nothing(small: Path) -> None:
    store = FolderBlobs(small / "blobs")
    fillers = small / "fillers"
    fillers.mkdir()
    subprocess.run(["mount", "-o", "remount,size=4m,nr_inodes=20", str(small)], check=True)
    for number in range(os.statvfs(small).f_favail):
        (fillers / str(number)).touch()
    with pytest.raises(NoSpace):
        store.ingest()
    (fillers / "0").unlink()
    with store.ingest() as ingest:
        ingest.write(b"data")
        with pytest.raises(NoSpace):
            ingest.commit()
    assert list(store.list()) == []
    assert list((store.root / ".incoming").iterdir()) == []
