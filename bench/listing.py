"""Ten thousand images: listing them all, and finding one."""

from __future__ import annotations

import hashlib
import statistics
import time
from contextlib import closing
from datetime import UTC, datetime
from http.client import HTTPConnection
from socket import AF_UNIX, socket

from azekura.catalog import open_catalog
from azekura.model.fingerprint import Fingerprint
from azekura.model.image import Alias, Image, ImageFile, ImageType, UnifiedFiles
from azekura.model.source import Origin
from bench.pair import Measure, Row, alternate, note
from bench.server import LxdServer, ours

STEPS = (1_000, 5_000, 10_000)
SECONDS = 0.5
WHEN = datetime(2026, 1, 1, tzinfo=UTC)
YAML = b"architecture: x86_64\ncreation_date: 1767225600\n"


def rows(rounds: int) -> list[Row]:
    lists: dict[int, list[float]] = {}
    aliases: dict[int, list[float]] = {}
    prefixes: dict[int, list[float]] = {}
    with ours() as mine:
        present = 0
        for count in STEPS:
            _fill(mine, present, count)
            present = count
            note(f"listing: {count} images")
            sides = _asking(mine, count)
            alternate(2, sides)
            taken = alternate(2 * rounds, sides)
            lists[count], aliases[count], prefixes[count] = taken["list"], taken["alias"], taken["prefix"]
    small, middle, large = STEPS
    against = f"{small} images"
    # 1.25 beyond the exact ratio: what a straight line may bend by on a machine with other work
    return [
        Row(f"list of {large} images, in the daemon", "s", lists[large], SECONDS),
        Row(f"list of {large} images", "ms", lists[large], 1.25 * large / small, lists[small], against),
        Row(f"list of {middle} images", "ms", lists[middle], 1.25 * middle / small, lists[small], against),
        Row(f"look-up of an alias among {large}", "ms", aliases[large], 1.25, aliases[small], against),
        Row(f"look-up of a prefix among {large}", "ms", prefixes[large], 1.25, prefixes[small], against),
    ]


def _asking(server: LxdServer, count: int) -> dict[str, Measure]:
    middle = count // 2
    return {
        "list": lambda: _ask(server, "/1.0/images?recursion=1", at_least=300 * count),
        "alias": lambda: _ask_often(server, f"/1.0/images/aliases/os%2F{middle}"),
        "prefix": lambda: _ask_often(server, f"/1.0/images/{_fingerprint(middle).value[:12]}"),
    }


def _fingerprint(number: int) -> Fingerprint:
    return Fingerprint.parse(hashlib.sha256(b"%d" % number).hexdigest())


def _fill(server: LxdServer, start: int, end: int) -> None:
    """Straight into the catalog: what is measured is what comes out."""
    with closing(open_catalog(server.state / "azekura.db")) as catalog, catalog.write() as tx:
        for number in range(start, end):
            fingerprint = _fingerprint(number)
            file = ImageFile(fingerprint.value, 1_000_000 + number, ".tar.xz")
            image = Image(
                fingerprint,
                ImageType.CONTAINER,
                "x86_64",
                UnifiedFiles(file),
                WHEN,
                WHEN,
                Origin.ADMIN,
                filename=f"image-{number}.tar.xz",
                public=number % 2 == 0,
                properties={
                    "os": "debian",
                    "release": str(number % 40),
                    "architecture": "amd64",
                    "serial": f"202601{number % 28 + 1:02}",
                    "description": f"Debian number {number}",
                    "type": "squashfs",
                },
            )
            tx.blobs.record(file.sha256, file.size)
            tx.images.create(image, metadata_yaml=YAML, templates={})
            tx.blobs.add_reference(file.sha256, "image", fingerprint.value)
            for name in (f"os/{number}", f"debian/{number}/default"):
                tx.aliases.create(Alias(name, fingerprint))


class _UnixConnection(HTTPConnection):
    def __init__(self, path: str) -> None:
        super().__init__("lxd")
        self._path = path

    def connect(self) -> None:
        self.sock = socket(AF_UNIX)
        self.sock.connect(self._path)


def _ask(server: LxdServer, path: str, *, at_least: int = 1) -> float:
    """Seconds until the whole answer is there."""
    with closing(_UnixConnection(str(server.socket))) as connection:
        started = time.perf_counter()
        connection.request("GET", path)
        answer = connection.getresponse()
        body = answer.read()
        taken = time.perf_counter() - started
    if answer.status != 200 or len(body) < at_least:
        raise RuntimeError(f"{path}: status {answer.status}, {len(body)} bytes")
    return taken


def _ask_often(server: LxdServer, path: str) -> float:
    """The median of many, for a millisecond is little to measure on a machine with other work."""
    return statistics.median(_ask(server, path) for _ in range(25))
