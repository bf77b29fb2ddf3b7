"""Launching: from the cache, for the first time after an import, and what twenty containers cost on disk."""

from __future__ import annotations

import itertools
import subprocess
from contextlib import ExitStack
from pathlib import Path

from bench import image
from bench.pair import Measure, Row, alternate, note
from bench.server import REAL, LxdServer, ours, real

_numbers = itertools.count(1)
DISK = 20e6  # bytes that twenty containers may take before they write


def rows(rounds: int) -> list[Row]:
    with ExitStack() as stack:
        folder = stack.enter_context(image.scratch())
        debian = image.debian()
        mine, theirs = stack.enter_context(ours()), stack.enter_context(real(btrfs=True))
        tarball = _tarball(mine, theirs, debian, folder, rounds)
        for server in (mine, theirs):
            server.lxc("image", "import", *debian.files, "--alias", "deb")
        cached = _cached(mine, theirs, rounds)
        return [*cached, *_squashfs(mine, debian, folder, rounds), *tarball, *_disk(mine)]


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
    for server in (mine, theirs):
        delete_containers(server)
    return [
        Row("launch, image cached", "ms", taken["ours"], 1 / 20, taken["dir"], "LXD, dir"),
        Row("launch, image cached", "ms", taken["ours"], 1 / 7, taken["btrfs"], "LXD, btrfs"),
        Row("launch, image cached, Go client on our daemon", "ms", taken["go"], 1 / 7, taken["btrfs"], "LXD, btrfs"),
    ]


def _squashfs(mine: LxdServer, debian: image.ImageFiles, folder: Path, rounds: int) -> list[Row]:
    note("launch: first after importing a squashfs")
    later = launching(mine, "deb")
    taken = alternate(rounds, {"first": lambda: _first_launch(mine, debian, folder), "later": later})
    # 1.15: two figures of one kind on a machine with other work never come out equal
    return [Row("first launch after importing a squashfs", "ms", taken["first"], 1.15, taken["later"], "later ones")]


def _tarball(mine: LxdServer, theirs: LxdServer, debian: image.ImageFiles, folder: Path, rounds: int) -> list[Row]:
    """Nothing is deleted between the rounds, and this comes first: ext4 is slow to make files for half a minute after
    many were deleted (it searches past their inodes), which would hit whoever comes next.
    """
    note("launch: import and first launch of a tarball")
    tarball = image.as_tarball(debian, folder)
    taken = alternate(
        max(3, rounds // 2),
        {
            "ours": lambda: import_and_launch(mine, image.with_new_fingerprint(tarball, folder)),
            "dir": lambda: import_and_launch(theirs, image.with_new_fingerprint(tarball, folder), "dir"),
            "btrfs": lambda: import_and_launch(theirs, image.with_new_fingerprint(tarball, folder), "btrfs"),
        },
        settled=True,
    )
    for server in (mine, theirs):
        delete_all(server)
    return [
        Row("tarball: import and first launch", "s", taken["ours"], 1, taken["dir"], "LXD, dir"),
        Row("tarball: import and first launch", "s", taken["ours"], 1, taken["btrfs"], "LXD, btrfs"),
    ]


def _disk(mine: LxdServer) -> list[Row]:
    delete_containers(mine)
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
    """A measure of ``lxc launch`` as a whole process, after which init must run. The container is stopped, outside the
    time, but not deleted: see :func:`_tarball`.
    """

    def measure() -> float:
        name = f"c{next(_numbers)}"
        taken = server.time("launch", alias, name, *(("-s", pool) if pool else ()), client=client)
        state = server.get(f"/1.0/instances/{name}/state")
        assert isinstance(state, dict)
        init = Path(f"/proc/{state['pid']}/comm").read_text().strip()
        if state["status"] != "Running" or init not in ("systemd", "init", "busybox"):
            raise RuntimeError(f"{server.name}: no init runs: {state['status']}, {init}")
        server.lxc("stop", "-f", name)
        return taken

    return measure


def _first_launch(server: LxdServer, of: image.ImageFiles, folder: Path) -> float:
    fresh = image.with_new_fingerprint(of, folder)
    server.lxc("image", "import", *fresh.files, "--alias", fresh.metadata.stem)
    return launching(server, fresh.metadata.stem)()


def import_and_launch(server: LxdServer, of: image.ImageFiles, pool: str = "") -> float:
    """Seconds of ``lxc image import`` and ``lxc launch``; image and container stay."""
    name = f"n{of.metadata.stem}"
    taken = server.time("image", "import", *of.files, "--alias", name)
    return taken + server.time("launch", name, name, *(("-s", pool) if pool else ()))


def delete_all(server: LxdServer) -> None:
    delete_containers(server)
    for fingerprint in server.lxc("image", "list", "--format=csv", "-c", "F").split():
        server.lxc("image", "delete", fingerprint)


def delete_containers(server: LxdServer) -> None:
    for name in server.lxc("list", "--format=csv", "-c", "n").split():
        server.lxc("delete", "-f", name)
