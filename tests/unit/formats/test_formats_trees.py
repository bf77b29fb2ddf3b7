"""Packing a tree and writing it again: what comes out is what went in."""

from __future__ import annotations

import hashlib
import io
import os
import socket
import stat
import struct
import subprocess
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.hostile.tar_builder import GOOD_YAML, file, folder, image

from azekura.errors import Cancelled, InvalidRequest, NoSpace, StorageFailed
from azekura.formats.beneath import open_folder, open_folder_stepwise
from azekura.formats.entry import Entry, Kind
from azekura.formats.pack import pack_image
from azekura.formats.scan import scan_unified
from azekura.formats.tree_writer import TreeWriter

ROOT = pytest.mark.root
NET_RAW = struct.pack("<5I", 0x02000001, 1 << 13, 0, 0, 0)
ACL = b"\x02\0\0\0" + b"".join(
    struct.pack("<HHI", tag, perm, who)
    for tag, perm, who in [(1, 6, 2**32 - 1), (2, 4, 1000), (4, 4, 2**32 - 1), (16, 4, 2**32 - 1), (32, 4, 2**32 - 1)]
)


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """A tree with one of everything."""
    root = tmp_path / "source"
    (root / "etc" / "deep" / ("n" * 200) / ("m" * 200)).mkdir(parents=True)
    (root / "etc" / "hostname").write_text("box\n")
    os.link(root / "etc" / "hostname", root / "etc" / "hard")
    (root / "etc" / "link").symlink_to("/etc/passwd")
    (root / "etc" / "dangling").symlink_to("x" * 300)
    os.mkfifo(root / "etc" / "fifo")
    with (root / "sparse").open("wb") as out:
        out.seek(3_000_000)
        out.write(b"middle")
        out.truncate(9_000_000)
    (root / "hole").touch()
    os.truncate(root / "hole", 1_000_000)
    (root / "big").write_bytes(os.urandom(2_500_000))
    Path(os.fsdecode(os.fsencode(root) + b"/latin-\xe9")).write_bytes(b"")
    os.utime(root / "etc" / "hostname", (1, 1_500_000_000))
    os.utime(root / "big", (1, -86400))
    return root


@pytest.fixture
def rich(source: Path) -> Path:
    """The same with what only root can make."""
    os.chown(source / "big", 70_000, 3_000_000)
    (source / "su").write_bytes(b"x")
    os.chown(source / "su", 5, 6)
    (source / "su").chmod(0o6755)
    os.setxattr(source / "su", "security.capability", NET_RAW)
    os.setxattr(source / "etc" / "hostname", "user.note", b"a\0b\nc=d")
    os.setxattr(source / "etc" / "hostname", "trusted.secret", b"host")
    os.setxattr(source / "etc" / "hostname", "system.posix_acl_access", ACL)
    os.setxattr(source / "etc", "system.posix_acl_default", ACL)
    (source / "etc").chmod(0o2775)
    os.mknod(source / "null", stat.S_IFCHR | 0o666, os.makedev(1, 3))
    os.mknod(source / "whiteout", stat.S_IFCHR | 0o666, os.makedev(0, 0))
    os.lchown(source / "etc" / "link", 12, 13)
    with socket.socket(socket.AF_UNIX) as listener:
        old = Path.cwd()
        os.chdir(source)
        try:
            listener.bind("sock")
        finally:
            os.chdir(old)
    return source


def pack(tree: Path, templates: dict[str, bytes] | None = None) -> bytes:
    out = io.BytesIO()
    pack_image(tree, GOOD_YAML, templates or {}, out)
    return out.getvalue()


def unpack(data: bytes, target: Path) -> None:
    target.mkdir()
    fd = os.open(target, os.O_DIRECTORY)
    try:
        with TreeWriter(fd, str(target)) as writer:
            scan_unified(io.BytesIO(data), writer)
    finally:
        os.close(fd)


