"""What every storage driver must do: the real ones on a real kernel, and the fake that services are tested with."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from tests.fakes.storage import FolderStorage

from azekura.errors import AlreadyExists, InUse, InvalidRequest, NotFound, StorageFailed, Unsupported
from azekura.storage.btrfs import BtrfsStorage
from azekura.storage.dir import DirStorage
from azekura.storage.overlay import OverlayStorage
from azekura.storage.overlay_mount import LayerWay
from azekura.storage.port import IdMap, StorageDriver

ALPHA, BETA, GAMMA = "a" * 64, "b" * 64, "c" * 64
MAP = IdMap(base=1_000_000, count=65536)
MAKERS: dict[str, Callable[[Path], StorageDriver]] = {
    "fake": FolderStorage,
    "overlay": OverlayStorage,
    "overlay-attached": lambda path: OverlayStorage(path, way=LayerWay.ATTACHED),
    "dir": DirStorage,
    "btrfs": lambda path: BtrfsStorage(path, source=path.with_name("btrfs.img"), size=256 << 20),
}


@pytest.fixture(params=[pytest.param(kind, marks=() if kind == "fake" else pytest.mark.root) for kind in MAKERS])
def make(request: pytest.FixtureRequest) -> Callable[[Path], StorageDriver]:
    """Opens a driver; a second call is what a restarted daemon does."""
    if request.param != "fake" and os.geteuid() != 0:
        pytest.skip("needs root")
    return MAKERS[request.param]


@pytest.fixture
def driver(make: Callable[[Path], StorageDriver], tmp_path: Path) -> Iterator[StorageDriver]:
    """A pool with one image, ALPHA: ``/etc/motd`` and ``/bin/tool``."""
    pool = make(tmp_path / "pool")
    pool.create()
    fill(pool, ALPHA, "alpha")
    yield pool
    if pool.path.exists():
        for name in pool.volumes():
            pool.delete_volume(name)
        pool.destroy()


def fill(pool: StorageDriver, fingerprint: str, text: str) -> None:
    with pool.fill_image() as image:
        (image.path / "etc").mkdir()
        (image.path / "etc/motd").write_text(text)
        (image.path / "bin").mkdir()
        (image.path / "bin/tool").write_text("#!/bin/sh\n")
        (image.path / "bin/tool").chmod(0o755)
        (image.path / "bin/link").symlink_to("tool")
        image.path.chmod(0o751)
        image.commit(fingerprint)


def read(pool: StorageDriver, name: str, file: str = "etc/motd") -> str | None:
    with pool.view(name) as root:
        return (root / file).read_text() if (root / file).exists() else None


def write(pool: StorageDriver, name: str, text: str, file: str = "etc/motd") -> None:
    root = pool.mount(name, None).path
    (root / file).write_text(text)
    pool.unmount(name)


# Images


def test_image_is_there_after_commit_and_not_before(driver: StorageDriver) -> None:
    with driver.fill_image() as image:
        (image.path / "x").write_text("x")
        assert driver.images() == [ALPHA]
        image.commit(BETA)
    assert driver.images() == [ALPHA, BETA]
    assert driver.has_image(BETA)
    assert not driver.has_image(GAMMA)


def test_fill_without_commit_leaves_nothing(driver: StorageDriver) -> None:
    with driver.fill_image() as image:
        (image.path / "x").write_text("x")
    assert driver.images() == [ALPHA]
    assert not image.path.exists()


def test_fill_that_fails_leaves_nothing(driver: StorageDriver) -> None:
    with pytest.raises(RuntimeError), driver.fill_image() as image:
        raise RuntimeError
    assert not image.path.exists()


def test_second_commit_of_the_same_image_is_discarded(driver: StorageDriver) -> None:
    fill(driver, ALPHA, "another")
    driver.create_volume("c1", ALPHA)
    assert read(driver, "c1") == "alpha"
    assert driver.images() == [ALPHA]


def test_fill_can_be_committed_only_once(driver: StorageDriver) -> None:
    with driver.fill_image() as image:
        image.commit(BETA)
        with pytest.raises(StorageFailed):
            image.commit(GAMMA)


def test_commit_refuses_what_is_no_fingerprint(driver: StorageDriver) -> None:
    with driver.fill_image() as image, pytest.raises(InvalidRequest):
        image.commit("../escape")


def test_removing_an_image_that_is_not_there_does_nothing(driver: StorageDriver) -> None:
    driver.remove_image(BETA)
    driver.remove_image(ALPHA)
    driver.remove_image(ALPHA)
    assert driver.images() == []


def test_image_that_volumes_stand_on_is_kept(driver: StorageDriver) -> None:
    driver.create_volume("c1", ALPHA)
    if not driver.shares_images:
        driver.remove_image(ALPHA)
        assert read(driver, "c1") == "alpha"
        assert driver.volume_image("c1") is None
        return
    assert driver.volume_image("c1") == ALPHA
    with pytest.raises(InUse):
        driver.remove_image(ALPHA)
    driver.delete_volume("c1")
    driver.remove_image(ALPHA)


def test_image_that_only_a_snapshot_stands_on_is_kept(driver: StorageDriver) -> None:
    fill(driver, BETA, "beta")
    driver.create_volume("c1", None)
    driver.create_volume("c2", BETA)
    driver.copy_volume("c2", "c1/snap0")
    driver.delete_volume("c2")
    if not driver.shares_images:  # volumes and snapshots of this driver are whole
        driver.remove_image(BETA)
        assert read(driver, "c1/snap0") == "beta"
        return
    assert driver.volume_image("c1/snap0") == BETA
    with pytest.raises(InUse):
        driver.remove_image(BETA)


def test_squashfs_is_refused_by_drivers_that_do_not_mount_it(driver: StorageDriver, tmp_path: Path) -> None:
    expected = StorageFailed if driver.mounts_squashfs else Unsupported  # there is no such file
    with pytest.raises((expected, NotFound)):
        driver.adopt_squashfs(BETA, tmp_path / "rootfs.squashfs")
    assert not driver.has_image(BETA)


# Volumes


def test_volume_holds_what_its_image_holds(driver: StorageDriver) -> None:
    driver.create_volume("c1", ALPHA)
    with driver.view("c1") as root:
        assert (root / "etc/motd").read_text() == "alpha"
        assert (root / "bin/link").readlink() == Path("tool")
        assert (root / "bin/tool").stat().st_mode & 0o7777 == 0o755
        assert root.stat().st_mode & 0o7777 == 0o751


def test_settling_changes_nothing_however_often(driver: StorageDriver) -> None:
    driver.create_volume("c1", ALPHA)
    driver.create_volume("c2", None)
    for name in ("c1", "c2", "c1"):
        driver.settle(name)
    assert driver.volumes() == ["c1", "c2"]
    write(driver, "c1", "changed")
    driver.mount("c1", None)
    driver.settle("c1")
    driver.unmount("c1")
    assert read(driver, "c1") == "changed"
    assert driver.volume_image("c2") is None


def test_volume_without_an_image_is_empty(driver: StorageDriver) -> None:
    driver.create_volume("c1", None)
    assert driver.volume_image("c1") is None
    with driver.view("c1") as root:
        assert list(root.iterdir()) == []
    write(driver, "c1", "hello", "motd")
    assert read(driver, "c1", "motd") == "hello"


def test_volume_of_an_unknown_image_is_not_found(driver: StorageDriver) -> None:
    with pytest.raises(NotFound):
        driver.create_volume("c1", BETA)
    assert driver.volumes() == []


def test_volume_names_are_unique(driver: StorageDriver) -> None:
    driver.create_volume("c1", ALPHA)
    with pytest.raises(AlreadyExists):
        driver.create_volume("c1", None)
    assert driver.volumes() == ["c1"]


@pytest.mark.parametrize(
    "name", ["", ".", "..", "../c1", "c1/..", ".new-1", "-c1", "c 1", "c1\n", "c\0", "ü", "c" * 128]
)
def test_names_that_could_lead_elsewhere_are_refused(driver: StorageDriver, name: str) -> None:
    driver.create_volume("c1", ALPHA)
    driver.snapshot("c1", "snap0")
    attempts: list[Callable[[], object]] = [
        lambda: driver.create_volume(name, None),
        lambda: driver.mount(name, None),
        lambda: driver.delete_volume(name),
        lambda: driver.rename_volume("c1", name),
        lambda: driver.rename_volume(name, "c2"),
        lambda: driver.copy_volume("c1", name),
        lambda: driver.is_mounted(name),
    ]
    for attempt in attempts:
        with pytest.raises(InvalidRequest):
            attempt()


@pytest.mark.parametrize("name", ["", ".", "..", "../c1", "a/b", ".new-1", "-s", "s 1", "s\n", "s" * 128])
def test_snapshot_names_that_could_lead_elsewhere_are_refused(driver: StorageDriver, name: str) -> None:
    driver.create_volume("c1", ALPHA)
    driver.snapshot("c1", "snap0")
    attempts: list[Callable[[], object]] = [
        lambda: driver.snapshot("c1", name),
        lambda: driver.restore("c1", name),
        lambda: driver.delete_snapshot("c1", name),
        lambda: driver.rename_snapshot("c1", "snap0", name),
        lambda: driver.copy_volume("c1", f"c1/{name}"),
    ]
    for attempt in attempts:
        with pytest.raises(InvalidRequest):
            attempt()


def test_unknown_volumes_are_not_found(driver: StorageDriver) -> None:
    attempts: list[Callable[[], object]] = [
        lambda: driver.volume_image("c1"),
        lambda: driver.settle("c1"),
        lambda: driver.mount("c1", MAP),
        lambda: driver.unmount("c1"),
        lambda: driver.delete_volume("c1"),
        lambda: driver.rename_volume("c1", "c2"),
        lambda: driver.copy_volume("c1", "c2"),
        lambda: driver.snapshot("c1", "snap0"),
        lambda: driver.snapshots("c1"),
        lambda: driver.usage("c1"),
        lambda: read(driver, "c1"),
    ]
    for attempt in attempts:
        with pytest.raises(NotFound):
            attempt()
    assert not driver.is_mounted("c1")


def test_mounting_twice_and_unmounting_twice_are_fine(driver: StorageDriver) -> None:
    driver.create_volume("c1", ALPHA)
    assert not driver.is_mounted("c1")
    first = driver.mount("c1", MAP)
    assert driver.mount("c1", MAP) == first
    assert driver.is_mounted("c1")
    assert (first.path / "etc/motd").read_text() == "alpha"
    driver.unmount("c1")
    assert not driver.is_mounted("c1")
    driver.unmount("c1")


def test_what_is_written_stays_over_mounts_and_maps(driver: StorageDriver) -> None:
    driver.create_volume("c1", ALPHA)
    write(driver, "c1", "changed")
    root = driver.mount("c1", MAP).path
    assert (root / "etc/motd").read_text() == "changed"
    (root / "bin/tool").unlink()
    (root / "etc").rename(root / "conf")
    root = driver.mount("c1", IdMap(2_000_000, 1000)).path
    assert not (root / "bin/tool").exists()
    assert (root / "conf/motd").read_text() == "changed"
    driver.unmount("c1")
    assert read(driver, "c1", "conf/motd") == "changed"


def test_volumes_of_one_image_do_not_see_each_other(driver: StorageDriver) -> None:
    driver.create_volume("c1", ALPHA)
    driver.create_volume("c2", ALPHA)
    write(driver, "c1", "changed")
    driver.create_volume("c3", ALPHA)
    assert [read(driver, name) for name in ("c1", "c2", "c3")] == ["changed", "alpha", "alpha"]


def test_deleted_volume_is_gone_with_its_snapshots(driver: StorageDriver) -> None:
    driver.create_volume("c1", ALPHA)
    driver.snapshot("c1", "snap0")
    driver.mount("c1", MAP)
    driver.delete_volume("c1")
    assert driver.volumes() == []
    driver.create_volume("c1", ALPHA)
    assert driver.snapshots("c1") == []


def test_renamed_volume_keeps_everything(driver: StorageDriver) -> None:
    driver.create_volume("c1", ALPHA)
    write(driver, "c1", "changed")
    driver.snapshot("c1", "snap0")
    driver.mount("c1", MAP)
    driver.rename_volume("c1", "c2")
    assert driver.volumes() == ["c2"]
    assert not driver.is_mounted("c2")
    assert driver.snapshots("c2") == ["snap0"]
    assert read(driver, "c2") == read(driver, "c2/snap0") == "changed"


def test_rename_does_not_replace(driver: StorageDriver) -> None:
    driver.create_volume("c1", ALPHA)
    driver.create_volume("c2", None)
    with pytest.raises(AlreadyExists):
        driver.rename_volume("c1", "c2")
    assert driver.volumes() == ["c1", "c2"]


def test_copy_is_independent_of_its_source(driver: StorageDriver) -> None:
    driver.create_volume("c1", ALPHA)
    write(driver, "c1", "one")
    driver.copy_volume("c1", "c2")
    write(driver, "c1", "two")
    assert read(driver, "c2") == "one"
    assert driver.volume_image("c2") == driver.volume_image("c1")
    driver.delete_volume("c1")
    assert read(driver, "c2") == "one"
    with pytest.raises(AlreadyExists):
        driver.copy_volume("c2", "c2")


def test_copy_of_a_mounted_volume_has_native_ids(driver: StorageDriver) -> None:
    driver.create_volume("c1", ALPHA)
    driver.mount("c1", MAP)
    driver.copy_volume("c1", "c2")
    with driver.view("c2") as root:
        assert (root / "etc/motd").stat().st_uid == os.geteuid()


def test_snapshots_can_be_copied_with_their_volume(driver: StorageDriver) -> None:
    driver.create_volume("c1", ALPHA)
    write(driver, "c1", "one")
    driver.snapshot("c1", "snap0")
    write(driver, "c1", "two")
    driver.copy_volume("c1/snap0", "c2")
    assert read(driver, "c2") == "one"
    driver.copy_volume("c1/snap0", "c2/old")
    assert driver.snapshots("c2") == ["old"]
    with pytest.raises(NotFound):
        driver.copy_volume("c1/snap0", "c3/old")
    with pytest.raises(NotFound):
        driver.copy_volume("c1/snap1", "c3")


# Views


def test_view_of_a_volume_that_is_mounted_shows_its_present_state(driver: StorageDriver) -> None:
    driver.create_volume("c1", ALPHA)
    root = driver.mount("c1", MAP).path
    (root / "etc/motd").write_text("now")
    assert read(driver, "c1") == "now"
    assert driver.is_mounted("c1")


def test_view_is_gone_after_its_block(driver: StorageDriver) -> None:
    driver.create_volume("c1", ALPHA)
    with pytest.raises(RuntimeError), driver.view("c1"):
        raise RuntimeError
    with driver.view("c1") as first, driver.view("c1") as second:
        assert (first / "etc/motd").read_text() == (second / "etc/motd").read_text()
    driver.delete_volume("c1")


# Snapshots


def test_restore_brings_the_snapshot_back(driver: StorageDriver) -> None:
    driver.create_volume("c1", ALPHA)
    write(driver, "c1", "one")
    driver.snapshot("c1", "snap0")
    root = driver.mount("c1", MAP).path
    (root / "etc/motd").unlink()
    (root / "new").write_text("new")
    driver.restore("c1", "snap0")
    assert not driver.is_mounted("c1")
    assert read(driver, "c1") == "one"
    assert read(driver, "c1", "new") is None
    write(driver, "c1", "three")
    driver.restore("c1", "snap0")
    assert read(driver, "c1") == "one"
    with pytest.raises(NotFound):
        driver.restore("c1", "snap1")


def test_snapshots_are_listed_oldest_first(driver: StorageDriver) -> None:
    driver.create_volume("c1", ALPHA)
    assert driver.snapshots("c1") == []
    for name in ("zeta", "snap-0", "2026-01-02_10:00:00"):
        driver.snapshot("c1", name)
    assert driver.snapshots("c1") == ["zeta", "snap-0", "2026-01-02_10:00:00"]
    driver.rename_snapshot("c1", "zeta", "first")
    assert driver.snapshots("c1") == ["first", "snap-0", "2026-01-02_10:00:00"]
    driver.delete_snapshot("c1", "snap-0")
    assert driver.snapshots("c1") == ["first", "2026-01-02_10:00:00"]


def test_snapshot_names_are_unique_per_volume(driver: StorageDriver) -> None:
    driver.create_volume("c1", ALPHA)
    driver.create_volume("c2", ALPHA)
    driver.snapshot("c1", "a")
    driver.snapshot("c2", "a")
    driver.snapshot("c1", "b")
    with pytest.raises(AlreadyExists):
        driver.snapshot("c1", "a")
    with pytest.raises(AlreadyExists):
        driver.rename_snapshot("c1", "a", "b")
    with pytest.raises(NotFound):
        driver.rename_snapshot("c1", "x", "y")
    with pytest.raises(NotFound):
        driver.delete_snapshot("c2", "b")


# Sizes


def test_usage_grows_with_what_is_written(driver: StorageDriver) -> None:
    driver.create_volume("c1", ALPHA)
    before = driver.usage("c1")
    root = driver.mount("c1", MAP).path
    (root / "big").write_bytes(os.urandom(1 << 20))
    descriptor = os.open(root, os.O_RDONLY)
    os.fsync(descriptor)
    os.close(descriptor)
    os.sync()
    assert before + (1 << 20) <= driver.usage("c1") <= before + (1 << 20) + 65536
    total, used = driver.space()
    assert 1 << 20 <= used <= total


# The pool


def test_recover_removes_what_is_half_made_and_keeps_the_rest(
    driver: StorageDriver, make: Callable[[Path], StorageDriver]
) -> None:
    driver.create_volume("c1", ALPHA)
    driver.snapshot("c1", "snap0")
    root = driver.mount("c1", MAP).path
    (root / "etc/motd").write_text("running")
    unfinished = driver.fill_image()
    (unfinished.path / "x").write_text("x")
    (driver.path / "containers/.new-c2/layer").mkdir(parents=True)
    driver.close()

    restarted = make(driver.path)
    restarted.recover()
    assert not unfinished.path.exists()
    assert not (driver.path / "containers/.new-c2").exists()
    assert restarted.images() == [ALPHA]
    assert restarted.volumes() == ["c1"]
    assert restarted.snapshots("c1") == ["snap0"]
    assert restarted.is_mounted("c1")
    assert restarted.mount("c1", MAP).path == root
    assert (root / "etc/motd").read_text() == "running"
    restarted.unmount("c1")
    restarted.close()


def test_recover_refuses_a_folder_that_is_no_pool(make: Callable[[Path], StorageDriver], tmp_path: Path) -> None:
    with pytest.raises(StorageFailed):
        make(tmp_path).recover()
    assert list(tmp_path.iterdir()) == []


def test_create_refuses_a_folder_with_something_in_it(make: Callable[[Path], StorageDriver], tmp_path: Path) -> None:
    (tmp_path / "letter.txt").write_text("dear")
    with pytest.raises(AlreadyExists):
        make(tmp_path).create()
    assert [entry.name for entry in tmp_path.iterdir()] == ["letter.txt"]


def test_destroying_what_was_never_made_touches_nothing(make: Callable[[Path], StorageDriver], tmp_path: Path) -> None:
    (tmp_path / "pool").mkdir()
    (tmp_path / "pool/letter.txt").write_text("dear")
    (tmp_path / "btrfs.img").write_text("mine")
    with pytest.raises(AlreadyExists):
        make(tmp_path / "pool").create()
    make(tmp_path / "pool").destroy()
    make(tmp_path / "nowhere").destroy()
    assert sorted(str(entry.relative_to(tmp_path)) for entry in tmp_path.rglob("*")) == [
        "btrfs.img",
        "pool",
        "pool/letter.txt",
    ]


def test_pool_with_volumes_is_not_destroyed(driver: StorageDriver) -> None:
    driver.create_volume("c1", None)
    with pytest.raises(InUse):
        driver.destroy()
    driver.delete_volume("c1")
    driver.destroy()
    assert not driver.path.exists()


def test_many_threads_may_launch_at_once(driver: StorageDriver) -> None:
    def launch(number: int) -> str | None:
        name = f"c{number}"
        driver.create_volume(name, ALPHA)
        root = driver.mount(name, MAP).path
        (root / "etc/motd").write_text(name)
        driver.snapshot(name, "s")
        return read(driver, name)

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(launch, range(24))) == [f"c{number}" for number in range(24)]
        list(pool.map(driver.delete_volume, driver.volumes()))
    assert driver.volumes() == []


def test_one_name_is_made_by_one_of_many_threads(driver: StorageDriver) -> None:
    def attempt(_: int) -> bool:
        try:
            driver.create_volume("c1", ALPHA)
        except AlreadyExists:
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(attempt, range(16))) == 1
    assert driver.volumes() == ["c1"]


def test_image_is_never_removed_under_a_volume_that_is_being_made(driver: StorageDriver) -> None:
    def remove() -> None:
        try:
            driver.remove_image(ALPHA)
        except InUse:
            pass

    def create(number: int) -> str | None:
        try:
            driver.create_volume(f"c{number}", ALPHA)
        except NotFound:
            return None
        return f"c{number}"

    with ThreadPoolExecutor(4) as pool:
        for number in range(10):
            removed, created = pool.submit(remove), pool.submit(create, number)
            removed.result()
            if name := created.result():
                assert read(driver, name) == "alpha"
                driver.delete_volume(name)
            fill(driver, ALPHA, "alpha")
