"""What every image server promises, whatever it speaks: one in memory, simplestreams, a direct URL, a real LXD, and our
own daemon's simplestreams face.
"""

from __future__ import annotations

import hashlib
import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from tests.busybox_images import images
from tests.daemon_process import running_daemon
from tests.fakes.fault_server import FaultServer
from tests.fakes.image_server import ImageServerFake, Stored
from tests.fakes.memory_sink import HashingMemorySink, HashingPart, MemorySink
from tests.fakes.real_lxd import RealLxd, tiny_image
from tests.fakes.remote_settings import bring, quick
from tests.fakes.streams_tree import StreamsTree
from tests.fakes.tls_identity import Identity, make_identity
from tests.rest import Rest

from azekura.errors import Ambiguous, Cancelled, FingerprintMismatch, NotFound, Unsupported
from azekura.model.source import Protocol
from azekura.remotes import open_server
from azekura.remotes.port import ImageServer

NATIVE = ("x86_64", "i686")


@dataclass
class Offer:
    """A server, and what it truly has: alias → role → bytes."""

    server: ImageServer
    images: dict[str, dict[str, bytes]]
    lists: bool = True

    def fingerprint(self, alias: str) -> str:
        return hashlib.sha256(b"".join(self.images[alias].values())).hexdigest()


SPLIT = {"metadata": random.Random(5).randbytes(3_000), "rootfs": random.Random(6).randbytes(150_000)}
DISK = b"QFI\xfb" + (3).to_bytes(4, "big") + bytes(16) + (1 << 20).to_bytes(8, "big") + bytes(200_000)
UNIFIED = {"unified": random.Random(7).randbytes(420_000)}


@pytest.fixture(scope="module")
def identity(tmp_path_factory: pytest.TempPathFactory) -> Identity:
    return make_identity(tmp_path_factory.mktemp("identity"))


@pytest.fixture(scope="module")
def in_memory(identity: Identity) -> Iterator[Offer]:
    with ImageServerFake(identity.server_context()) as web:
        web.add(Stored(SPLIT["metadata"], SPLIT["rootfs"], aliases=["split/a"], properties={"os": "Debian"}))
        web.add(Stored(UNIFIED["unified"], aliases=["unified"]))
        server = open_server(web.url, Protocol.LXD, certificate_pem=identity.pem, policy=quick())
        yield Offer(server, {"split/a": SPLIT, "unified": UNIFIED})


@contextmanager
def streams(identity: Identity, cache_dir: Path | None) -> Iterator[Offer]:
    tree = StreamsTree()
    tree.split(
        tree.product("debian/12", aliases="split/a"), "20260101_0000", SPLIT["metadata"], squashfs=SPLIT["rootfs"]
    )
    tree.unified(tree.product("alpine/3.20", aliases="unified"), "20260101_0000", UNIFIED["unified"])
    with FaultServer(identity.server_context()) as web:
        tree.publish(web, "/base")
        server = open_server(
            f"{web.url}/base/",
            Protocol.SIMPLESTREAMS,
            certificate_pem=identity.pem,
            architectures=NATIVE,
            cache_dir=cache_dir,
            policy=quick(),
        )
        yield Offer(server, {"split/a": SPLIT, "unified": UNIFIED})


@pytest.fixture(scope="module")
def simplestreams(identity: Identity, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Offer]:
    with streams(identity, tmp_path_factory.mktemp("cache")) as offer:
        yield offer


@pytest.fixture(scope="module")
def simplestreams_without_cache(identity: Identity) -> Iterator[Offer]:
    with streams(identity, None) as offer:
        yield offer


@pytest.fixture(scope="module")
def direct(identity: Identity) -> Iterator[Offer]:
    with FaultServer(identity.server_context()) as web:
        web.serve("/file", UNIFIED["unified"])
        digest = hashlib.sha256(UNIFIED["unified"]).hexdigest()
        web.serve("/image", b"", LXD_Image_Hash=digest, LXD_Image_URL=f"{web.url}/file")
        server = open_server(f"{web.url}/image", Protocol.DIRECT, certificate_pem=identity.pem, policy=quick())
        yield Offer(server, {"": UNIFIED}, lists=False)