def describe(tree: Path) -> Iterator[tuple[object, ...]]:
    groups: dict[int, int] = {}
    for folder_name, folders, files in os.walk(os.fsencode(tree)):
        folders.sort()
        for name in sorted([*folders, *files, b"."]):
            path = folder_name + b"/" + name
            info = os.lstat(path)
            regular = stat.S_ISREG(info.st_mode)
            yield (
                os.path.relpath(path, os.fsencode(tree)),
                oct(info.st_mode),
                (info.st_uid, info.st_gid, int(info.st_mtime_ns // 10**9)),
                (info.st_size, hashlib.sha256(Path(os.fsdecode(path)).read_bytes()).hexdigest()) if regular else None,
                info.st_rdev,
                Path(os.fsdecode(path)).readlink() if stat.S_ISLNK(info.st_mode) else None,
                groups.setdefault(info.st_ino, len(groups)),
                {
                    key: os.getxattr(path, key, follow_symlinks=False)
                    for key in sorted(os.listxattr(path, follow_symlinks=False))
                },
            )


@ROOT
def test_a_tree_survives_packing_and_unpacking(rich: Path, tmp_path: Path) -> None:
    unpack(pack(rich), tmp_path / "copy")
    (rich / "whiteout").unlink()
    (rich / "sock").unlink()
    os.utime(rich, (1, (tmp_path / "copy").stat().st_mtime))
    os.removexattr(rich / "etc" / "hostname", "trusted.secret")
    assert list(describe(tmp_path / "copy")) == list(describe(rich))
    assert (tmp_path / "copy" / "sparse").stat().st_blocks < 1000


@ROOT
def test_gnu_tar_unpacks_what_we_pack_to_the_same_tree(rich: Path, tmp_path: Path) -> None:
    data = pack(rich)
    unpack(data, tmp_path / "ours")
    theirs = tmp_path / "theirs"
    theirs.mkdir()
    command = ["tar", "--numeric-owner", "--xattrs", "--xattrs-include=*", "-C", str(theirs), "-xpf", "-"]
    subprocess.run(command, input=data, check=True, stderr=subprocess.DEVNULL)
    assert list(describe(tmp_path / "ours")) == list(describe(theirs / "rootfs"))


def test_packing_an_unchanged_tree_gives_the_same_bytes(source: Path) -> None:
    assert pack(source, {"b": b"2", "a": b"1"}) == pack(source, {"a": b"1", "b": b"2"})


def test_the_order_is_metadata_rootfs_templates(source: Path) -> None:
    with tarfile.open(fileobj=io.BytesIO(pack(source, {"x.tpl": b"1"})), errorlevel=2) as archive:
        names = archive.getnames()
    assert names[:2] == ["metadata.yaml", "rootfs"]
    assert names[-2:] == ["templates", "templates/x.tpl"]
    assert names[2:-2] == sorted(names[2:-2])


def test_packing_tells_its_progress_and_can_be_cancelled(source: Path) -> None:
    seen: list[int] = []
    pack_image(source, GOOD_YAML, {}, io.BytesIO(), progress=seen.append)
    assert seen == sorted(seen)
    assert seen[-1] >= 2_500_000
    with pytest.raises(Cancelled):
        pack_image(source, GOOD_YAML, {}, io.BytesIO(), cancelled=lambda: len(seen) > 0)


def test_packing_what_is_not_there_is_our_error(tmp_path: Path) -> None:
    with pytest.raises(StorageFailed):
        pack_image(tmp_path / "nothing", GOOD_YAML, {}, io.BytesIO())


def test_packing_does_not_follow_a_link_given_as_root(source: Path, tmp_path: Path) -> None:
    (tmp_path / "alias").symlink_to(source)
    with pytest.raises(StorageFailed):
        pack_image(tmp_path / "alias", GOOD_YAML, {}, io.BytesIO())


@ROOT
def test_a_full_file_system_is_told_as_such(tmp_path: Path) -> None:
    target = tmp_path / "small"
    target.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=200k", "none", str(target)], check=True)
    try:
        fd = os.open(target, os.O_DIRECTORY)
        try:
            with TreeWriter(fd, str(target)) as writer, pytest.raises(NoSpace):
                scan_unified(io.BytesIO(image(file(b"rootfs/big", bytes(1_000_000)))), writer)
        finally:
            os.close(fd)
    finally:
        subprocess.run(["umount", str(target)], check=True)


@ROOT
def test_the_writer_itself_follows_no_link_and_overwrites_nothing(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "file").write_text("mine")
    target = tmp_path / "tree"
    target.mkdir()
    (target / "link").symlink_to(outside)
    (target / "name").symlink_to(outside / "file")
    (target / "there").write_text("old")
    fd = os.open(target, os.O_DIRECTORY)
    try:
        with TreeWriter(fd, "tree") as writer:
            for path in (b"link/new", b"link/file", b"name", b"there", b"link/sub/new"):
                with pytest.raises(StorageFailed):
                    writer.add(Entry(path, Kind.FILE, size=1), iter([(0, b"x")]))
            for path in (b"link", b"link/sub"):
                with pytest.raises(StorageFailed):
                    writer.add(Entry(path, Kind.DIRECTORY), iter(()))
            with pytest.raises(StorageFailed):
                writer.add(Entry(b"h", Kind.HARDLINK, target=b"link/file"), iter(()))
    finally:
        os.close(fd)
    assert [path.name for path in outside.iterdir()] == ["file"]
    assert (outside / "file").read_text() == "mine"
    assert (target / "there").read_text() == "old"


@pytest.mark.parametrize("opener", [open_folder, open_folder_stepwise])
def test_folders_are_opened_beneath_only(tmp_path: Path, opener: object) -> None:
    assert callable(opener)
    (tmp_path / "a" / "b").mkdir(parents=True)
    (tmp_path / "a" / "up").symlink_to("..")
    (tmp_path / "f").touch()
    root = os.open(tmp_path, os.O_DIRECTORY)
    try:
        for path in (b"", b"a", b"a/b"):
            os.close(opener(root, path))
        for path in (b"..", b"a/../..", b"/", b"/tmp", b"a/up", b"a/up/a", b"f", b"none"):
            with pytest.raises(OSError, match=r"."):
                opener(root, path)
    finally:
        os.close(root)


@ROOT
def test_impossible_attribute_values_are_the_images_fault(tmp_path: Path) -> None:
    fd = os.open(tmp_path, os.O_DIRECTORY)
    bad = ACL[:4] + ACL[12:]  # no owner
    try:
        with TreeWriter(fd, "tree") as writer, pytest.raises(InvalidRequest, match="impossible value"):
            writer.add(Entry(b"f", Kind.FILE, xattrs={"system.posix_acl_access": bad}), iter(()))
    finally:
        os.close(fd)


@ROOT
def test_read_only_and_set_group_id_folders_are_no_obstacle(tmp_path: Path) -> None:
    data = image(
        folder(b"rootfs/ro/", 0o555), file(b"rootfs/ro/f", b"x"), folder(b"rootfs/sg/", 0o2750), file(b"rootfs/sg/f")
    )
    unpack(data, tmp_path / "tree")
    assert stat.S_IMODE((tmp_path / "tree" / "ro").stat().st_mode) == 0o555
    assert stat.S_IMODE((tmp_path / "tree" / "sg").stat().st_mode) == 0o2750
    assert (tmp_path / "tree" / "ro" / "f").read_bytes() == b"x"
