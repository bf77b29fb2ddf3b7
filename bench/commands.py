"""Commands in containers (`exec`), through either client."""

from __future__ import annotations

from contextlib import ExitStack

from bench import image
from bench.pair import Row, alternate, note
from bench.server import OURS, REAL, ours, real


def rows(rounds: int) -> list[Row]:
    with ExitStack() as stack:
        debian = image.debian()
        mine, theirs = stack.enter_context(ours()), stack.enter_context(real())
        for server in (mine, theirs):
            server.lxc("image", "import", *debian.files, "--alias", "deb")
            server.lxc("launch", "deb", "c1")
        words = ("exec", "c1", "--", "true")
        sides = {
            "go, ours": lambda: mine.time(*words, client=REAL),
            "go, real": lambda: theirs.time(*words, client=REAL),
            "ours": lambda: mine.time(*words, client=OURS),
        }
        note("exec: warming up")
        alternate(2, sides)
        note("exec: measuring")
        taken = alternate(4 * rounds, sides)
    return [
        Row("exec true, Go client on our daemon", "ms", taken["go, ours"], 1, taken["go, real"], "LXD"),
        Row(
            "exec true, our client on our daemon", "ms", taken["ours"], 1.5, taken["go, ours"], "Go client, our daemon"
        ),
    ]
