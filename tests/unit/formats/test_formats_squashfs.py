from __future__ import annotations

import io
import os
import stat
import subprocess
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from azekura.errors import AzekuraError, InvalidRequest, TooLarge, Unsupported
from azekura.formats.entry import Entry, Kind
from azekura.formats.limits import Limits
from azekura.formats.squashfs import SquashReader, scan_rootfs_squashfs


def make(tree: Path, image: Path, *options: str) -> bytes:
    command = ["mksquashfs", str(tree), str(image), "-noappend", "-quiet", "-no-progress", *options]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return image.read_bytes()


def plant(tree: Path) -> None:
    (tree / "etc").mkdir(parents=True)
    (tree / "sbin").mkdir()
    (tree / "sbin" / "init").symlink_to("/lib/systemd/systemd")
    (tree / "etc" / "hostname").write_text("box\n")
    os.link(tree / "etc" / "hostname", tree / "etc" / "zhard")
    (tree / "etc" / "empty").touch()
    (tree / "big").write_bytes(os.urandom(300_000) + bytes(100_000) + b"end")
    with (tree / "holes").open("wb") as out:
        for at in (1_000_000, 3_000_000):
            out.seek(at)
            out.write(b"data")
        out.truncate(5_000_001)
    for number in range(600):  # a listing of several runs and metadata blocks
        (tree / "etc" / f"{number:03}-{'n' * 60}").write_text(str(number))
    (tree / "etc" / "hostname").chmod(0o6755)


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("squashfs") / "tree"
    plant(root)
    return root


def walk(data: bytes, limits: Limits = Limits()) -> dict[bytes, tuple[Entry, bytes]]:  # noqa: B008 - frozen
    found = {}
    reader = SquashReader(io.BytesIO(data), limits)
    for entry in reader:
        whole = bytearray(entry.size)
        for offset, piece in reader.content():
            whole[offset : offset + len(piece)] = piece
        found[entry.path] = (entry, bytes(whole))
    return found


@pytest.mark.parametrize(
    "options",
    [
        ("-comp", "gzip"),
        ("-comp", "xz"),
        ("-comp", "xz", "-Xbcj", "x86", "-b", "4096"),
        ("-comp", "lzma"),
        ("-comp", "zstd", "-b", "1M"),
        ("-noI", "-noD", "-noF", "-noX"),
        ("-no-fragments",),
        ("-always-use-fragments",),
    ],
)
def test_what_mksquashfs_makes_is_read(tree: Path, tmp_path: Path, options: tuple[str, ...]) -> None:
    found = walk(make(tree, tmp_path / "image", *options))
    for folder, folders, files in os.walk(tree):
        for name in [*folders, *files]:
            path = Path(folder) / name
            entry, data = found[os.fsencode(path.relative_to(tree))]
            info = path.lstat()
            if entry.kind is not Kind.HARDLINK:
                assert (entry.mode, entry.uid, entry.gid) == (stat.S_IMODE(info.st_mode), info.st_uid, info.st_gid)
                assert entry.mtime_ns // 10**9 == int(info.st_mtime)
            if entry.kind is Kind.FILE:
                assert data == path.read_bytes()
    assert found[b"etc/zhard"][0].target == b"etc/hostname"
    assert found[b"sbin/init"][0].target == b"/lib/systemd/systemd"
    assert found[b""][0].kind is Kind.DIRECTORY
    assert found[b"holes"][0].stored < 3_000_000
    assert len(found) == 609


@pytest.mark.root
def test_devices_and_attributes_are_read(tmp_path: Path) -> None:
    source = tmp_path / "tree"
    source.mkdir()
    os.mknod(source / "null", stat.S_IFCHR | 0o666, os.makedev(1, 3))
    os.mknod(source / "far", stat.S_IFBLK | 0o600, os.makedev(259, 70_000))
    (source / "file").touch()
    os.setxattr(source / "file", "user.long", b"v" * 300)
    (source / "other").touch()
    os.setxattr(source / "other", "user.long", b"v" * 300)
    os.setxattr(source / "other", "security.capability", bytes.fromhex("0100000200200000000000000000000000000000"))
    found = walk(make(source, tmp_path / "image"))
    assert (found[b"null"][0].major, found[b"null"][0].minor) == (1, 3)
    assert (found[b"far"][0].major, found[b"far"][0].minor, found[b"far"][0].kind) == (259, 70_000, Kind.BLOCK)
    assert found[b"file"][0].xattrs == {"user.long": b"v" * 300}
    with (tmp_path / "image").open("rb") as file:
        assert scan_rootfs_squashfs(file).rootfs.capabilities == ("other cap_net_raw=ep",)


