"""Promise 1: a killed process leaves nothing half-made. It is killed here before each line of the store's code."""

from __future__ import annotations

import functools
import hashlib
from pathlib import Path

import pytest
from tests.killed_child import killed_before_line

from azekura.blobs import folder, folder_ingest
from azekura.blobs.folder import FolderBlobs
from azekura.blobs.port import BlobInfo

DATA = b"twelve centuries " * 1000
SHA256 = hashlib.sha256(DATA).hexdigest()
TRACED = (folder.__file__, folder_ingest.__file__)


def _work(root: Path) -> None:
    store = FolderBlobs(root)
    with store.ingest(expected_size=len(DATA)) as ingest:
        ingest.write(DATA[:9000])
        ingest.write(DATA[9000:])
        ingest.seal()
        ingest.commit(SHA256)


@pytest.mark.parametrize("already_there", [False, True])
def test_killed_before_any_line_leaves_the_blob_whole_or_absent(tmp_path: Path, already_there: bool) -> None:
    number, seen = 0, set()
    killed = True
    while killed:
        number += 1
        root = tmp_path / str(number)
        if already_there:
            _work(root)
        killed = killed_before_line(number, TRACED, functools.partial(_work, root))
        store = FolderBlobs(root)
        assert store.sweep() <= 1
        assert list((root / ".incoming").iterdir()) == []
        listed = list(store.list())
        assert listed in ([], [BlobInfo(SHA256, len(DATA))])
        assert listed or not already_there
        assert all(store.verify(info.sha256) for info in listed)
        seen.add(bool(listed))
        _work(root)  # and the next try succeeds
        assert store.verify(SHA256)
    assert number > 50
    assert seen == ({True} if already_there else {False, True})
