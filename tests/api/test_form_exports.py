"""GET …/export of a split image: the same form each time, so that ranges of it can be had and a download resumed."""

from __future__ import annotations

import io
import os
import socket
import tarfile
import threading
from collections.abc import Iterator
from contextlib import suppress

import pytest
from tests.api.split_images import split_pair
from tests.daemon_process import Daemon
from tests.fakes.memory_sink import MemorySink
from tests.rest import Rest, form

from azekura.model.source import Protocol
from azekura.remotes import open_server
from azekura.remotes.policy import DownloadPolicy

LARGE = 6 << 20


@pytest.fixture
def exported(local: Rest, unique: str) -> Iterator[str]:
    """The path of a public image's export; its rootfs is large enough to be cut in the middle."""
    metadata, _ = split_pair(int(unique[1:]))
    rootfs = io.BytesIO()
    with tarfile.open(fileobj=rootfs, mode="w", format=tarfile.PAX_FORMAT) as archive:
        entry = tarfile.TarInfo("data")
        entry.size = LARGE
        archive.addfile(entry, io.BytesIO(os.urandom(LARGE)))
    body, headers = form(("metadata", "m.tar", metadata), ("rootfs", "r.tar", rootfs.getvalue()))
    image = local.done(local.post("images", raw=body, headers={**headers, "X-LXD-public": "1"}))["fingerprint"]
    yield f"images/{image}/export"
    local.done(local.delete(f"images/{image}"))


@pytest.fixture(params=["local", "stranger"])
def asking(request: pytest.FixtureRequest) -> Rest:
    """Over the unix socket, and over TLS."""
    caller = request.getfixturevalue(request.param)
    assert isinstance(caller, Rest)
    return caller


def test_the_form_is_the_same_each_time_and_says_so(asking: Rest, exported: str) -> None:
    first, second = asking.get(exported), asking.get(exported)
    assert first.status == 200
    assert first.etag
    assert (first.etag, first.body, first.headers["Content-Type"]) == (
        second.etag,
        second.body,
        second.headers["Content-Type"],
    )
    assert first.headers["Accept-Ranges"] == "bytes"
    boundary = first.headers["Content-Type"].partition("boundary=")[2].encode()
    assert first.body.count(boundary) == 3
    assert asking.send("GET", exported, headers={"If-None-Match": first.etag}).status == 304


@pytest.mark.parametrize(
    ("wanted", "first", "last"),
    [
        ("bytes=0-9", 0, 10),
        ("bytes=100-", 100, None),
        ("bytes=-7", -7, None),
        ("bytes=200-2300", 200, 2301),
        ("bytes=3000000-", 3_000_000, None),
        ("bytes=3000000-3100000", 3_000_000, 3_100_001),
        ("bytes=0-99999999", 0, None),
    ],
)
def test_ranges_of_a_form_are_served(asking: Rest, exported: str, wanted: str, first: int, last: int | None) -> None:
    whole = asking.get(exported)
    part = asking.send("GET", exported, headers={"Range": wanted, "If-Range": whole.etag})
    assert part.status == 206
    assert part.body == whole.body[first:last]
    assert part.headers["Content-Type"] == whole.headers["Content-Type"]
    begin = first % len(whole.body)
    assert part.headers["Content-Range"] == f"bytes {begin}-{begin + len(part.body) - 1}/{len(whole.body)}"
    head = asking.send("HEAD", exported, headers={"Range": wanted})
    assert (head.status, head.body, head.headers["Content-Length"]) == (206, b"", str(len(part.body)))


@pytest.mark.parametrize(
    "wanted", ["bytes=99999999-", "bytes=5-2", "bytes=a-b", "lines=1-2", "bytes=-", "bytes=0-1,5-6"]
)
def test_ranges_that_a_form_has_not_are_refused(asking: Rest, exported: str, wanted: str) -> None:
    answer = asking.get(exported, Range=wanted)
    assert (answer.status, answer.body) == (416, b"")
    assert answer.headers["Content-Range"].startswith("bytes */")
    assert asking.get("/1.0").status == 200


def test_another_forms_range_is_not_served(asking: Rest, exported: str) -> None:
    answer = asking.send("GET", exported, headers={"Range": "bytes=10-", "If-Range": '"other"'})
    assert answer.status == 200
    assert len(answer.body) == int(answer.headers["Content-Length"])


class CuttingRelay:
    """Passes TCP on to ``port``; the first connections are cut after so many bytes of answers each."""

    def __init__(self, port: int, *cuts: int) -> None:
        self._port = port
        self._cuts = list(cuts)
        self.passed = 0  # bytes of answers
        self._ends: list[socket.socket] = []
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._socket.getsockname()[1])
        self._threads = [threading.Thread(target=self._listen)]
        self._threads[0].start()

    def _listen(self) -> None:
        with suppress(OSError):
            while True:
                near, _ = self._socket.accept()
                far = socket.create_connection(("127.0.0.1", self._port))
                self._ends += [near, far]
                cut = self._cuts.pop(0) if self._cuts else None
                for arguments in ((near, far, None), (far, near, cut)):
                    self._threads.append(threading.Thread(target=self._pass, args=arguments))
                    self._threads[-1].start()

    def _pass(self, source: socket.socket, sink: socket.socket, cut: int | None) -> None:
        answers, passed = source.getpeername()[1] == self._port, 0
        with suppress(OSError):
            while (cut is None or passed < cut) and (data := source.recv(65536)):
                sink.sendall(data)
                passed += len(data)
                self.passed += len(data) if answers else 0
        for one in (source, sink):
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)

    def __enter__(self) -> CuttingRelay:
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        for thread in self._threads:
            thread.join(5)
        for end in self._ends:
            end.close()


def test_our_own_download_goes_on_where_it_was_cut(tls_daemon: tuple[Daemon, int], local: Rest, exported: str) -> None:
    fingerprint = exported.split("/")[1]
    pem = local.get("/1.0").metadata["environment"]["certificate"]
    with CuttingRelay(tls_daemon[1], 1_500_000, 2_000_000) as relay:
        server = open_server(
            f"https://127.0.0.1:{relay.port}",
            Protocol.LXD,
            certificate_pem=pem,
            policy=DownloadPolicy(sleep=lambda _: None),
        )
        sink = MemorySink()
        image = server.resolve(fingerprint, type=None, architectures=["x86_64"])
        server.download(image, sink, progress=lambda *_: None, cancelled=lambda: False)
        assert sink.fingerprint == fingerprint
        assert relay.passed < LARGE + (2 << 20)