@pytest.fixture(scope="module")
def real_lxd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Offer]:
    folder = tmp_path_factory.mktemp("images")
    split = tiny_image(folder / "split", split=True)
    unified = tiny_image(folder / "unified", split=False)
    with RealLxd.started() as lxd:
        lxd.import_image(folder / "split", split, "split/a")
        lxd.import_image(folder / "unified", unified, "unified")
        server = open_server(lxd.url, Protocol.LXD, certificate_pem=lxd.certificate, policy=quick(stall_timeout=10))
        yield Offer(server, {"split/a": split, "unified": unified})


@pytest.fixture(scope="module")
def our_streams(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Offer]:
    made = images()
    split = {"metadata": (made / "meta.tar.gz").read_bytes(), "rootfs": (made / "rootfs.squashfs").read_bytes()}
    tarballs = {"metadata": split["metadata"], "rootfs": (made / "rootfs.tar.gz").read_bytes()}
    unified = {"unified": (made / "unified.tar.gz").read_bytes()}
    disk = {"metadata": split["metadata"], "rootfs.img": DISK}
    offered = {"split/a": split, "tarballs": tarballs, "unified": unified, "disk": disk}
    with running_daemon() as daemon:
        daemon.lxc("config", "set", "core.https_address", "127.0.0.1:0")
        for alias, parts in offered.items():
            files = []
            for role, body in parts.items():
                files.append(tmp_path_factory.mktemp("parts") / role)
                files[-1].write_bytes(body)
            daemon.lxc("image", "import", *map(str, files), "--alias", alias, "--public")
        (address,) = Rest(daemon.folder / "unix.socket").get("/1.0").metadata["environment"]["addresses"]
        server = open_server(
            f"https://{address}",
            Protocol.SIMPLESTREAMS,
            certificate_pem=(daemon.folder / "server.crt").read_text(),
            architectures=NATIVE,
            cache_dir=tmp_path_factory.mktemp("cache"),
            policy=quick(stall_timeout=10),
        )
        yield Offer(server, offered)


@pytest.fixture(
    params=[
        "in_memory",
        "our_streams",
        "simplestreams",
        "simplestreams_without_cache",
        "direct",
        pytest.param("real_lxd", marks=[pytest.mark.interop, pytest.mark.root]),
    ]
)
def offer(request: pytest.FixtureRequest) -> Offer:
    return request.getfixturevalue(request.param)  # type: ignore[no-any-return]


def test_an_alias_resolves_to_an_image_with_a_fingerprint(offer: Offer) -> None:
    for alias in offer.images:
        image = offer.server.resolve(alias, type=None, architectures=NATIVE)
        assert image.known_fingerprint == offer.fingerprint(alias)


def test_what_is_downloaded_is_what_was_announced(offer: Offer) -> None:
    for alias, parts in offer.images.items():
        image = offer.server.resolve(alias, type=None, architectures=NATIVE)
        sink = bring(offer.server, image)
        assert {role: sink.bytes_of(role) for role in sink.parts} == parts
        assert sink.fingerprint == image.known_fingerprint
        if image.size:
            assert image.size == sum(map(len, parts.values()))


def test_a_sink_that_hashes_by_itself_is_asked(offer: Offer) -> None:
    for alias, parts in offer.images.items():
        image = offer.server.resolve(alias, type=None, architectures=NATIVE)
        sink = HashingMemorySink()
        offer.server.download(image, sink, progress=lambda *_: None, cancelled=lambda: False)
        assert {role: bytes(part.data) for role, part in sink.parts.items()} == parts

        class Wrong(HashingMemorySink):
            def part(self, role: str, size: int | None) -> HashingPart:
                part = super().part(role, size)
                part.received_sha256 = lambda: "0" * 64  # type: ignore[method-assign]
                return part

            def received_fingerprint(self) -> str:
                return "0" * 64

        with pytest.raises(FingerprintMismatch):
            offer.server.download(image, Wrong(), progress=lambda *_: None, cancelled=lambda: False)


def test_progress_ends_at_each_files_full_length(offer: Offer) -> None:
    for alias, parts in offer.images.items():
        done: dict[str, int] = {}

        def note(role: str, now: int, total: int | None, done: dict[str, int] = done) -> None:
            assert now >= done.get(role, 0)
            assert total is None or now <= total
            done[role] = now

        image = offer.server.resolve(alias, type=None, architectures=NATIVE)
        bring(offer.server, image, progress=note)
        assert done == {role: len(data) for role, data in parts.items()}


