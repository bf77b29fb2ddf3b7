"""Downloads over TLS: one at full speed, and two hundred slow ones at once."""

from __future__ import annotations

import http.client
import ssl
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from urllib.parse import urlsplit

from bench import big_image, image
from bench.pair import Measure, Row, alternate, note
from bench.server import LxdServer, ours, real
from bench.store import fetch
from bench.webserver import nginx

SLOW = 200  # clients
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
    address = urlsplit(server.url)
    assert address.hostname is not None
    assert address.port is not None
    answers: list[float] = []
    peak = 0.0
    with _crowd(server, export):
        end = time.monotonic() + SECONDS
        while time.monotonic() < end:
            answers.append(_ask(address.hostname, address.port))
            peak = max(peak, float(server.rss()))
            time.sleep(0.1)
    answers.sort()
    slowest = answers[int(len(answers) * 0.95)]
    note(f"downloads: {len(answers)} answers meanwhile, the last of them after {answers[-1] * 1000:.0f} ms")
    return [
        Row(f"{SLOW} slow downloads: another request", "ms", answers, ANSWER),
        Row(f"{SLOW} slow downloads: the slowest of 20 other requests", "ms", [slowest], ANSWER),
        Row(f"{SLOW} slow downloads: daemon's memory at most", "MB", [peak], MEMORY),
    ]


@contextmanager
def _crowd(server: LxdServer, export: str) -> Iterator[None]:
    """Two hundred clients in a process of their own, so that they don't hold up who measures."""
    command = [sys.executable, str(Path(__file__).with_name("slow_clients.py")), server.url + export, str(SLOW)]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert process.stdout is not None
    try:
        if process.stdout.readline().strip() != b"all are downloading":
            raise RuntimeError("the slow clients didn't come to download")
        yield
        if process.poll() is not None:
            raise RuntimeError("a slow download ended")
    finally:
        process.kill()
        process.communicate()


def _ask(host: str, port: int) -> float:
    """Seconds of a small request, its handshake included."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    with closing(http.client.HTTPSConnection(host, port, context=context, timeout=30)) as connection:
        started = time.perf_counter()
        connection.request("GET", "/1.0")
        answer = connection.getresponse()
        answer.read()
        taken = time.perf_counter() - started
    if answer.status != 200:
        raise RuntimeError(f"the server answered with status {answer.status}")
    return taken
