"""Launching: from the cache, for the first time after an import, and what twenty containers cost on disk."""

from __future__ import annotations

import subprocess
import time
from contextlib import ExitStack
from pathlib import Path

from bench import image
from bench.pair import Measure, Row, alternate, note
from bench.server import REAL, LxdServer, ours, real

DISK = 20e6  # bytes that twenty containers may take before they write


def rows(rounds: int) -> list[Row]:
    with ExitStack() as stack:
        folder = stack.enter_context(image.scratch())
        debian = image.debian()
        mine, theirs = stack.enter_context(ours()), stack.enter_context(real(btrfs=True))
        for server in (mine, theirs):
            server.lxc("image", "import", debian.metadata, debian.rootfs, "--alias", "deb")
        return [
            *_cached(mine, theirs, rounds),
            *_first(mine, theirs, debian, folder, rounds),
            *_disk(mine),
        ]


def _cached(mine: LxdServer, theirs: LxdServer, rounds: int) -> list[Row]:
    sides = {
        "ours": launching(mine, "deb"),
        "go": launching(mine, "deb", client=REAL),
        "dir": launching(theirs, "deb", pool="dir"),
        "btrfs": launching(theirs, "deb", pool="btrfs"),
    }
    note("launch: warming up")
    alternate(1, sides)
    note("launch: of a cached image")
    taken = alternate(rounds, sides)
    return [
        Row("launch, image cached", "ms", taken["ours"], 1 / 20, taken["dir"], "LXD, dir"),
        Row("launch, image cached", "ms", taken["ours"], 1 / 7, taken["btrfs"], "LXD, btrfs"),
        Row("launch, image cached, Go client on our daemon", "ms", taken["go"], 1 / 7, taken["btrfs"], "LXD, btrfs"),
    ]


def _first(mine: LxdServer, theirs: LxdServer, debian: image.SplitImage, folder: Path, rounds: int) -> list[Row]:
    note("launch: first after importing a squashfs")
    later = launching(mine, "deb")
    squashfs = alternate(rounds, {"first": lambda: _first_launch(mine, debian, folder), "later": later})
    note("launch: import and first launch of a tarball")
    tarball = image.as_tarball(debian, folder)
    few = max(3, rounds // 3)
    taken = alternate(
        few,
        {
            "ours": lambda: _import_and_launch(mine, tarball, folder),
            "dir": lambda: _import_and_launch(theirs, tarball, folder, "dir"),
            "btrfs": lambda: _import_and_launch(theirs, tarball, folder, "btrfs"),
        },
    )
    # 1.15: two figures of one kind on a machine with other work never come out equal
    return [
        Row("first launch after importing a squashfs", "ms", squashfs["first"], 1.15, squashfs["later"], "later ones"),
        Row("tarball: import and first launch", "s", taken["ours"], 1, taken["dir"], "LXD, dir"),
        Row("tarball: import and first launch", "s", taken["ours"], 1, taken["btrfs"], "LXD, btrfs"),
    ]


def _disk(mine: LxdServer) -> list[Row]:
    note("launch: disk used by twenty containers")
    before = _disk_used(mine.state)
    for number in range(20):
        mine.lxc("init", "deb", f"many{number}")
    created = _disk_used(mine.state) - before
    for number in range(20):
        mine.lxc("delete", f"many{number}")
    return [Row("20 containers of one image: disk used", "MB", [created], DISK)]


def _disk_used(folder: Path) -> float:
    done = subprocess.run(["du", "-s", "-x", "--block-size=1", folder], check=True, capture_output=True, text=True)
    return float(done.stdout.split()[0])


def launching(server: LxdServer, alias: str, *, client: Path | None = None, pool: str = "") -> Measure:
    """A measure of ``lxc launch`` as a whole process; the container is looked at and deleted outside the time."""

    def measure() -> float:
        taken = server.time("launch", alias, "c1", *(("-s", pool) if pool else ()), client=client)
        _look_and_delete(server)
        return taken

    return measure


def _look_and_delete(server: LxdServer) -> None:
    state = server.get("/1.0/instances/c1/state")
    assert isinstance(state, dict)
    name = Path(f"/proc/{state['pid']}/comm").read_text().strip()
    if state["status"] != "Running" or name not in ("systemd", "init", "busybox"):
        raise RuntimeError(f"{server.name}: no init runs: {state['status']}, {name}")
    server.lxc("delete", "-f", "c1")


def _first_launch(server: LxdServer, of: image.SplitImage, folder: Path) -> float:
    fresh = image.with_new_fingerprint(of, folder)
    server.lxc("image", "import", fresh.metadata, fresh.rootfs, "--alias", "fresh")
    taken = launching(server, "fresh")()
    server.lxc("image", "delete", "fresh")
    return taken


def _import_and_launch(server: LxdServer, of: image.SplitImage, folder: Path, pool: str = "") -> float:
    fresh = image.with_new_fingerprint(of, folder)
    started = time.perf_counter()
    server.lxc("image", "import", fresh.metadata, fresh.rootfs, "--alias", "fresh")
    imported = time.perf_counter() - started
    taken = launching(server, "fresh", pool=pool)()
    server.lxc("image", "delete", "fresh")
    return imported + taken
