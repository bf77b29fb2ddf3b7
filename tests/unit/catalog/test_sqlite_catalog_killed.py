"""A process killed while it writes leaves all of its transaction or nothing. It is killed here at many lines."""

from __future__ import annotations

import functools
import shutil
import sqlite3
import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from tests.killed_child import killed_before_line

import azekura.catalog
from azekura.catalog import open_catalog
from azekura.errors import NotFound
from azekura.model.fingerprint import Fingerprint
from azekura.model.image import EPOCH, Alias, Image, ImageFile, ImageType, UnifiedFiles
from azekura.model.source import Origin

PACKAGE = str(Path(azekura.catalog.__file__).parent)
FINGERPRINT = Fingerprint.parse("ab" * 32)
IMAGE = Image(
    FINGERPRINT,
    ImageType.CONTAINER,
    "x86_64",
    UnifiedFiles(ImageFile(FINGERPRINT.value, 9, ".tar")),
    EPOCH,
    datetime(2026, 11, 24, tzinfo=UTC),
    Origin.ADMIN,
)
STRIDE = 13  # every thirteenth line: one second instead of fifteen
MEMORY = Path("/dev/shm")  # what a killed process leaves doesn't depend on the disk


def _work(path: Path) -> None:
    catalog = open_catalog(path)
    with catalog.write() as tx:
        tx.blobs.record(FINGERPRINT.value, 9)
        tx.blobs.add_reference(FINGERPRINT.value, "image", FINGERPRINT.value)
        tx.images.create(IMAGE, metadata_yaml=b"yaml", templates={"a": b"x"})
        tx.aliases.create(Alias("one", FINGERPRINT))
    catalog.close()


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    with tempfile.TemporaryDirectory(dir=MEMORY if MEMORY.is_dir() else tmp_path) as name:
        yield Path(name)


def test_killed_anywhere_leaves_the_whole_transaction_or_none_of_it(folder: Path) -> None:
    empty = folder / "empty.db"
    open_catalog(empty).close()
    number, seen, killed = 1, set(), True
    while killed:
        path = folder / f"{number}.db"
        shutil.copy(empty, path)
        killed = killed_before_line(number, (PACKAGE,), functools.partial(_work, path))
        catalog = open_catalog(path)
        with catalog.read() as tx:
            try:
                image = tx.images.get(FINGERPRINT)
            except NotFound:
                assert (tx.aliases.list(), tx.blobs.list(), tx.aliases.history("one")) == ([], [], [])
                seen.add(False)
            else:
                assert [alias.name for alias in image.aliases] == ["one"]
                assert tx.images.templates(FINGERPRINT) == {"a": b"x"}
                assert len(tx.blobs.references(FINGERPRINT.value)) == len(tx.aliases.history("one")) == 1
                seen.add(True)
        catalog.close()
        with sqlite3.connect(path) as connection:
            assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        connection.close()
        number += STRIDE
    assert number > 100
    assert seen == {True, False}
