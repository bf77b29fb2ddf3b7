"""Every fault a server can have: the right image, or one clear error. What was received is not fetched again."""

from __future__ import annotations

import hashlib
import random
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.fakes import fault_server as faulty
from tests.fakes.fault_server import FaultServer
from tests.fakes.image_server import ImageServerFake, Stored
from tests.fakes.memory_sink import MemorySink
from tests.fakes.remote_settings import bring, quick
from tests.fakes.streams_tree import StreamsTree
from tests.fakes.tls_identity import Identity

from azekura.errors import (
    AzekuraError,
    BadAnswer,
    Cancelled,
    ConnectionFailed,
    FingerprintMismatch,
    Forbidden,
    NotFound,
)
from azekura.model.source import Protocol
from azekura.remotes import open_server
from azekura.remotes.port import ImageServer, RemoteImage

METADATA = random.Random(1).randbytes(2_000)
ROOTFS = random.Random(2).randbytes(300_000)


@pytest.fixture
def web(identity: Identity) -> Iterator[FaultServer]:
    with FaultServer(identity.server_context()) as server:
        tree = StreamsTree()
        tree.split(tree.product("debian/12"), "20260101_0000", METADATA, squashfs=ROOTFS)
        tree.publish(server)
        yield server


PATH = "/images/debian/12/amd64/20260101_0000/rootfs.squashfs"


@pytest.fixture
def stream(web: FaultServer, identity: Identity) -> ImageServer:
    return open_server(web.url, Protocol.SIMPLESTREAMS, certificate_pem=identity.pem, policy=quick())


@pytest.fixture
def image(stream: ImageServer) -> RemoteImage:
    return stream.resolve("debian/12", type=None, architectures=["x86_64"])


@pytest.mark.parametrize("at", [0, 1, 16_383, 16_384, 16_385, 65_536, 150_000, 299_999])
@pytest.mark.parametrize("reset", [False, True])
def test_a_cut_is_mended_from_where_it_happened(
    web: FaultServer, stream: ImageServer, image: RemoteImage, at: int, reset: bool
) -> None:
    web.script(PATH, faulty.cut(at, reset=reset))
    assert bring(stream, image).bytes_of("rootfs") == ROOTFS
    again = web.sent(PATH) - len(ROOTFS)
    # a reset takes with it what the kernel had received and we had not read yet: that much is lost, and no more
    assert 0 <= again <= (at if reset else 0)


def test_many_cuts_in_one_download_cost_no_byte_twice(
    web: FaultServer, stream: ImageServer, image: RemoteImage
) -> None:
    web.script(PATH, *(faulty.cut(20_000) for _ in range(14)))
    assert bring(stream, image).bytes_of("rootfs") == ROOTFS
    assert web.sent(PATH) == len(ROOTFS)
    assert all(seen.headers.get("If-Range") for seen in web.seen if "Range" in seen.headers)


def test_a_server_that_never_gets_further_is_given_up(
    web: FaultServer, stream: ImageServer, image: RemoteImage
) -> None:
    web.script(PATH, *(faulty.cut(100) for _ in range(50)))
    with pytest.raises(ConnectionFailed, match="broke off after"):
        bring(stream, image)
    assert web.sent(PATH) <= 700


def test_a_stalled_transfer_is_broken_off_and_resumed(
    web: FaultServer, stream: ImageServer, image: RemoteImage
) -> None:
    web.script(PATH, faulty.stall(123_456))
    started = time.monotonic()
    assert bring(stream, image).bytes_of("rootfs") == ROOTFS
    assert time.monotonic() - started < 4
    assert web.sent(PATH) == len(ROOTFS)


def test_a_trickle_counts_as_a_stall(web: FaultServer, identity: Identity) -> None:
    policy = quick(stall_timeout=0.3, minimum_rate=50_000, retries=1)
    server = open_server(web.url, Protocol.SIMPLESTREAMS, certificate_pem=identity.pem, policy=policy)
    image = server.resolve("debian/12", type=None, architectures=["x86_64"])
    web.script(PATH, faulty.trickle(10, 0.02), faulty.trickle(10, 0.02))
    with pytest.raises(ConnectionFailed, match="next to nothing"):
        bring(server, image)


