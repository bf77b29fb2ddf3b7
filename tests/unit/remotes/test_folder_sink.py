"""A folder as a sink: whole files under their names, or nothing."""

from __future__ import annotations

from pathlib import Path

import pytest

from azekura.errors import AlreadyExists, ConnectionFailed, HostError
from azekura.remotes.folder_sink import FolderSink


def test_files_get_their_names_when_all_went_well(tmp_path: Path) -> None:
    with FolderSink(tmp_path) as sink:
        sink.part("metadata", 3).write(b"abc")
        rootfs = sink.part("rootfs", None)
        rootfs.write(b"wrong")
        rootfs.restart()
        assert rootfs.written == 0
        rootfs.write(b"ri")
        rootfs.write(b"ght")
        assert [path.name[0] for path in tmp_path.iterdir()] == [".", "."]
    assert sink.files == [tmp_path / "metadata", tmp_path / "rootfs"]
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == {"metadata": b"abc", "rootfs": b"right"}


def test_the_same_role_again_supersedes_what_came_before(tmp_path: Path) -> None:
    with FolderSink(tmp_path) as sink:
        sink.part("unified", None).write(b"old")
        sink.part("unified", None).write(b"new")
    assert [path.read_bytes() for path in tmp_path.iterdir()] == [b"new"]


def test_nothing_stays_of_a_download_that_failed(tmp_path: Path) -> None:
    def fail() -> None:
        with FolderSink(tmp_path) as sink:
            sink.part("metadata", 3).write(b"abc")
            sink.part("rootfs", 3)
            raise ConnectionFailed("cut")

    with pytest.raises(ConnectionFailed):
        fail()
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_is_there_is_not_overwritten(tmp_path: Path) -> None:
    (tmp_path / "unified").write_bytes(b"mine")
    with pytest.raises(AlreadyExists), FolderSink(tmp_path) as sink:
        sink.part("unified", 3)
    assert (tmp_path / "unified").read_bytes() == b"mine"


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    with (
        pytest.raises(HostError, match=r"nowhere can't be written: No such file"),
        FolderSink(tmp_path / "nowhere") as sink,
    ):
        sink.part("unified", 3)
