"""What every content store must do (azekura.blobs.port)."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.fakes.blobs import MemoryBlobs

from azekura.blobs.folder import FolderBlobs
from azekura.blobs.port import BlobInfo, BlobStore
from azekura.errors import FingerprintMismatch, NotFound, StorageFailed

DATA = b"azekura " * 5000
SHA256 = hashlib.sha256(DATA).hexdigest()
STORES: dict[str, Callable[[Path], BlobStore]] = {"folder": FolderBlobs, "memory": lambda _: MemoryBlobs()}


@pytest.fixture(params=sorted(STORES))
def store(request: pytest.FixtureRequest, tmp_path: Path) -> BlobStore:
    return STORES[request.param](tmp_path / "blobs")


def put(store: BlobStore, data: bytes = DATA) -> BlobInfo:
    with store.ingest() as ingest:
        ingest.write(data)
        return ingest.commit()


def read(store: BlobStore, sha256: str) -> bytes:
    with store.open(sha256) as file:
        return file.read()


def test_committed_bytes_come_back_under_their_sha256(store: BlobStore) -> None:
    with store.ingest(expected_size=len(DATA)) as ingest:
        for start in range(0, len(DATA), 999):
            ingest.write(memoryview(DATA)[start : start + 999])
        assert ingest.size == len(DATA)
        info = ingest.commit(SHA256)
    assert info == BlobInfo(SHA256, len(DATA))
    assert read(store, SHA256) == DATA
    assert store.size(SHA256) == len(DATA)
    assert list(store.list()) == [info]
    path = store.path(SHA256)
    assert path is None or path.read_bytes() == DATA


def test_an_empty_blob_is_a_blob(store: BlobStore) -> None:
    info = put(store, b"")
    assert info == BlobInfo(hashlib.sha256(b"").hexdigest(), 0)
    assert read(store, info.sha256) == b""


def test_nothing_is_visible_before_commit(store: BlobStore) -> None:
    with store.ingest() as ingest:
        ingest.write(DATA)
        assert list(store.list()) == []
        assert ingest.seal() == BlobInfo(SHA256, len(DATA))
        assert list(store.list()) == []
        with pytest.raises(NotFound):
            store.open(SHA256)
        ingest.commit()
    assert list(store.list()) == [BlobInfo(SHA256, len(DATA))]


def test_leaving_the_block_without_commit_keeps_nothing(store: BlobStore) -> None:
    with store.ingest() as ingest:
        ingest.write(DATA)
        ingest.seal()
    assert list(store.list()) == []
    with pytest.raises(StorageFailed):
        ingest.write(b"more")
    with pytest.raises(StorageFailed):
        ingest.commit()


def test_commit_rejects_wrong_fingerprint(store: BlobStore) -> None:
    wrong = "0" * 64
    with store.ingest() as ingest:
        ingest.write(DATA)
        with pytest.raises(FingerprintMismatch) as caught:
            ingest.commit(wrong)
        assert (caught.value.expected, caught.value.actual) == (wrong, SHA256)
        with pytest.raises(StorageFailed):
            ingest.commit(SHA256)
    assert list(store.list()) == []


def test_a_sealed_ingest_takes_no_more_bytes(store: BlobStore) -> None:
    with store.ingest() as ingest:
        ingest.write(DATA)
        ingest.seal()
        with pytest.raises(StorageFailed):
            ingest.write(b"more")
        assert ingest.seal() == ingest.commit() == ingest.commit(SHA256) == BlobInfo(SHA256, len(DATA))
        ingest.abort()
    assert read(store, SHA256) == DATA


def test_committing_bytes_that_are_there_already_is_fine(store: BlobStore) -> None:
    assert put(store) == put(store)
    with store.ingest() as one, store.ingest() as other:
        one.write(DATA)
        other.write(DATA)
        assert one.commit() == other.commit(SHA256)
    assert list(store.list()) == [BlobInfo(SHA256, len(DATA))]


def test_a_sealed_file_can_be_scanned_before_commit(store: BlobStore) -> None:
    with store.ingest(expected_size=2 * len(DATA)) as ingest:
        ingest.write(DATA)
        assert ingest.path() is None
        ingest.seal()
        path = ingest.path()
        assert path is None or path.read_bytes() == DATA
        ingest.commit()
        assert ingest.path() is None


def test_delete_removes_and_a_reader_is_not_cut_off(store: BlobStore) -> None:
    put(store)
    with store.open(SHA256) as file:
        assert file.read(8) == DATA[:8]
        store.delete(SHA256)
        assert file.read() == DATA[8:]
    assert list(store.list()) == []
    put(store)
    assert read(store, SHA256) == DATA


@pytest.mark.parametrize(
    "name", ["", "0" * 64, "../../etc/passwd", "A" * 64, "0" * 63, "0" * 65, "/" * 64, "é" * 64, "0" * 63 + "\n"]
)
def test_what_is_not_there_or_no_name_is_not_found(store: BlobStore, name: str) -> None:
    for method in (store.open, store.path, store.size, store.delete, store.quarantine, store.verify):
        with pytest.raises(NotFound, match=r"^Image file not found$"):
            method(name)


def test_quarantine_takes_out_of_sight(store: BlobStore) -> None:
    put(store)
    aside = store.quarantine(SHA256)
    assert aside is None or aside.read_bytes() == DATA
    assert list(store.list()) == []
    with pytest.raises(NotFound):
        store.open(SHA256)
    put(store)
    assert store.verify(SHA256)


def test_verify_accepts_what_is_right(store: BlobStore) -> None:
    put(store)
    assert store.verify(SHA256)


def test_sweep_spares_ingests_of_the_living(store: BlobStore) -> None:
    with store.ingest() as ingest:
        ingest.write(DATA)
        assert store.sweep() == 0
        ingest.commit()
    assert read(store, SHA256) == DATA


def test_threads_may_put_at_once(store: BlobStore) -> None:
    datas = [bytes([number % 4]) * 10000 for number in range(16)]
    threads = [threading.Thread(target=put, args=(store, data)) for data in datas]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(info.sha256 for info in store.list()) == sorted({hashlib.sha256(data).hexdigest() for data in datas})
    assert all(store.verify(info.sha256) for info in store.list())
