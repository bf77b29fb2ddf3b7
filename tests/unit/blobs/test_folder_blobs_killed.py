"""Promise 1: a killed process leaves nothing half-made. It is killed here before each line of the store's code."""

from __future__ import annotations

import hashlib
import os
import signal
import sys
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

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


def _child_killed_before_line(number: int, root: Path) -> bool:
    """Run the work in a child that kills itself before the ``number``-th line; whether it came that far."""
    child = os.fork()
    if child == 0:
        count = 0

        def trace(frame: FrameType, event: str, argument: Any) -> Any:
            nonlocal count
            if frame.f_code.co_filename not in TRACED:
                return None
            if event == "line":
                count += 1
                if count == number:
                    os.kill(os.getpid(), signal.SIGKILL)
            return trace

        sys.settrace(trace)
        try:
            _work(root)
            os._exit(0)
        finally:
            os._exit(1)
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    assert status in (0, -signal.SIGKILL)
    return status != 0


@pytest.mark.parametrize("already_there", [False, True])
def test_killed_before_any_line_leaves_the_blob_whole_or_absent(tmp_path: Path, already_there: bool) -> None:
    number, seen = 0, set()
    killed = True
    while killed:
        number += 1
        root = tmp_path / str(number)
        if already_there:
            _work(root)
        killed = _child_killed_before_line(number, root)
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
