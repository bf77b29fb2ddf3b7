"""What only a store made of files can get wrong."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from pathlib import Path

import pytest

from azekura.blobs.folder import FolderBlobs
from azekura.blobs.port import BlobInfo
from azekura.errors import NoSpace, NotFound, StorageFailed

DATA = b"log-built " * 9999
SHA256 = hashlib.sha256(DATA).hexdigest()


def put(store: FolderBlobs, data: bytes = DATA) -> BlobInfo:
    with store.ingest() as ingest:
        ingest.write(data)
        return ingest.commit()


def hidden_files(store: FolderBlobs) -> list[Path]:
    return list((store.root / ".incoming").iterdir())


def test_files_lie_on_shelves_and_belong_to_the_owner_alone(tmp_path: Path) -> None:
    store = FolderBlobs(tmp_path / "deep" / "blobs")
    put(store)
    path = store.path(SHA256)
    assert path == store.root / SHA256[:2] / SHA256
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == store.root.stat().st_mode & 0o777 == 0o700


def test_nothing_hidden_stays_after_commit_abort_or_mismatch(tmp_path: Path) -> None:
    store = FolderBlobs(tmp_path)
    put(store)
    with store.ingest() as ingest:
        ingest.write(DATA)
    assert hidden_files(store) == []


def test_a_reservation_does_not_lengthen_the_blob(tmp_path: Path) -> None:
    store = FolderBlobs(tmp_path)
    with store.ingest(expected_size=1 << 20) as ingest:
        ingest.write(DATA)
        ingest.commit()
    path = store.path(SHA256)
    assert path.stat().st_size == len(DATA)
    assert path.stat().st_blocks * 512 < len(DATA) + (64 << 10)


def test_more_than_the_disk_holds_is_refused_at_once_with_numbers(tmp_path: Path) -> None:
    store = FolderBlobs(tmp_path)
    with pytest.raises(NoSpace) as caught:
        store.ingest(expected_size=1 << 60)
    assert caught.value.needed == 1 << 60
    assert caught.value.available is not None
    assert caught.value.available < 1 << 60
    assert caught.value.path == str(store.root)
    assert hidden_files(store) == []


def test_sweep_removes_what_a_killed_process_left(tmp_path: Path) -> None:
    program = (
        "import os, signal, sys; from pathlib import Path; from azekura.blobs.folder import FolderBlobs\n"
        "ingest = FolderBlobs(Path(sys.argv[1])).ingest(); ingest.write(b'half')\n"
        "os.kill(os.getpid(), signal.SIGKILL)"
    )
    assert subprocess.run([sys.executable, "-c", program, str(tmp_path)], check=False).returncode == -9
    store = FolderBlobs(tmp_path)
    with store.ingest() as living:
        assert len(hidden_files(store)) == 2
        assert store.sweep() == 1
        assert len(hidden_files(store)) == 1
        living.write(DATA)
        living.commit()
    assert [info.sha256 for info in store.list()] == [SHA256]


def test_list_shows_nothing_but_blobs(tmp_path: Path) -> None:
    store = FolderBlobs(tmp_path)
    put(store)
    shelf = tmp_path / SHA256[:2]
    (shelf / "README").write_text("stray")
    (shelf / ("f" * 64 if SHA256[:2] != "ff" else "0" * 64)).write_text("on the wrong shelf")
    (shelf / (SHA256[:2] + "0" * 62)).symlink_to("/etc/passwd")
    (shelf / (SHA256[:2] + "1" * 62)).mkdir()
    (tmp_path / "lost+found").mkdir()
    assert list(store.list()) == [BlobInfo(SHA256, len(DATA))]


def test_a_link_in_place_of_a_blob_is_not_followed(tmp_path: Path) -> None:
    store = FolderBlobs(tmp_path)
    (tmp_path / "00").mkdir()
    name = "0" * 64
    (tmp_path / "00" / name).symlink_to("/etc/passwd")
    for method in (store.open, store.path, store.size, store.verify):
        with pytest.raises(NotFound):
            method(name)


def test_verify_notices_changed_and_shortened_bytes_and_a_new_commit_heals(tmp_path: Path) -> None:
    store = FolderBlobs(tmp_path)
    put(store)
    path = store.path(SHA256)
    changed = bytearray(DATA)
    changed[7] ^= 1
    path.write_bytes(changed)
    assert not store.verify(SHA256)
    os.truncate(path, 5)
    assert not store.verify(SHA256)
    put(store)
    assert store.verify(SHA256)


def test_quarantine_keeps_every_copy(tmp_path: Path) -> None:
    store = FolderBlobs(tmp_path)
    put(store)
    one = store.quarantine(SHA256)
    put(store)
    other = store.quarantine(SHA256)
    assert one != other
    assert one.read_bytes() == other.read_bytes() == DATA


def test_a_root_that_cannot_be_made_is_storage_failed(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageFailed, match="Can't set up the image store"):
        FolderBlobs(tmp_path / "file" / "blobs")


def test_a_missing_incoming_folder_is_storage_failed(tmp_path: Path) -> None:
    store = FolderBlobs(tmp_path)
    (tmp_path / ".incoming").rmdir()
    with pytest.raises(StorageFailed):
        store.ingest()
    with pytest.raises(StorageFailed):
        store.sweep()
