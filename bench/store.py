"""The image store: a big image in and out over the unix socket, and the daemon's memory meanwhile."""

from __future__ import annotations

import os
from contextlib import ExitStack
from pathlib import Path

from bench import big_image, image
from bench.launch import delete_containers
from bench.pair import Measure, Row, alternate, note
from bench.server import REAL, LxdServer, clean_environment, ours, real, run_timed

IMPORTED = ("none", "zstd")  # compared by import alone
LAUNCHED = ("gzip", "xz")  # by import and first launch
MEMORY = 150e6
MEMORY_FOLDER = Path("/dev/shm")


def rows(rounds: int) -> list[Row]:
    few = max(3, rounds // 2)
    with ExitStack() as stack:
        folder = stack.enter_context(image.scratch())
        mine, theirs = stack.enter_context(ours()), stack.enter_context(real())
        mine.lxc("config", "set", "images.undelete_hours", "0")
        plain = folder / "big.tar"
        note("store: building an image of 1 GiB")
        big_image.build(plain, big_image.GIB)
        measured = []
        for how in (*IMPORTED, *LAUNCHED):
            file = big_image.compress(plain, how)
            note(f"store: import, {how}")
            launch = how in LAUNCHED
            taken = alternate(
                few,
                {"ours": _importing(mine, file, launch=launch), "real": _importing(theirs, file, launch=launch)},
                settled=True,
            )
            what = f"import of 1 GiB, {how}" + (", and first launch" if launch else "")
            measured.append(Row(what, "s", taken["ours"], 1, taken["real"], "LXD"))
            if file != plain:
                file.unlink()
        measured += _export(mine, theirs, plain, few)
    return [*measured, *_memory()]


def _importing(server: LxdServer, file: Path, *, launch: bool) -> Measure:
    def measure() -> float:
        taken = server.time("image", "import", file, "--alias", "big")
        if launch:
            taken += server.time("launch", "big", "c1")
            delete_containers(server)
        server.lxc("image", "delete", "big")
        return taken

    return measure


def _export(mine: LxdServer, theirs: LxdServer, file: Path, rounds: int) -> list[Row]:
    """Files go to memory: the disk's write-back would be measured else, mostly that of whoever wrote before."""
    size = file.stat().st_size
    for server in (mine, theirs):
        server.lxc("image", "import", file, "--alias", "big")
    file.unlink()
    (fingerprint,) = mine.lxc("image", "list", "big", "--format=csv", "-c", "F").split()

    def fetching(server: LxdServer) -> Measure:
        return lambda: size / fetch(f"http://lxd/1.0/images/{fingerprint}/export", "--unix-socket", server.socket)

    def exporting(server: LxdServer, client: Path) -> Measure:
        def measure() -> float:
            with image.scratch(MEMORY_FOLDER) as folder:
                return size / server.time("image", "export", "big", folder / "out", client=client)

        return measure

    note("store: export")
    sides = {
        "ours": fetching(mine),
        "real": fetching(theirs),
        "command, ours": exporting(mine, mine.bin),
        "command, go": exporting(mine, REAL),
        "command, real": exporting(theirs, REAL),
    }
    taken = alternate(rounds, sides)
    their_command = taken["command, real"]
    return [
        _throughput("export, curl of the unix socket", taken["ours"], taken["real"]),
        _throughput("export, Go client on our daemon, into a file", taken["command, go"], their_command),
        _throughput("export, our client on our daemon, into a file", taken["command, ours"], their_command),
    ]


def _throughput(what: str, values: list[float], against: list[float]) -> Row:
    return Row(what, "MB/s", values, 1, against, "LXD", at_least=True)


def fetch(url: str, *options: str | Path) -> float:
    """Seconds that curl takes for ``url``; what comes is thrown away."""
    command = ["curl", "-sSfk", "-o", os.devnull, *map(str, options), url]
    return run_timed(command, clean_environment())


def _memory() -> list[Row]:
    """The daemon's highest resident memory of its whole life."""
    with image.scratch() as folder, ours() as mine:
        note("store: memory while 4 GiB go in and out")
        file = folder / "huge.tar"
        big_image.build(file, 4 * big_image.GIB)
        started = float(mine.rss())
        mine.lxc("image", "import", file, "--alias", "huge")
        file.unlink()
        after_import = float(mine.rss("VmHWM"))
        url = mine.listen()
        (fingerprint,) = mine.lxc("image", "list", "huge", "--format=csv", "-c", "F").split()
        mine.lxc("image", "export", "huge", folder / "out")
        for written in folder.glob("out*"):
            written.unlink()
        mine.lxc("query", "-X", "PATCH", f"/1.0/images/{fingerprint}", "-d", '{"public": true}')
        fetch(f"{url}/1.0/images/{fingerprint}/export")
        peak = float(mine.rss("VmHWM"))
    note(f"store: resident at the start {started / 1e6:.0f} MB, at most {after_import / 1e6:.0f} MB until imported")
    return [Row("daemon's memory at most, 4 GiB in and out", "MB", [peak], MEMORY)]
