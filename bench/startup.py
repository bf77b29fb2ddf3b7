"""Start-up of the client: whole processes against an interpreter that does nothing."""

from __future__ import annotations

import sys

from bench import image
from bench.pair import Row, alternate, note
from bench.server import clean_environment, ours, run_timed


def rows(rounds: int) -> list[Row]:
    debian = image.debian()
    bare = clean_environment()
    with ours() as mine:
        mine.lxc("image", "import", *debian.files, "--alias", "deb")
        mine.lxc("launch", "deb", "c1")
        sides = {
            "images": lambda: mine.time("image", "list"),
            "list": lambda: mine.time("list"),
            "pass": lambda: run_timed([sys.executable, "-c", "pass"], bare),
        }
        alternate(2, sides)
        note("start-up: measuring")
        taken = alternate(6 * rounds, sides)
    return [
        Row("lxc image list", "ms", taken["images"], 5, taken["pass"], "python3 -c pass"),
        Row("lxc list", "ms", taken["list"], 5, taken["pass"], "python3 -c pass"),
    ]
