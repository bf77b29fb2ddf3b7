"""Downloads over TLS: one at full speed, and two hundred slow ones at once."""

from __future__ import annotations

import asyncio
import ssl
import statistics
import time
from contextlib import ExitStack
from pathlib import Path
from urllib.parse import urlsplit

from bench import big_image, image
from bench.pair import Measure, Row, alternate, note
from bench.server import LxdServer, ours, real
from bench.store import fetch
from bench.webserver import nginx

SLOW = 200  # clients
PACE = 64 * 1024  # bytes a second of each
SECONDS = 12.0
ANSWER = 0.1
MEMORY = 400e6


def rows(rounds: int) -> list[Row]:
    with ExitStack() as stack:
        folder = stack.enter_context(image.scratch())
        folder.chmod(0o755)
        site = folder / "site"
        site.mkdir()
        file = site / "big.tar"
        note("downloads: building an image of 1 GiB")
        big_image.build(file, big_image.GIB)
        mine, theirs = stack.enter_context(ours()), stack.enter_context(real())
        web = stack.enter_context(nginx(folder / "nginx", site))
        export = ""
        for server in (mine, theirs):
            server.lxc("image", "import", file, "--public", "--alias", "big")
            server.listen()
            (fingerprint,) = server.lxc("image", "list", "big", "--format=csv", "-c", "F").split()
            export = f"/1.0/images/{fingerprint}/export"
        note("downloads: one at full speed")
        taken = alternate(
            rounds,
            {
                "ours": _fetching(mine.url + export, file),
                "real": _fetching(theirs.url + export, file),
                "nginx": _fetching(f"{web.url}/big.tar", file),
            },
        )
        return [
            Row("download over TLS", "MB/s", taken["ours"], 3, taken["real"], "LXD", at_least=True),
            Row("download over TLS", "MB/s", taken["ours"], 0.9, taken["nginx"], "nginx", at_least=True),
            *_slow_clients(mine, export),
        ]


def _fetching(url: str, file: Path) -> Measure:
    size = file.stat().st_size
    return lambda: size / fetch(url)


def _slow_clients(server: LxdServer, export: str) -> list[Row]:
    note(f"downloads: {SLOW} slow clients")
    answers, peak = asyncio.run(_crowd(server, export))
    answers.sort()
    slowest = answers[int(len(answers) * 0.95)]
    note(f"downloads: {len(answers)} answers meanwhile, 95 % within {slowest * 1000:.0f} ms, all {answers[-1]:.3f} s")
    return [
        Row(f"{SLOW} slow downloads: another request", "ms", answers, ANSWER),
        Row(f"{SLOW} slow downloads: the slowest of 20 other requests", "ms", [slowest], ANSWER),
        Row(f"{SLOW} slow downloads: daemon's memory at most", "MB", [peak], MEMORY),
    ]


async def _crowd(server: LxdServer, export: str) -> tuple[list[float], float]:
    address = urlsplit(server.url)
    assert address.hostname is not None
    assert address.port is not None
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    where = address.hostname, address.port
    ready = asyncio.Event()
    crowd = [asyncio.create_task(_download_slowly(where, context, export, ready)) for _ in range(SLOW)]
    await asyncio.sleep(4)  # all are connected and have something
    answers: list[float] = []
    peak = 0.0
    end = time.monotonic() + SECONDS
    while time.monotonic() < end:
        answers.append(await _ask(where, context))
        peak = max(peak, float(server.rss()))
        await asyncio.sleep(0.1)
    ready.set()
    received = await asyncio.gather(*crowd)
    if min(received) == 0 or statistics.median(received) < PACE:
        raise RuntimeError(f"a slow client got {min(received)} bytes only")
    return answers, peak


async def _download_slowly(where: tuple[str, int], context: ssl.SSLContext, path: str, done: asyncio.Event) -> int:
    reader, writer = await asyncio.open_connection(*where, ssl=context, limit=PACE)
    writer.write(f"GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
    received = 0
    while not done.is_set():
        block = await reader.read(PACE)
        if not block:
            raise RuntimeError("the server ended a slow download")
        received += len(block)
        await asyncio.sleep(len(block) / PACE)
    writer.transport.abort()
    return received


async def _ask(where: tuple[str, int], context: ssl.SSLContext) -> float:
    """Seconds of a small request, its handshake included."""
    started = time.perf_counter()
    reader, writer = await asyncio.open_connection(*where, ssl=context)
    writer.write(b"GET /1.0 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    answer = await reader.read()
    taken = time.perf_counter() - started
    writer.close()
    if b" 200 " not in answer[:20]:
        raise RuntimeError(f"the server answered {answer[:100]!r}")
    return taken
