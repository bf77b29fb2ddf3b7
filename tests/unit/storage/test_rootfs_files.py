"""Files inside a hostile root file system: nothing outside of it is ever read or written."""

from __future__ import annotations

import os
import socket
import stat
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from azekura.errors import AlreadyExists, InUse, InvalidRequest, NotFound, StorageFailed
from azekura.storage.kernel.paths import RENAME_EXCHANGE, rename
from azekura.storage.rootfs_files import RootfsFiles


@pytest.fixture
def outside(tmp_path: Path) -> Path:
    """A file of the host that must stay as it is."""
    secret = tmp_path / "secret"
    secret.write_text("host")
    return secret


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "rootfs"
    (folder / "etc").mkdir(parents=True)
    (folder / "etc/motd").write_text("hello")
    return folder


@pytest.fixture
def files(root: Path) -> Iterator[RootfsFiles]:
    with RootfsFiles(root, os.geteuid()) as opened:
        yield opened


def content(files: RootfsFiles, path: str) -> bytes:
    with files.open_read(path) as file:
        return file.read()


def test_file_is_written_and_read(files: RootfsFiles, root: Path) -> None:
    files.write_file("/etc/hostname", b"c1\n")
    assert content(files, "etc/hostname") == b"c1\n"
    status = files.stat("/etc/hostname")
    assert (status.kind, status.mode, status.uid, status.gid, status.size) == ("file", 0o644, 0, 0, 3)
    assert sorted(entry.name for entry in (root / "etc").iterdir()) == ["hostname", "motd"]


def test_missing_folders_are_made(files: RootfsFiles) -> None:
    files.write_file("//var/lib//cloud/./seed/meta-data", [b"a", b"b"], mode=0o600)
    assert content(files, "/var/lib/cloud/seed/meta-data") == b"ab"
    assert files.stat("/var/lib/cloud").mode == 0o755
    assert files.stat("/var/lib/cloud/seed/meta-data").mode == 0o600


def test_existing_file_keeps_its_mode_without_setuid(files: RootfsFiles, root: Path) -> None:
    (root / "etc/motd").chmod(0o6750)
    files.write_file("/etc/motd", b"new", mode=0o644)
    assert files.stat("/etc/motd").mode == 0o750
    files.write_file("/etc/motd", b"new", mode=0o4711, keep_existing_mode=False)
    assert files.stat("/etc/motd").mode == 0o4711


def test_write_that_fails_changes_nothing(files: RootfsFiles, root: Path) -> None:
    def chunks() -> Iterator[bytes]:
        yield b"half"
        raise RuntimeError

    with pytest.raises(RuntimeError):
        files.write_file("/etc/motd", chunks())
    assert content(files, "/etc/motd") == b"hello"
    assert [entry.name for entry in (root / "etc").iterdir()] == ["motd"]


def test_hard_linked_target_changes_under_one_name_only(files: RootfsFiles, root: Path) -> None:
    (root / "other").hardlink_to(root / "etc/motd")
    files.write_file("/etc/motd", b"new")
    assert content(files, "/other") == b"hello"


@pytest.mark.parametrize("link", ["../../../secret", "/secret", "/../secret", "../../secret", "/proc/self/root/secret"])
def test_links_stay_inside(files: RootfsFiles, root: Path, outside: Path, link: str) -> None:
    (root / "etc/link").symlink_to(link)
    with pytest.raises(NotFound):
        files.open_read("/etc/link")
    try:
        files.write_file("/etc/link", b"inside")
    except NotFound:
        assert "proc" in link  # the folder isn't there inside, and isn't made for a link
    else:
        assert (root / "secret").read_text() == "inside"
    assert outside.read_text() == "host"


def test_linked_folders_stay_inside(files: RootfsFiles, root: Path, tmp_path: Path) -> None:
    (root / "out").symlink_to(tmp_path)
    (root / "up").symlink_to("../..")
    files.write_file("/up/new/file", b"x")
    assert (root / "new/file").read_bytes() == b"x"
    with pytest.raises(NotFound):
        files.write_file("/out/new/file", b"x")  # a link to nothing, as seen from inside
    with pytest.raises(NotFound):
        files.listdir("/out")
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["rootfs"]


def test_dots_stay_inside(files: RootfsFiles, root: Path, outside: Path) -> None:
    files.write_file("/../../../secret", b"inside")
    assert (root / "secret").read_text() == "inside"
    assert outside.read_text() == "host"


def test_relative_link_is_followed_from_where_it_really_lies(files: RootfsFiles, root: Path) -> None:
    (root / "a/b").mkdir(parents=True)
    (root / "short").symlink_to("a/b")
    (root / "a/b/link").symlink_to("../target")
    files.write_file("/short/link", b"x")
    assert (root / "a/target").read_bytes() == b"x"
    assert files.readlink("/short/link") == "../target"
    assert files.stat("/short/link", follow=False).kind == "symlink"