@pytest.mark.parametrize(
    "second",
    [faulty.ignore_range, faulty.wrong_range, faulty.mislabelled_range, faulty.status(416), faulty.silence],
    ids=["200 for 206", "wrong range", "other bytes under the right label", "416", "no word"],
)
def test_a_resume_that_goes_wrong_still_ends_in_the_right_image(
    web: FaultServer, stream: ImageServer, image: RemoteImage, second: faulty.Fault
) -> None:
    web.script(PATH, faulty.cut(100_000), second)
    assert bring(stream, image).bytes_of("rootfs") == ROOTFS


def test_a_file_that_changed_meanwhile_is_not_mixed(web: FaultServer, stream: ImageServer, image: RemoteImage) -> None:
    other = random.Random(3).randbytes(len(ROOTFS))
    web.script(PATH, faulty.cut(100_000), faulty.changed_to(other))
    with pytest.raises(FingerprintMismatch, match="Hash mismatch"):
        bring(stream, image)


def test_pauses_grow_between_attempts_and_heed_the_server(web: FaultServer, identity: Identity) -> None:
    slept: list[float] = []
    policy = quick(sleep=slept.append, backoff=1.0, retries=4, jitter=lambda: 1.0)
    server = open_server(web.url, Protocol.SIMPLESTREAMS, certificate_pem=identity.pem, policy=policy)
    image = server.resolve("debian/12", type=None, architectures=["x86_64"])
    web.script(PATH, faulty.status(503, Retry_After="7"), *[faulty.status(503)] * 9)
    with pytest.raises(BadAnswer, match="503"):
        bring(server, image)
    assert sum(slept) == pytest.approx(7 + 2 + 4 + 8)
    assert max(slept) <= 0.25  # in slices, so that cancelling is heard
    assert len([seen for seen in web.seen if seen.path == PATH]) == 5


@pytest.mark.parametrize("code", [429, 500, 502, 503, 504])
def test_a_passing_trouble_of_the_server_is_waited_out(
    web: FaultServer, stream: ImageServer, image: RemoteImage, code: int
) -> None:
    web.script(PATH, faulty.status(code), faulty.status(code, Retry_After="1"))
    assert bring(stream, image).bytes_of("rootfs") == ROOTFS


