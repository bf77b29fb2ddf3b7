"""What only a catalog in a file can meet."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.small_disk import small_disk

from azekura.catalog import Catalog, open_catalog
from azekura.errors import NoSpace, StorageFailed


def test_the_file_and_its_journals_belong_to_the_owner_alone(tmp_path: Path) -> None:
    catalog = open_catalog(tmp_path / "catalog.db")
    with catalog.write() as tx:
        tx.settings.set({"a": "b"})
    modes = {path.name: path.stat().st_mode & 0o777 for path in tmp_path.iterdir()}
    assert modes == {"catalog.db": 0o600, "catalog.db-shm": 0o600, "catalog.db-wal": 0o600}
    catalog.close()
    assert [path.name for path in tmp_path.iterdir()] == ["catalog.db"]


def test_paths_with_odd_characters_are_paths(tmp_path: Path) -> None:
    for name in ("with ?query#x.db", "100%.db", "é ☃.db", "file:x.db"):
        open_catalog(tmp_path / name).close()
        assert (tmp_path / name).is_file()


def test_a_file_that_is_no_database_is_storage_failed(tmp_path: Path) -> None:
    (tmp_path / "x.db").write_bytes(b"not a database at all" * 100)
    with pytest.raises(StorageFailed, match=r"x\.db failed: file is not a database"):
        open_catalog(tmp_path / "x.db")


@pytest.mark.parametrize("name", [".", "missing/x.db"])
def test_a_place_that_cannot_be_opened_is_storage_failed(tmp_path: Path, name: str) -> None:
    with pytest.raises(StorageFailed, match="Can't open the catalog"):
        open_catalog(tmp_path / name)


def test_a_damaged_file_is_storage_failed(tmp_path: Path) -> None:
    path = tmp_path / "x.db"
    catalog = open_catalog(path)
    with catalog.write() as tx:
        tx.settings.set({f"user.{number}": "x" * 100 for number in range(500)})
    catalog.close()
    data = bytearray(path.read_bytes())
    data[4096:] = b"\xff" * (len(data) - 4096)
    path.write_bytes(data)
    with pytest.raises(StorageFailed, match="malformed"):
        open_catalog(path)


def test_another_process_that_holds_the_file_makes_it_busy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("azekura.catalog.sqlite.BUSY_TIMEOUT", 0.05)
    catalog = open_catalog(tmp_path / "x.db")
    other = sqlite3.connect(tmp_path / "x.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(StorageFailed, match="is busy: another process holds it"), catalog.write():
        pass
    with catalog.read() as tx:
        assert tx.settings.all() == {}
    other.execute("ROLLBACK")
    other.close()
    with catalog.write() as tx:
        tx.settings.set({"a": "b"})
    catalog.close()


def test_commits_wait_for_the_disk_unless_told_otherwise(tmp_path: Path) -> None:
    catalog = open_catalog(tmp_path / "x.db")
    for durable, level in ((True, 2), (False, 1), (True, 2)):
        with catalog.write(durable=durable) as tx:
            connection = tx._session._connection
            assert connection.exec_driver_sql("PRAGMA synchronous").scalar() == level
            assert connection.exec_driver_sql("PRAGMA foreign_keys").scalar() == 1
            assert connection.exec_driver_sql("PRAGMA journal_mode").scalar() == "wal"
    catalog.close()


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Path]:
    with small_disk(tmp_path, 2) as path:
        yield path


def fill(catalog: Catalog, size: int) -> None:
    with catalog.write() as tx:
        tx.settings.set({"user.kept": "changed"})
        tx.settings.set({f"user.{number}": "x" * 10000 for number in range(size // 10000)})


@pytest.mark.root
def test_a_full_disk_undoes_the_transaction_and_the_catalog_lives_on(small: Path) -> None:
    catalog = open_catalog(small / "x.db")
    with catalog.write() as tx:
        tx.settings.set({"user.kept": "yes"})
    with pytest.raises(NoSpace) as caught:
        fill(catalog, 8 << 20)
    assert str(small) in str(caught.value)
    with catalog.read() as tx:
        assert tx.settings.all() == {"user.kept": "yes"}
    fill(catalog, 100_000)
    with catalog.read() as tx:
        assert tx.settings.get("user.kept") == "changed"
    catalog.close()
