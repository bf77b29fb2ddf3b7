"""Copies of root file systems: complete, and never of anything outside."""

from __future__ import annotations

import os
import shutil
import socket
import struct
import threading
from pathlib import Path

import pytest

from azekura.errors import StorageFailed
from azekura.storage.kernel.paths import RENAME_EXCHANGE, rename
from azekura.storage.owner_shift import OwnerShift
from azekura.storage.port import IdMap
from azekura.storage.tree_copy import MAX_DEPTH, copy_tree

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
MAP = IdMap(base=100_000, count=65536)
CAPABILITY = struct.pack("<5I", 0x02000001, 1 << 10, 0, 0, 0)  # cap_net_bind_service, effective


@pytest.fixture
def source(tmp_path: Path) -> Path:
    folder = tmp_path / "source"
    folder.mkdir()
    return folder


def test_everything_of_a_file_is_copied(source: Path, tmp_path: Path) -> None:
    (source / "dir").mkdir(mode=0o750)
    (source / "dir/file").write_text("text")
    (source / "dir/file").chmod(0o4711)
    (source / "empty").touch()
    (source / "link").symlink_to("../outside/nowhere")
    os.mkfifo(source / "fifo", 0o622)
    os.utime(source / "dir/file", ns=(1_000_000_001, 2_000_000_002))
    os.utime(source / "link", ns=(3, 4), follow_symlinks=False)
    os.utime(source / "dir", ns=(5, 6))
    copy_tree(source, tmp_path / "copy")
    for name in (".", "dir", "dir/file", "empty", "link", "fifo"):
        old, new = (source / name).lstat(), (tmp_path / "copy" / name).lstat()
        fields = ("st_mode", "st_uid", "st_gid", "st_size", "st_mtime_ns", "st_nlink")
        assert [getattr(old, field) for field in fields] == [getattr(new, field) for field in fields], name
    assert (tmp_path / "copy/dir/file").read_text() == "text"
    assert (tmp_path / "copy/link").readlink() == Path("../outside/nowhere")


def test_hard_links_stay_hard_links(source: Path, tmp_path: Path) -> None:
    (source / "a/b").mkdir(parents=True)
    (source / "a/b/one").write_text("x")
    (source / "two").hardlink_to(source / "a/b/one")
    (source / "a/three").hardlink_to(source / "a/b/one")
    copy_tree(source, tmp_path / "copy")
    inodes = {(tmp_path / "copy" / name).stat().st_ino for name in ("a/b/one", "two", "a/three")}
    assert len(inodes) == 1
    assert (tmp_path / "copy/two").stat().st_nlink == 3


def test_holes_stay_holes(source: Path, tmp_path: Path) -> None:
    with (source / "sparse").open("wb") as file:
        file.seek(5 << 20)
        file.write(b"middle")
        file.truncate(64 << 20)
    copy_tree(source, tmp_path / "copy")
    copy = tmp_path / "copy/sparse"
    assert copy.stat().st_size == 64 << 20
    assert copy.stat().st_blocks * 512 < 1 << 20
    with copy.open("rb") as file:
        file.seek(5 << 20)
        assert file.read(6) == b"middle"


