"""Copies of a big image between two servers: ours, real ones, and one of each."""

from __future__ import annotations

from contextlib import ExitStack

from bench import big_image, image
from bench.pair import Measure, Row, alternate, note
from bench.server import LxdServer, ours, real


def rows(rounds: int) -> list[Row]:
    with ExitStack() as stack:
        folder = stack.enter_context(image.scratch())
        file = folder / "big.tar"
        note("copies: building an image of 1 GiB")
        big_image.build(file, big_image.GIB)
        from_ours, to_ours = stack.enter_context(ours("ours, source")), stack.enter_context(ours("ours, target"))
        from_real, to_real = stack.enter_context(real("LXD, source")), stack.enter_context(real("LXD, target"))
        to_ours.lxc("config", "set", "images.undelete_hours", "0")
        for source in (from_ours, from_real):
            source.lxc("image", "import", file, "--public", "--alias", "big")
            source.listen()
        file.unlink()
        sides = {
            "ours to ours": _copying(from_ours, to_ours),
            "real to real": _copying(from_real, to_real),
            "real to ours": _copying(from_real, to_ours),
            "ours to real": _copying(from_ours, to_real),
        }
        note("copies: measuring")
        taken = alternate(max(3, rounds // 2), sides, settled=True)
    against = taken["real to real"], "LXD to LXD"
    return [
        Row("copy of 1 GiB, ours to ours", "s", taken["ours to ours"], 0.6, *against),
        Row("copy of 1 GiB, LXD to ours", "s", taken["real to ours"], 1, *against),
        Row("copy of 1 GiB, ours to LXD", "s", taken["ours to real"], 1, *against),
    ]


def _copying(source: LxdServer, target: LxdServer) -> Measure:
    """``target`` pulls, told so by its own client."""
    remote = f"from{source.process.pid}"
    target.lxc("remote", "add", remote, source.url, "--accept-certificate", "--public")

    def measure() -> float:
        taken = target.time("image", "copy", f"{remote}:big", "local:")
        (fingerprint,) = target.lxc("image", "list", "--format=csv", "-c", "F").split()
        target.lxc("image", "delete", fingerprint)
        return taken

    return measure