def test_loop_of_links_is_an_error(files: RootfsFiles, root: Path) -> None:
    (root / "a").symlink_to("b")
    (root / "b").symlink_to("a")
    with pytest.raises(InvalidRequest, match="too many levels of symbolic links"):
        files.write_file("/a", b"x")
    with pytest.raises(InvalidRequest, match="too many levels"):
        files.open_read("/a/x")
    assert files.exists("/a")


@pytest.mark.parametrize("path", ["", "/", "etc", "/etc/", "/etc/.", "/etc/motd/..", "."])
def test_folder_is_no_file(files: RootfsFiles, path: str) -> None:
    with pytest.raises(InvalidRequest, match="is a directory"):
        files.write_file(path, b"x")


def test_file_is_no_folder(files: RootfsFiles) -> None:
    with pytest.raises(InvalidRequest, match="not a directory"):
        files.write_file("/etc/motd/x", b"x")
    with pytest.raises(InvalidRequest, match="not a directory"):
        files.listdir("/etc/motd")


def test_nodes_are_neither_read_nor_written(files: RootfsFiles, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    os.mkfifo(root / "fifo")
    monkeypatch.chdir(root)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind("socket")
    for path, kind in (("/fifo", "FIFO"), ("/socket", "socket")):
        assert files.stat(path).kind == kind
        with pytest.raises(InvalidRequest, match=f"is a {kind}"):
            files.open_read(path)
        with pytest.raises(InvalidRequest, match=f"is a {kind}"):
            files.write_file(path, b"x")
        with pytest.raises(InvalidRequest, match=f"is a {kind}"):
            files.append_file(path, b"x")
    assert stat.S_ISFIFO((root / "fifo").lstat().st_mode)


def test_bytes_are_appended(files: RootfsFiles) -> None:
    files.append_file("/etc/motd", b" you")
    files.append_file("/new/log", [b"one", b"two"])
    assert content(files, "/etc/motd") == b"hello you"
    assert content(files, "/new/log") == b"onetwo"


def test_dangling_link_exists(files: RootfsFiles, root: Path) -> None:
    (root / "dangling").symlink_to("nothing")
    assert files.exists("/dangling")
    assert not files.exists("/nothing")
    with pytest.raises(NotFound):
        files.stat("/dangling")
    with pytest.raises(NotFound):
        files.exists("/nowhere/at/all") or files.stat("/nowhere/at/all")


def test_folders_and_links_are_made(files: RootfsFiles) -> None:
    files.mkdir("/srv/www", mode=0o2775, parents=True)
    files.mkdir("/srv/www", parents=True)
    with pytest.raises(AlreadyExists):
        files.mkdir("/srv/www")
    with pytest.raises(AlreadyExists):
        files.mkdir("/etc/motd", parents=True)
    with pytest.raises(NotFound):
        files.mkdir("/no/such/parent")
    files.symlink("/srv/link", "../etc/motd")
    with pytest.raises(AlreadyExists):
        files.symlink("/srv/link", "x")
    assert content(files, "/srv/link") == b"hello"
    assert files.listdir("/srv") == ["link", "www"]
    assert files.stat("/srv/www").mode == 0o2775


def test_remove_takes_links_not_what_they_point_to(files: RootfsFiles, root: Path) -> None:
    (root / "link").symlink_to("etc")
    with pytest.raises(InUse, match="not empty"):
        files.remove("/etc")
    files.remove("/link")
    files.remove("/etc/motd")
    files.remove("/etc")
    assert list(root.iterdir()) == []
    with pytest.raises(NotFound):
        files.remove("/etc")


@pytest.mark.parametrize("path", ["a\0b", "x" * 5000])
def test_path_that_no_kernel_takes_is_refused(files: RootfsFiles, path: str) -> None:
    with pytest.raises(InvalidRequest):
        files.stat(path)
    with pytest.raises(InvalidRequest):
        files.write_file("/" + "y" * 300, b"x")


@pytest.mark.parametrize("number", [-1, 2**32 - 1])
def test_ids_that_nobody_can_have_are_refused(files: RootfsFiles, number: int) -> None:
    with pytest.raises(InvalidRequest):
        files.write_file("/x", b"", uid=number)


def test_root_folder_must_be_a_real_folder(tmp_path: Path, root: Path) -> None:
    (tmp_path / "link").symlink_to(root)
    with pytest.raises(StorageFailed):
        RootfsFiles(tmp_path / "link", 0)


def test_folder_swapped_for_a_link_never_leads_outside(files: RootfsFiles, root: Path, tmp_path: Path) -> None:
    (tmp_path / "host").mkdir()
    (root / "real").mkdir()
    (root / "link").symlink_to(f"../../../../{tmp_path}/host")
    stop = threading.Event()

    def swap() -> None:
        while not stop.is_set():
            rename(root / "real", root / "link", RENAME_EXCHANGE)

    thread = threading.Thread(target=swap)
    thread.start()
    try:
        for number in range(300):
            try:
                files.write_file(f"/real/{number}", b"x")
            except (NotFound, InvalidRequest, AlreadyExists):
                pass
    finally:
        stop.set()
        thread.join()
    assert list((tmp_path / "host").iterdir()) == []