@needs_root
def test_nodes_attributes_and_sockets_are_copied(source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(source)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind("socket")
    os.mknod("whiteout", 0o020000, 0)
    Path("file").write_text("x")
    os.chown("file", 33, 44)
    os.chown("socket", 1, 2)
    os.setxattr("file", "trusted.overlay.origin", b"\0x")
    os.setxattr("file", "security.capability", CAPABILITY)
    os.setxattr(".", "trusted.overlay.opaque", b"y")
    copy_tree(source, tmp_path / "copy")
    monkeypatch.chdir(tmp_path / "copy")
    assert Path("whiteout").stat().st_rdev == 0
    assert Path("whiteout").is_char_device()
    assert Path("socket").is_socket()
    assert (Path("file").stat().st_uid, Path("file").stat().st_gid) == (33, 44)
    assert (Path("socket").stat().st_uid, Path("socket").stat().st_gid) == (1, 2)
    assert os.getxattr("file", "trusted.overlay.origin") == b"\0x"
    assert os.getxattr("file", "security.capability") == CAPABILITY
    assert os.getxattr(".", "trusted.overlay.opaque") == b"y"


@needs_root
def test_shift_there_and_back_changes_nothing(source: Path, tmp_path: Path) -> None:
    (source / "file").write_text("x")
    os.chown(source / "file", 33, 44)
    (source / "file").chmod(0o6755)
    (source / "link").symlink_to("file")
    entries = ((1, 7, 2**32 - 1), (2, 6, 1000), (4, 5, 2**32 - 1), (8, 4, 50), (16, 7, 2**32 - 1), (32, 5, 2**32 - 1))
    access = struct.pack("<I", 2) + b"".join(struct.pack("<HHI", *entry) for entry in entries)
    os.setxattr(source / "file", "system.posix_acl_access", access)
    os.setxattr(source / "file", "security.capability", CAPABILITY)
    copy_tree(source, tmp_path / "there", OwnerShift(None, MAP))
    copy_tree(tmp_path / "there", tmp_path / "back", OwnerShift(MAP, None))
    there, back = tmp_path / "there/file", tmp_path / "back/file"
    assert (there.stat().st_uid, there.stat().st_gid) == (100_033, 100_044)
    assert (tmp_path / "there/link").lstat().st_uid == 100_000
    assert there.stat().st_mode == back.stat().st_mode == (source / "file").stat().st_mode
    assert os.getxattr(there, "security.capability") == (
        struct.pack("<I", 0x03000001) + CAPABILITY[4:] + struct.pack("<I", 100_000)
    )
    assert struct.unpack("<HHI", os.getxattr(there, "system.posix_acl_access")[12:20]) == (2, 6, 101_000)
    for name in ("security.capability", "system.posix_acl_access"):
        assert os.getxattr(back, name) == os.getxattr(source / "file", name)
    assert (back.stat().st_uid, back.stat().st_gid) == (33, 44)


@pytest.mark.parametrize(
    ("shift", "number", "expected"),
    [
        (OwnerShift(None, MAP), 0, 100_000),
        (OwnerShift(None, MAP), 65535, 165_535),
        (OwnerShift(None, MAP), 65536, 165_534),
        (OwnerShift(None, IdMap(100_000, 10)), 10, 100_009),
        (OwnerShift(MAP, None), 100_033, 33),
        (OwnerShift(MAP, None), 33, 65534),
        (OwnerShift(MAP, IdMap(200_000, 65536)), 100_033, 200_033),
        (OwnerShift(None, None), 4_000_000_000, 4_000_000_000),
    ],
)
def test_ids_outside_a_map_become_nobody(shift: OwnerShift, number: int, expected: int) -> None:
    assert shift.id(number) == expected


def test_folders_nested_too_deep_are_an_error_not_a_crash(source: Path, tmp_path: Path) -> None:
    here = os.open(source, os.O_RDONLY)
    for _ in range(MAX_DEPTH + 1):
        os.mkdir("d", dir_fd=here)
        deeper = os.open("d", os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = deeper
    os.close(here)
    before = len(list(Path("/proc/self/fd").iterdir()))
    with pytest.raises(StorageFailed, match="nested deeper"):
        copy_tree(source, tmp_path / "copy")
    assert len(list(Path("/proc/self/fd").iterdir())) == before


def test_folder_swapped_for_a_link_while_copied_gives_nothing_of_the_host(source: Path, tmp_path: Path) -> None:
    host = tmp_path / "host"
    (host / "sub").mkdir(parents=True)
    (host / "secret").write_text("host")
    (host / "sub/secret").write_text("host")
    for number in range(20):
        (source / f"d{number}/sub").mkdir(parents=True)
        (source / f"d{number}/secret").write_text("mine")
        (source / f"d{number}/sub/secret").write_text("mine")
        (source / f"l{number}").symlink_to(host)
    stop = threading.Event()

    def swap() -> None:
        while not stop.is_set():
            for number in range(20):
                rename(source / f"d{number}", source / f"l{number}", RENAME_EXCHANGE)

    thread = threading.Thread(target=swap)
    thread.start()
    try:
        for attempt in range(8):
            copy = tmp_path / f"copy{attempt}"
            copy_tree(source, copy)
            # What the copy has of its own; its links are never looked through.
            texts = {
                file.read_text()
                for folder, _, names in os.walk(copy)
                for name in names
                if not (file := Path(folder, name)).is_symlink()
            }
            assert "host" not in texts
            shutil.rmtree(copy)
    finally:
        stop.set()
        thread.join()
