"""Storage drivers on a real kernel: owners on both sides, devices, squashfs, full disks, crashes."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from azekura.errors import InUse, InvalidRequest, NoSpace, NotFound, StorageFailed, Unsupported
from azekura.storage.btrfs import BtrfsStorage
from azekura.storage.dir import DirStorage
from azekura.storage.kernel.mountinfo import mount_points
from azekura.storage.overlay import OverlayStorage
from azekura.storage.overlay_mount import LayerWay
from azekura.storage.port import IdMap, StorageDriver
from azekura.storage.rootfs_files import RootfsFiles

pytestmark = [pytest.mark.root, pytest.mark.skipif(os.geteuid() != 0, reason="needs root")]

ALPHA, BETA = "a" * 64, "b" * 64
BASE = 1_000_000
MAP = IdMap(BASE, 65536)


def make_overlay(path: Path) -> StorageDriver:
    return OverlayStorage(path)


def make_attached(path: Path) -> StorageDriver:
    return OverlayStorage(path, way=LayerWay.ATTACHED)


def make_dir(path: Path) -> StorageDriver:
    return DirStorage(path)


def make_btrfs(path: Path) -> StorageDriver:
    return BtrfsStorage(path, source=path.with_name("pool.img"), size=256 << 20)


@pytest.fixture
def place() -> Iterator[Path]:
    """A folder that every user may pass through, as the daemon's state folder is (pytest's own are not)."""
    folder = Path(
        subprocess.run(["mktemp", "-d", "/tmp/azekura-storage-XXXXXX"], capture_output=True, text=True).stdout.strip()
    )
    folder.chmod(0o711)
    yield folder
    points = [point for point in mount_points() if point.startswith(str(folder))]
    for point in reversed(points):
        subprocess.run(["umount", point])
    shutil.rmtree(folder)
    assert points == []


@pytest.fixture(params=[make_overlay, make_attached, make_dir, make_btrfs])
def driver(request: pytest.FixtureRequest, place: Path) -> Iterator[StorageDriver]:
    yield from opened(request.param(place / "pool"))


@pytest.fixture
def overlay(place: Path) -> Iterator[StorageDriver]:
    yield from opened(OverlayStorage(place / "pool"))


@pytest.fixture
def squashfs(place: Path) -> Path:
    tree = place / "tree"
    populate(tree)
    file = place / "rootfs.squashfs"
    subprocess.run(["mksquashfs", tree, file, "-quiet", "-no-progress"], check=True, stdout=subprocess.DEVNULL)
    return file


def opened(pool: StorageDriver) -> Iterator[StorageDriver]:
    pool.create()
    with pool.fill_image() as image:
        populate(image.path)
        image.commit(ALPHA)
    yield pool
    for name in pool.volumes():
        pool.delete_volume(name)
    pool.destroy()
    assert not pool.path.exists()


def populate(root: Path) -> None:
    (root / "bin").mkdir(parents=True)
    (root / "etc").mkdir()
    (root / "etc/motd").write_text("alpha")
    (root / "etc/web").write_text("www-data's")
    os.chown(root / "etc/web", 33, 33)
    shutil.copy("/usr/bin/id", root / "bin/id")
    (root / "bin/id").chmod(0o4755)
    os.mknod(root / "null", 0o666 | 0o020000, os.makedev(1, 3))


def run_as(uid: int, *argv: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(argv, user=uid, group=uid, extra_groups=[], capture_output=True, text=True)


def loop_devices(file: Path) -> list[str]:
    said = subprocess.run(["losetup", "-a"], capture_output=True, text=True).stdout
    return [line for line in said.splitlines() if str(file)[:50] in line]


# Owners and rights


def test_ids_are_mapped_outside_and_native_on_disk(driver: StorageDriver) -> None:
    driver.create_volume("c1", ALPHA)
    mounted = driver.mount("c1", MAP)
    assert (mounted.owner_base, mounted.liblxc_idmaps) == (BASE, False)
    assert (mounted.path / "etc/motd").stat().st_uid == BASE
    assert (mounted.path / "etc/web").stat().st_uid == BASE + 33
    with RootfsFiles(mounted.path, mounted.owner_base) as files:
        files.write_file("/srv/www/index", b"x", uid=33, gid=33)
        files.write_file("/etc/web", b"changed")
        status = files.stat("/srv/www/index")
        assert (status.uid, status.gid, files.stat("/srv").uid, files.stat("/etc/web").uid) == (33, 33, 0, 33)
    assert (mounted.path / "srv/www/index").stat().st_uid == BASE + 33
    driver.snapshot("c1", "snap0")
    for name in ("c1", "c1/snap0"):
        with driver.view(name) as root:
            assert [(root / file).stat().st_uid for file in ("srv", "srv/www/index", "etc/web")] == [0, 33, 33]
    assert driver.mount("c1", None).owner_base == 0
    assert (mounted.path / "srv/www/index").stat().st_uid == 33


def test_device_nodes_of_an_image_are_dead(driver: StorageDriver) -> None:
    driver.create_volume("c1", ALPHA)
    for idmap in (MAP, None):
        root = driver.mount("c1", idmap).path
        flags = os.statvfs(root).f_flag
        assert flags & os.ST_NODEV
        assert not flags & (os.ST_NOSUID | os.ST_RDONLY | os.ST_NOEXEC)
        with pytest.raises(PermissionError):
            (root / "null").read_bytes()
        with RootfsFiles(root, 0) as files, pytest.raises(InvalidRequest, match="character device"):
            files.open_read("/null")


def test_view_is_read_only_and_runs_nothing(driver: StorageDriver) -> None:
    driver.create_volume("c1", ALPHA)
    with driver.view("c1") as root:
        wanted = os.ST_RDONLY | os.ST_NODEV | os.ST_NOSUID | os.ST_NOEXEC
        assert os.statvfs(root).f_flag & wanted == wanted
        with pytest.raises(OSError, match="Read-only"):
            (root / "new").touch()


def test_setuid_programs_of_containers_are_out_of_reach_for_users_of_the_host(driver: StorageDriver) -> None:
    driver.create_volume("c1", ALPHA)
    driver.snapshot("c1", "snap0")
    root = driver.mount("c1", MAP).path
    (root / "bin/id").chmod(0o4711)  # now there is one in the container's own layer too
    programs = list(driver.path.rglob("bin/id"))
    assert len(programs) >= 3
    with driver.view("c1") as view:
        for program in (*programs, view / "bin/id"):
            with pytest.raises(PermissionError):
                run_as(12345, program)
    # The container's own root gets through to its mounted tree, or liblxc could not start it.
    assert run_as(BASE, "/bin/cat", root / "etc/motd").stdout == "alpha"
    assert run_as(BASE + 1, "/bin/cat", root / "etc/motd").returncode == 1
    driver.mount("c1", None)
    assert run_as(BASE, "/bin/cat", root / "etc/motd").returncode == 1


def test_setuid_works_for_the_container(driver: StorageDriver) -> None:
    driver.create_volume("c1", ALPHA)
    root = driver.mount("c1", MAP).path
    assert (root / "bin/id").stat().st_mode & 0o4000
    root.parent.chmod(0o711)
    assert f"euid={BASE}" in run_as(12345, root / "bin/id").stdout


# Layers


def test_deleted_and_replaced_folders_stay_so_over_snapshots(driver: StorageDriver) -> None:
    driver.create_volume("c1", ALPHA)
    root = driver.mount("c1", MAP).path
    shutil.rmtree(root / "etc")
    (root / "etc").mkdir()
    (root / "etc/new").write_text("x")
    (root / "bin/id").unlink()
    (root / "bin").rename(root / "tools")
    driver.snapshot("c1", "snap0")
    driver.delete_volume("c1")
    driver.create_volume("c1", ALPHA)
    driver.snapshot("c1", "other")
    assert driver.snapshots("c1") == ["other"]
    root = driver.mount("c1", MAP).path
    shutil.rmtree(root / "etc")
    (root / "etc").mkdir()
    driver.copy_volume("c1", "c2")
    driver.restore("c1", "other")
    with driver.view("c2") as copy:
        assert list((copy / "etc").iterdir()) == []
    with driver.view("c1") as restored:
        assert (restored / "etc/motd").read_text() == "alpha"


def test_maps_of_any_size_follow_one_another(driver: StorageDriver) -> None:
    driver.create_volume("c1", ALPHA)
    for number, idmap in enumerate((MAP, IdMap(5_000_000, 1000), None, IdMap(200_000, 1_000_000), MAP)):
        root = driver.mount("c1", idmap).path
        (root / f"file{number}").write_text("x")
        if number:
            (root / f"file{number - 1}").unlink()
        if number > 1:
            (root / f"file{number - 2}").write_text("over a whiteout")
            (root / f"file{number - 2}").unlink()


def test_busy_root_file_system_is_in_use(driver: StorageDriver) -> None:
    driver.create_volume("c1", ALPHA)
    root = driver.mount("c1", MAP).path
    with (root / "etc/motd").open():
        with pytest.raises(InUse, match="in use"):
            driver.delete_volume("c1")
        assert driver.is_mounted("c1")
    driver.delete_volume("c1")


def test_what_somebody_mounted_inside_is_not_removed_with_it(driver: StorageDriver, place: Path) -> None:
    (place / "home").mkdir()
    (place / "home/letter").write_text("dear")
    driver.create_volume("c1", ALPHA)
    layer = driver.path / "containers/c1" / ("layer/u/etc" if driver.name == "overlay" else "tree/etc")
    layer.mkdir(exist_ok=True)
    subprocess.run(["mount", "--bind", place / "home", layer], check=True)
    try:
        with pytest.raises(InUse, match="is mounted on"):
            driver.delete_volume("c1")
    finally:
        subprocess.run(["umount", layer], check=True)
    assert (place / "home/letter").read_text() == "dear"
    driver.delete_volume("c1")


def test_trees_of_any_depth_and_size_are_removed(driver: StorageDriver) -> None:
    driver.create_volume("c1", ALPHA)
    root = driver.mount("c1", MAP).path
    here = os.open(root, os.O_RDONLY)
    for _ in range(1500):
        os.mkdir("deep", dir_fd=here)
        deeper = os.open("deep", os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = deeper
    os.close(here)
    for number in range(600):
        (root / f"file{number}").touch()
    driver.delete_volume("c1")
    assert list((driver.path / "containers").iterdir()) == []


# Squashfs


def test_squashfs_is_mounted_once_for_all_and_let_go(overlay: StorageDriver, squashfs: Path) -> None:
    overlay.adopt_squashfs(BETA, squashfs)
    overlay.adopt_squashfs(BETA, squashfs)
    squashfs.unlink()
    image = overlay.path / "images" / BETA
    for name in ("c1", "c2"):
        overlay.create_volume(name, BETA)
        root = overlay.mount(name, MAP).path
        assert (root / "etc/web").stat().st_uid == BASE + 33
        (root / "etc/motd").write_text(name)
    assert len(loop_devices(image)) == 1
    subprocess.run(["umount", image / "rootfs"], check=True)  # as after a reboot
    overlay.create_volume("c3", BETA)
    with overlay.view("c3") as root:
        assert (root / "etc/motd").read_text() == "alpha"
    with pytest.raises(InUse):
        overlay.remove_image(BETA)
    for name in overlay.volumes():
        overlay.delete_volume(name)
    overlay.remove_image(BETA)
    assert loop_devices(image) == []
    assert overlay.images() == [ALPHA]


def test_squashfs_on_another_file_system_is_copied(overlay: StorageDriver, squashfs: Path) -> None:
    elsewhere = Path("/dev/shm") / f"azekura-{os.getpid()}.squashfs"
    shutil.copy(squashfs, elsewhere)
    try:
        overlay.adopt_squashfs(BETA, elsewhere)
    finally:
        elsewhere.unlink()
    overlay.create_volume("c1", BETA)
    with overlay.view("c1") as root:
        assert (root / "etc/motd").read_text() == "alpha"


def test_what_the_kernel_can_not_mount_is_not_adopted(overlay: StorageDriver, place: Path) -> None:
    (place / "junk").write_bytes(b"hsqs" + os.urandom(8188))
    with pytest.raises(Unsupported, match="unpack it"):
        overlay.adopt_squashfs(BETA, place / "junk")
    (place / "link").symlink_to("junk")
    with pytest.raises((StorageFailed, Unsupported)):
        overlay.adopt_squashfs(BETA, place / "link")
    assert overlay.images() == [ALPHA]
    assert [entry.name for entry in (overlay.path / "images").iterdir()] == [ALPHA]


# Full disks


@pytest.fixture
def small(place: Path) -> Iterator[Path]:
    """A file system of 2 MiB."""
    (place / "small").mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2m,mode=711", "tmpfs", place / "small"], check=True)
    yield place / "small"
    subprocess.run(["umount", place / "small"], check=True)


@pytest.mark.parametrize("make", [make_overlay, make_dir])
def test_full_disk_says_so_and_leaves_nothing_half_made(small: Path, make: Callable[[Path], StorageDriver]) -> None:
    pool = make(small / "pool")
    pool.create()
    pool.create_volume("c1", None)
    root = pool.mount("c1", MAP).path
    (root / "big").write_bytes(os.urandom(1_300_000))
    with pytest.raises(NoSpace, match="No space left"):
        pool.snapshot("c1", "snap0")
    with pytest.raises(NoSpace):
        pool.copy_volume("c1", "c2")
    assert pool.snapshots("c1") == []
    assert pool.volumes() == ["c1"]
    assert list(pool.path.rglob(".new-*")) == []
    with RootfsFiles(root, BASE) as files, pytest.raises(NoSpace):
        files.write_file("/bigger", os.urandom(1_300_000))
    assert sorted(entry.name for entry in root.iterdir()) == ["big"]
    pool.delete_volume("c1")
    pool.destroy()


def test_pool_that_can_not_be_made_leaves_nothing(small: Path) -> None:
    (small / "filler").write_bytes(bytes(min(os.statvfs(small).f_bavail * 4096, 2 << 20)))
    with pytest.raises(NoSpace):
        make_overlay(small / "pool").create()
    assert [entry.name for entry in small.iterdir()] == ["filler"]


# Crashes


def test_image_that_may_not_have_reached_the_disk_is_removed(driver: StorageDriver) -> None:
    driver.create_volume("c1", ALPHA)
    driver.close()
    image = driver.path / "images" / ALPHA
    assert not (image / "unsynced").exists()
    (image / "unsynced").write_text("another boot")
    driver.recover()
    assert driver.images() == []
    if driver.shares_images:
        with pytest.raises(NotFound, match="image"):
            driver.mount("c1", MAP)
    with driver.fill_image() as again:
        populate(again.path)
        again.commit(ALPHA)
    assert (driver.mount("c1", MAP).path / "etc/motd").read_text() == "alpha"


def test_rename_that_was_cut_short_is_undone(driver: StorageDriver) -> None:
    driver.create_volume("old", ALPHA)
    driver.snapshot("old", "snap0")
    (driver.path / "rename-1234").write_text("old\nnew\n")
    (driver.path / "containers-snapshots/old").rename(driver.path / "containers-snapshots/new")
    (driver.path / "rename-5678").write_text("")
    driver.recover()
    assert driver.volumes() == ["old"]
    assert driver.snapshots("old") == ["snap0"]
    assert not list(driver.path.glob("rename-*"))


def test_deletion_that_was_cut_short_is_finished(driver: StorageDriver) -> None:
    driver.create_volume("c1", ALPHA)
    driver.snapshot("c1", "snap0")
    (driver.path / "containers/c1").rename(driver.path / "containers/.old-1234")
    driver.recover()
    assert driver.volumes() == []
    assert list((driver.path / "containers").iterdir()) == []
    assert list((driver.path / "containers-snapshots").iterdir()) == []


def test_views_left_behind_are_closed(driver: StorageDriver) -> None:
    driver.create_volume("c1", ALPHA)
    left = driver.view("c1")
    left.__enter__()
    driver.recover()
    assert list((driver.path / "views").iterdir()) == []
    with pytest.raises(StorageFailed):
        left.__exit__(None, None, None)


def test_pool_of_another_driver_is_refused(overlay: StorageDriver) -> None:
    with pytest.raises(StorageFailed, match=r"is no dir pool \(it says: overlay\)"):
        DirStorage(overlay.path).recover()


# dir where ids can't be mapped


def test_dir_shifts_owners_where_ids_can_not_be_mapped(place: Path) -> None:
    for name in ("lower", "upper", "work", "merged"):
        (place / name).mkdir()
    options = ",".join(f"{key}dir={place / key}" for key in ("lower", "upper", "work"))
    subprocess.run(["mount", "-t", "overlay", "-o", options, "overlay", place / "merged"], check=True)
    try:
        for pool in opened(DirStorage(place / "merged/pool")):
            pool.create_volume("c1", ALPHA)
            mounted = pool.mount("c1", MAP)
            assert mounted.owner_base == BASE
            assert pool.mount("c1", MAP) == mounted
            assert (mounted.path / "etc/web").stat().st_uid == BASE + 33
            assert (mounted.path / "bin/id").stat().st_mode & 0o4000
            with RootfsFiles(mounted.path, mounted.owner_base) as files:
                files.write_file("/new", b"x", uid=5)
            pool.snapshot("c1", "snap0")
            for name in ("c1", "c1/snap0"):
                with pool.view(name) as root:
                    assert [(root / file).stat().st_uid for file in ("etc/web", "new", "bin")] == [33, 5, 0]
            pool.restore("c1", "snap0")
            assert (pool.mount("c1", IdMap(2_000_000, 65536)).path / "new").stat().st_uid == 2_000_005
            assert (pool.mount("c1", None).path / "new").stat().st_uid == 5
        for pool in opened(OverlayStorage(place / "merged/pool")):
            pool.create_volume("c1", None)
            with pytest.raises(Unsupported, match="can't map ids"):
                pool.mount("c1", MAP)
            assert not pool.is_mounted("c1")
    finally:
        subprocess.run(["umount", place / "merged"], check=True)


# btrfs


def test_btrfs_pool_is_mounted_again_after_a_reboot(place: Path) -> None:
    pool = make_btrfs(place / "pool")
    for _ in opened(pool):
        pool.create_volume("c1", ALPHA)
        pool.close()
        subprocess.run(["umount", pool.path], check=True)
        assert loop_devices(place / "pool.img") == []
        again = make_btrfs(place / "pool")
        again.recover()
        assert again.volumes() == ["c1"]
    assert not (place / "pool.img").exists()


def test_btrfs_volume_with_subvolumes_inside_is_deleted(place: Path) -> None:
    for pool in opened(make_btrfs(place / "pool")):
        pool.create_volume("c1", ALPHA)
        tree = pool.path / "containers/c1/tree"
        for name in ("one", "one/two", "three"):
            subprocess.run(["btrfs", "-q", "subvolume", "create", tree / name], check=True)
        subprocess.run(["btrfs", "-q", "subvolume", "snapshot", "-r", tree / "one", tree / "etc/kept"], check=True)
        pool.snapshot("c1", "snap0")
        pool.delete_volume("c1")
        assert list((pool.path / "containers").iterdir()) == []


def test_btrfs_pool_needs_a_place(place: Path) -> None:
    with pytest.raises(Unsupported, match="not on a btrfs"):
        BtrfsStorage(place / "pool").create()
    with pytest.raises(InvalidRequest, match="too small"):
        BtrfsStorage(place / "pool", source=place / "pool.img", size=1 << 20).create()
    (place / "pool.img").write_text("mine")
    with pytest.raises(Exception, match="already exists"):
        make_btrfs(place / "pool").create()
    assert (place / "pool.img").read_text() == "mine"
    assert not (place / "pool").exists()


def test_btrfs_pool_in_a_folder_of_an_existing_btrfs(place: Path) -> None:
    for outer in opened(make_btrfs(place / "pool")):
        for pool in opened(BtrfsStorage(outer.path / "inner/pool")):
            pool.create_volume("c1", ALPHA)
            assert (pool.mount("c1", MAP).path / "etc/motd").stat().st_uid == BASE
        (outer.path / "inner").rmdir()