def test_a_cancelled_download_says_so(offer: Offer) -> None:
    image = offer.server.resolve(next(iter(offer.images)), type=None, architectures=NATIVE)
    with pytest.raises(Cancelled):
        bring(offer.server, image, cancelled=lambda: True)


def test_cancelling_in_the_middle_writes_no_more(offer: Offer) -> None:
    image = offer.server.resolve(next(iter(offer.images)), type=None, architectures=NATIVE)
    sink = MemorySink()
    with pytest.raises(Cancelled):
        offer.server.download(
            image,
            sink,
            progress=lambda *_: None,
            cancelled=lambda: any(part.written for part in sink.parts.values()),
        )
    assert sum(part.written for part in sink.parts.values()) < sum(map(len, next(iter(offer.images.values())).values()))


def test_an_unknown_name_is_not_found(offer: Offer) -> None:
    for reference in ("no/such", "ffffffffffff", "f" * 64, "../images", "Ä", "%", "_", "a?b", "x" * 300):
        with pytest.raises(NotFound, match=r"Image not found|The requested image couldn't be found"):
            offer.server.resolve(reference, type=None, architectures=NATIVE)


def test_a_fingerprint_and_its_beginning_resolve(offer: Offer) -> None:
    for alias in offer.images:
        whole = offer.fingerprint(alias)
        if not offer.lists:  # a direct URL is its image's only name: nothing else resolves
            with pytest.raises(NotFound):
                offer.server.resolve("0" * 12, type=None, architectures=NATIVE)
            continue
        for reference in (whole, whole[:12], whole[:40]):
            assert offer.server.resolve(reference, type=None, architectures=NATIVE).known_fingerprint == whole


def test_the_list_holds_every_image_once(offer: Offer) -> None:
    if not offer.lists:
        with pytest.raises(Unsupported):
            offer.server.list()
        return
    listed = offer.server.list()
    assert sorted(image.known_fingerprint for image in listed) == sorted(map(offer.fingerprint, offer.images))
    for image in listed:
        assert any(
            image.known_fingerprint == offer.fingerprint(alias) for alias in image.aliases if alias in offer.images
        )
        assert image == offer.server.resolve(image.known_fingerprint, type=None, architectures=NATIVE)


def test_the_aliases_lead_to_the_images(offer: Offer) -> None:
    if not offer.lists:
        with pytest.raises(Unsupported):
            offer.server.aliases()
        return
    targets = {alias.name: alias.target.value for alias in offer.server.aliases()}
    for alias in offer.images:
        assert targets[alias] == offer.fingerprint(alias)


def test_the_url_shows_neither_slash_nor_query_at_its_end(offer: Offer) -> None:
    assert offer.server.url.startswith("https://")
    assert not offer.server.url.endswith("/")


def test_a_server_that_is_gone_is_a_failed_connection(tmp_path: Path) -> None:
    from azekura.errors import ConnectionFailed

    for protocol in Protocol:
        server = open_server("https://127.0.0.1:9/x", protocol, policy=quick(retries=1))
        with pytest.raises(ConnectionFailed, match=r"Failed to connect to https://127\.0\.0\.1:9"):
            server.resolve("", type=None, architectures=NATIVE)


def test_an_ambiguous_beginning_is_refused(identity: Identity) -> None:
    bodies = [b"image %d" % number for number in range(40)]
    digests = [hashlib.sha256(body).hexdigest() for body in bodies]
    twins = next(digest for digest in digests if sum(other[0] == digest[0] for other in digests) > 1)[0]
    tree = StreamsTree()
    opened: list[Callable[[], ImageServer]] = []
    with ImageServerFake(identity.server_context()) as lxd, FaultServer(identity.server_context()) as web:
        for number, body in enumerate(bodies):
            lxd.add(Stored(body))
            tree.unified(tree.product(f"os{number}/1"), "20260101_0000", body)
        tree.publish(web)
        opened.append(lambda: open_server(lxd.url, Protocol.LXD, certificate_pem=identity.pem, policy=quick(retries=0)))
        opened.append(lambda: open_server(web.url, Protocol.SIMPLESTREAMS, certificate_pem=identity.pem))
        for opener in opened:
            with pytest.raises(Ambiguous, match="More than one"):
                opener().resolve(twins, type=None, architectures=NATIVE)