@pytest.mark.parametrize(
    ("fault", "error", "words"),
    [
        (faulty.status(404), NotFound, "404"),
        (faulty.status(403), Forbidden, "refuses access"),
        (faulty.status(418), BadAnswer, "418"),
        (faulty.wrong_length(5), BadAnswer, "300000 were announced"),
        (faulty.wrong_length(-5), BadAnswer, "300000 were announced"),
        (faulty.truncated_gzip, BadAnswer, "gzip"),
        (faulty.endless(5_000_000), BadAnswer, "more than the 300000 bytes"),
        (faulty.instead(b"<html>sign in</html>"), BadAnswer, "20 bytes long"),
        (faulty.instead(bytes(len(ROOTFS))), FingerprintMismatch, "Hash mismatch"),
        (faulty.status(200, ROOTFS, Content_Encoding="br"), BadAnswer, "encoding"),
        (faulty.raw(b"SSH-2.0-OpenSSH_9.2\r\n"), ConnectionFailed, "not HTTP"),
        (faulty.raw(b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 500 + b"\r\n"), ConnectionFailed, "."),
        (faulty.raw(b"HTTP/1.1 200 OK\r\nX: " + b"y" * 200_000 + b"\r\n\r\n"), ConnectionFailed, "."),
        (
            faulty.raw(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 300000\r\n\r\nabcde"),
            ConnectionFailed,
            ".",
        ),
        (faulty.raw(b"HTTP/1.1 200 OK\r\nContent-Length: minus one\r\n\r\nabcde"), AzekuraError, "."),
        (faulty.redirect(""), BadAnswer, "where to"),
        (faulty.redirect("file:///etc/passwd"), BadAnswer, "no usable URL"),
        (faulty.redirect("https://user:pw@127.0.0.1/x"), BadAnswer, "no usable URL"),
        (faulty.redirect("https://evil\\@127.0.0.1/x"), BadAnswer, "no usable URL"),
        (faulty.redirect("/x\tHost: other"), BadAnswer, "."),
        (faulty.redirect(PATH), BadAnswer, "more than 8 times"),
    ],
)
def test_a_lasting_fault_is_one_clear_error(
    web: FaultServer, stream: ImageServer, image: RemoteImage, fault: faulty.Fault, error: type[Exception], words: str
) -> None:
    web.script(PATH, *[fault] * 40)
    with pytest.raises(error, match=words) as caught:
        bring(stream, image)
    assert isinstance(caught.value, AzekuraError)
    assert "\n" not in str(caught.value)
    assert "object at" not in str(caught.value)


def test_an_unasked_gzip_coding_is_undone_and_resumed(
    web: FaultServer, stream: ImageServer, image: RemoteImage
) -> None:
    def cut_in_gzip(answer: faulty.Answer) -> None:
        answer.resource = faulty.coded(answer.resource)
        faulty.cut(100_000)(answer)

    web.script(PATH, cut_in_gzip, faulty.gzipped)
    assert bring(stream, image).bytes_of("rootfs") == ROOTFS
    assert web.sent(PATH) < len(ROOTFS) + 5_000


@pytest.mark.parametrize("fault", [faulty.chunked, faulty.cut_chunked(100_000)], ids=["whole", "cut"])
def test_a_body_without_length_is_taken(
    web: FaultServer, stream: ImageServer, image: RemoteImage, fault: faulty.Fault
) -> None:
    web.script(PATH, fault)
    assert bring(stream, image).bytes_of("rootfs") == ROOTFS


def test_cancelling_ends_a_silent_transfer_at_once(web: FaultServer, identity: Identity) -> None:
    server = open_server(web.url, Protocol.SIMPLESTREAMS, certificate_pem=identity.pem, policy=quick(stall_timeout=30))
    image = server.resolve("debian/12", type=None, architectures=["x86_64"])
    web.script(PATH, faulty.stall(50_000, 25))
    asked = threading.Event()
    threading.Timer(0.3, asked.set).start()
    started = time.monotonic()
    with pytest.raises(Cancelled):
        bring(server, image, cancelled=asked.is_set)
    assert time.monotonic() - started < 3


def no_answer(answer: faulty.Answer) -> None:
    answer.server.owner.closing.wait(25)


def test_cancelling_ends_the_wait_for_an_answer(web: FaultServer, identity: Identity) -> None:
    server = open_server(web.url, Protocol.SIMPLESTREAMS, certificate_pem=identity.pem, policy=quick(stall_timeout=30))
    image = server.resolve("debian/12", type=None, architectures=["x86_64"])
    web.script(PATH, no_answer)
    started = time.monotonic()
    with pytest.raises(Cancelled):
        bring(server, image, cancelled=lambda: time.monotonic() - started > 0.3)
    assert time.monotonic() - started < 3


def test_what_the_sink_raises_comes_through_untouched(stream: ImageServer, image: RemoteImage) -> None:
    class Full(MemorySink):
        def part(self, role: str, size: int | None) -> object:  # type: ignore[override]
            raise ZeroDivisionError(role)

    with pytest.raises(ZeroDivisionError):
        stream.download(image, Full(), progress=lambda *_: None, cancelled=lambda: False)  # type: ignore[arg-type]


def test_files_are_fetched_from_the_next_mirror_where_one_fails(identity: Identity, web: FaultServer) -> None:
    with FaultServer(identity.server_context()) as second:
        for path, resource in web.resources.items():
            second.serve(path, resource.body, etag='"of the second"')
        server = open_server(web.url, Protocol.SIMPLESTREAMS, mirrors=[second.url], ca_pem=identity.pem, policy=quick())
        image = server.resolve("debian/12", type=None, architectures=["x86_64"])
        web.script(PATH, faulty.cut(100_000), *[faulty.status(404)] * 20)
        assert bring(server, image).bytes_of("rootfs") == ROOTFS
        assert web.sent(PATH) + second.sent(PATH) <= len(ROOTFS) + 20 * 8


def test_an_index_out_of_date_is_fetched_again_once(web: FaultServer, stream: ImageServer, image: RemoteImage) -> None:
    tree = StreamsTree()
    product = tree.product("debian/12")
    tree.split(product, "20260101_0000", METADATA, squashfs=ROOTFS)
    for item in product["versions"]["20260101_0000"]["items"].values():
        item["path"] = "moved/" + item["path"]
    tree.files = {f"moved/{path}": body for path, body in tree.files.items()}
    web.resources.clear()
    tree.publish(web)
    assert bring(stream, image).bytes_of("rootfs") == ROOTFS


# LXD's own protocol: nothing but the fingerprint is announced, and a split image comes as one form.


@pytest.fixture
def daemon(identity: Identity) -> Iterator[ImageServerFake]:
    with ImageServerFake(identity.server_context()) as server:
        server.add(Stored(METADATA, ROOTFS, aliases=["split"]))
        server.add(Stored(ROOTFS, aliases=["unified"]))
        yield server


@pytest.mark.parametrize("alias", ["split", "unified"])
@pytest.mark.parametrize("at", [0, 100, 180, 2_100, 2_200, 2_350, 150_000, 299_990])
def test_an_export_is_resumed_where_its_server_can(
    daemon: ImageServerFake, identity: Identity, alias: str, at: int
) -> None:
    server = open_server(daemon.url, Protocol.LXD, certificate_pem=identity.pem, policy=quick())
    image = server.resolve(alias, type=None, architectures=[])
    path = f"/1.0/images/{image.known_fingerprint}/export"
    daemon.script(path, faulty.cut(at))
    sink = bring(server, image)
    assert sink.fingerprint == image.known_fingerprint
    whole = len(daemon.images[image.known_fingerprint].export().body)
    assert daemon.sent(path) == whole


@pytest.mark.parametrize("alias", ["split", "unified"])
def test_an_export_without_ranges_begins_anew(daemon: ImageServerFake, identity: Identity, alias: str) -> None:
    server = open_server(daemon.url, Protocol.LXD, certificate_pem=identity.pem, policy=quick())
    image = server.resolve(alias, type=None, architectures=[])

    def as_real_lxd(fault: faulty.Fault, boundary: str) -> faulty.Fault:
        def answer_it(answer: faulty.Answer) -> None:
            stored = daemon.images[image.known_fingerprint]
            answer.resource = stored.export(boundary=boundary)
            answer.resource.etag = ""
            answer.resource.ranges = False
            fault(answer)

        return answer_it

    daemon.script(
        f"/1.0/images/{image.known_fingerprint}/export",
        as_real_lxd(faulty.cut_chunked(200_000), "one"),
        as_real_lxd(faulty.chunked, "two"),
    )
    sink = bring(server, image)
    assert sink.fingerprint == image.known_fingerprint


@pytest.mark.parametrize("alias", ["split", "unified"])
def test_an_export_with_other_bytes_is_refused(daemon: ImageServerFake, identity: Identity, alias: str) -> None:
    server = open_server(daemon.url, Protocol.LXD, certificate_pem=identity.pem, policy=quick())
    image = server.resolve(alias, type=None, architectures=[])
    daemon.images[image.known_fingerprint].metadata = bytes(len(daemon.images[image.known_fingerprint].metadata))
    stored = daemon.images.pop(image.known_fingerprint)

    def other_bytes(answer: faulty.Answer) -> None:
        answer.resource = stored.export()
        faulty.well(answer)

    daemon.script(f"/1.0/images/{image.known_fingerprint}/export", *[other_bytes] * 9)
    with pytest.raises(FingerprintMismatch, match=r"Image fingerprint doesn't match\. Got"):
        bring(server, image)


def test_every_cut_of_a_small_export_is_mended(daemon: ImageServerFake, identity: Identity, tmp_path: Path) -> None:
    stored = Stored(b"m" * 37, b"r" * 61)
    daemon.add(stored)
    server = open_server(daemon.url, Protocol.LXD, certificate_pem=identity.pem, policy=quick())
    image = server.resolve(stored.fingerprint, type=None, architectures=[])
    path = f"/1.0/images/{stored.fingerprint}/export"
    for at in range(0, len(stored.export().body), 7):
        daemon.seen.clear()
        daemon.script(path, faulty.cut(at))
        sink = bring(server, image)
        assert hashlib.sha256(sink.bytes_of("metadata") + sink.bytes_of("rootfs")).hexdigest() == stored.fingerprint
        assert daemon.sent(path) == len(stored.export().body)