def test_a_scan_describes_it(tree: Path, tmp_path: Path) -> None:
    got = scan_rootfs_squashfs(io.BytesIO(make(tree, tmp_path / "image"))).rootfs
    assert got.has_init
    assert got.setuid == ("etc/hostname",)
    assert got.entries == 609
    assert 400_000 < got.unpacked_bytes < 3_000_000


@pytest.mark.parametrize("name", ["lzo", "lz4"])
def test_compressors_we_lack_are_named(tree: Path, tmp_path: Path, name: str) -> None:
    with pytest.raises(Unsupported, match=name):
        walk(make(tree, tmp_path / "image", "-comp", name))


def test_truncated_and_foreign_files_are_refused(tree: Path, tmp_path: Path) -> None:
    data = make(tree, tmp_path / "image")
    for cut in (0, 4, 95, 96, len(data) // 2, len(data) - 5000):
        with pytest.raises(InvalidRequest):
            walk(data[:cut])
    with pytest.raises(InvalidRequest, match="version"):
        walk(data[:28] + b"\3\0" + data[30:])


def test_limits_hold(tree: Path, tmp_path: Path) -> None:
    data = make(tree, tmp_path / "image")
    for limits in (
        Limits(entries=5),
        Limits(file_bytes=1000),
        Limits(path_bytes=10),
        Limits(expanded_bytes=1000),
        Limits(sparse_segments=1),
    ):
        with pytest.raises(TooLarge):
            scan_rootfs_squashfs(io.BytesIO(data), limits)
    with pytest.raises(TooLarge, match="times its size"):
        scan_rootfs_squashfs(io.BytesIO(data), Limits(ratio=0, ratio_from=1000))


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """A whole little image without compression of its metadata, so that damage hits the structures."""
    folder = tmp_path_factory.mktemp("small")
    (folder / "tree" / "a" / "b").mkdir(parents=True)
    (folder / "tree" / "a" / "file").write_bytes(b"x" * 5000)
    (folder / "tree" / "a" / "link").symlink_to("file")
    os.link(folder / "tree" / "a" / "file", folder / "tree" / "a" / "hard")
    os.setxattr(folder / "tree" / "a" / "file", "user.a", b"b")
    return make(folder / "tree", folder / "image", "-noI", "-noX", "-noF", "-b", "4096")


@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_no_damage_raises_anything_but_our_errors(small: bytes, data: st.DataObject) -> None:
    used = int.from_bytes(small[40:48], "little")
    broken = bytearray(small)
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, used - 1))
        patch = data.draw(st.binary(min_size=1, max_size=8))
        broken[at : at + len(patch)] = patch
    limits = Limits(entries=1000, file_bytes=1 << 22, expanded_bytes=1 << 24)
    try:
        walk(bytes(broken), limits)
        scan_rootfs_squashfs(io.BytesIO(bytes(broken)), limits)
    except AzekuraError:
        pass


def test_a_directory_that_contains_itself_is_refused(small: bytes) -> None:
    # let the entry "b" of the folder "a" refer to the inode of "a": their references stand in the listings
    inodes = int.from_bytes(small[64:72], "little")
    directories = int.from_bytes(small[72:80], "little")
    listing = small[directories : int.from_bytes(small[80:88], "little")]
    first, second = listing.find(b"a"), listing.find(b"b")
    outer = listing.rfind(b"a")
    assert inodes < directories
    found = []
    for name in (outer, second, first):
        for target in (outer, second, first):
            broken = bytearray(small)
            broken[directories + name - 8 : directories + name - 6] = listing[target - 8 : target - 6]
            try:
                walk(bytes(broken), Limits(entries=1000))
            except InvalidRequest as error:
                found.append(error.message)
    assert any("in itself or in two places" in message for message in found)
