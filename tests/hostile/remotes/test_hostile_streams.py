"""simplestreams documents that are broken, stale, huge, unsigned or malicious."""

from __future__ import annotations

import gzip
import json
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from tests.fakes import fault_server as faulty
from tests.fakes.fault_server import FaultServer
from tests.fakes.remote_settings import bring, quick
from tests.fakes.streams_tree import StreamsTree, sha256
from tests.fakes.tls_identity import Identity

from azekura.errors import AzekuraError, BadAnswer, ConnectionFailed, FingerprintMismatch, InvalidRequest, NotFound
from azekura.model.source import Protocol
from azekura.remotes import open_server
from azekura.remotes.policy import SignatureRule, SigningPolicy
from azekura.remotes.port import ImageServer

pysequoia = pytest.importorskip("pysequoia")

INDEX = "/streams/v1/index.json"
PRODUCTS = "/streams/v1/images.json"
METADATA, ROOTFS = b"metadata" * 10, b"rootfs" * 50_000
NATIVE = ["x86_64"]


@pytest.fixture
def tree() -> StreamsTree:
    tree = StreamsTree()
    tree.split(tree.product("debian/12"), "20260101_0000", METADATA, squashfs=ROOTFS)
    return tree


@pytest.fixture
def web(identity: Identity, tree: StreamsTree) -> Iterator[FaultServer]:
    with FaultServer(identity.server_context()) as server:
        tree.publish(server)
        yield server


@pytest.fixture
def warnings() -> list[str]:
    return []


@pytest.fixture
def stream(web: FaultServer, identity: Identity, tmp_path: Path, warnings: list[str]) -> ImageServer:
    return opened(web, identity, cache_dir=tmp_path, warn=warnings.append)


def opened(web: FaultServer, identity: Identity, **more: Any) -> ImageServer:
    more.setdefault("policy", quick())
    return open_server(web.url, Protocol.SIMPLESTREAMS, certificate_pem=identity.pem, architectures=NATIVE, **more)


NONSENSE = [
    (faulty.instead(bytes(500)), "consists of zero bytes"),
    (faulty.instead(b""), "it is empty"),
    (faulty.instead(b"<!DOCTYPE html><p>Please sign in"), "it is a web page"),
    (faulty.instead(b"[]"), "it has no"),
    (faulty.instead(b'{"index":[],"products":7}'), "it has no"),
    (faulty.instead(b"[" * 100_000), "not JSON"),
    (faulty.instead(b'{"index":' + b"9" * 5000), "not JSON"),
    (faulty.instead(b'{"index": {"images"'), "not JSON"),
    (faulty.instead(b"\x1f\x8bgarbage"), "damaged gzip"),
    (faulty.instead(gzip.compress(b"{}")[:-9]), "cut off in its middle"),
    (faulty.truncated_gzip, "gzip ends in the middle"),
    (faulty.wrong_length(3), "broke off after"),
    (faulty.status(404), "404"),
    (faulty.status(500), "500"),
    (faulty.silence, "closed without an answer"),
]


@pytest.mark.parametrize(("fault", "words"), NONSENSE)
@pytest.mark.parametrize("path", [INDEX, PRODUCTS])
def test_a_document_that_makes_no_sense_is_one_clear_error(
    web: FaultServer, stream: ImageServer, path: str, fault: faulty.Fault, words: str
) -> None:
    web.script(path, *[fault] * 4)
    with pytest.raises(AzekuraError, match=words) as caught:
        stream.list()
    assert web.url in str(caught.value)


@pytest.mark.parametrize(("fault", "words"), NONSENSE)
@pytest.mark.parametrize("path", [INDEX, PRODUCTS])
def test_the_kept_index_serves_while_the_server_talks_nonsense(
    web: FaultServer, stream: ImageServer, warnings: list[str], path: str, fault: faulty.Fault, words: str
) -> None:
    known = stream.resolve("debian/12", type=None, architectures=NATIVE)
    web.script(path, fault)
    assert stream.resolve("debian/12", type=None, architectures=NATIVE) == known
    assert len(warnings) == 1
    assert words in warnings[0]
    assert stream.resolve("debian/12", type=None, architectures=NATIVE) == known
    assert len(warnings) == 1


def test_the_kept_index_serves_without_a_network(identity: Identity, tree: StreamsTree, tmp_path: Path) -> None:
    warnings: list[str] = []
    with FaultServer(identity.server_context()) as web:
        tree.publish(web)
        server = opened(web, identity, cache_dir=tmp_path, warn=warnings.append)
        known = server.list()
    assert server.list() == known
    assert "Using the kept index" in warnings[0]
    with pytest.raises(ConnectionFailed):
        opened(web, identity, cache_dir=tmp_path / "other").list()


def test_an_unchanged_index_is_not_fetched_again(web: FaultServer, stream: ImageServer) -> None:
    first = stream.list()
    sent = web.sent(INDEX) + web.sent(PRODUCTS)
    assert stream.list() == first
    assert stream.resolve("debian/12", type=None, architectures=NATIVE) == first[0]
    assert web.sent(INDEX) + web.sent(PRODUCTS) == sent


def test_a_changed_index_is_seen_at_once(web: FaultServer, stream: ImageServer, tree: StreamsTree) -> None:
    old = stream.resolve("debian/12", type=None, architectures=NATIVE)
    new = tree.split(tree.product("debian/12"), "20260202_0000", METADATA, squashfs=ROOTFS + b"new")
    tree.publish(web)
    assert stream.resolve("debian/12", type=None, architectures=NATIVE).known_fingerprint == new
    assert stream.resolve(old.known_fingerprint[:12], type=None, architectures=NATIVE).fingerprint == old.fingerprint


@pytest.mark.parametrize("damage", ["empty", "garbage", "flipped", "gone"])
@pytest.mark.parametrize("pattern", ["*.doc", "*.catalog", "*"])
def test_a_damaged_cache_mends_itself(stream: ImageServer, tmp_path: Path, damage: str, pattern: str) -> None:
    known = stream.list()
    for file in tmp_path.rglob(pattern):
        if file.is_file():
            content = file.read_bytes()
            match damage:
                case "empty":
                    file.write_bytes(b"")
                case "garbage":
                    file.write_bytes(b"garbage" * 1000)
                case "flipped":
                    file.write_bytes(content[:-40] + bytes(byte ^ 0xFF for byte in content[-40:]))
                case _:
                    file.unlink()
    assert stream.list() == known
    assert stream.resolve("debian/12", type=None, architectures=NATIVE) == known[0]


@pytest.mark.parametrize(
    "path",
    ["../../etc/passwd", "images/../../x", "http://127.0.0.1:1/x", "a\\..\\b", "a\nb", "%2e%2e/%2e%2e/x", "/", "a/%00"],
)
def test_a_file_outside_the_server_is_not_fetched(
    web: FaultServer, stream: ImageServer, tree: StreamsTree, path: str
) -> None:
    for item in tree.product("debian/12")["versions"]["20260101_0000"]["items"].values():
        item["path"] = path
    web.serve(PRODUCTS, tree.catalogue())
    before = len(web.seen)
    with pytest.raises((NotFound, BadAnswer)):
        bring(stream, stream.resolve("debian/12", type=None, architectures=NATIVE))
    assert {seen.path for seen in web.seen[before:]} <= {INDEX, PRODUCTS}


@pytest.mark.parametrize("path", ["../x.json", "http://127.0.0.1:1/x.json", "\x00"])
def test_a_products_file_outside_the_server_is_not_fetched(
    web: FaultServer, stream: ImageServer, tree: StreamsTree, path: str
) -> None:
    web.serve(INDEX, tree.index(path))
    with pytest.raises(BadAnswer):
        stream.list()
    assert {seen.path for seen in web.seen} == {INDEX}


def test_parts_that_are_right_do_not_excuse_a_whole_that_is_wrong(
    web: FaultServer, stream: ImageServer, tree: StreamsTree
) -> None:
    """CVE-2026-33542: each file's hash in order, the fingerprint somebody else's."""
    victim = sha256(b"the victim's image")
    for item in tree.product("debian/12")["versions"]["20260101_0000"]["items"].values():
        if "combined_squashfs_sha256" in item:
            item["combined_squashfs_sha256"] = victim
    web.serve(PRODUCTS, tree.catalogue())
    image = stream.resolve(victim, type=None, architectures=NATIVE)
    with pytest.raises(FingerprintMismatch, match="Image fingerprint doesn't match"):
        bring(stream, image)


def test_unpacking_a_document_stops_at_the_limit(web: FaultServer, stream: ImageServer) -> None:
    bomb = gzip.compress(bytes(300 * 1024**2), 9)
    web.script(INDEX, faulty.instead(bomb))
    with pytest.raises(BadAnswer, match="longer than allowed"):
        stream.list()
    web.script(INDEX, faulty.status(200, bomb, Content_Encoding="gzip"))
    with pytest.raises(BadAnswer, match="longer than the"):
        stream.list()


# Deltas


def encode(old: bytes, new: bytes, folder: Path) -> bytes:
    (folder / "old").write_bytes(old)
    (folder / "new").write_bytes(new)
    subprocess.run(
        ["xdelta3", "-f", "-e", "-1", "-A=", "-S", "none", "-s", folder / "old", folder / "new", folder / "patch"],
        check=True,
    )
    return (folder / "patch").read_bytes()


@pytest.fixture
def two_versions(web: FaultServer, tree: StreamsTree, tmp_path: Path) -> dict[str, Any]:
    newer = ROOTFS[:100_000] + b"changed" + ROOTFS[100_000:]
    product = tree.product("debian/12")
    tree.split(product, "20260202_0000", METADATA, squashfs=newer)
    folder = tmp_path / "delta"
    folder.mkdir()
    patch = encode(ROOTFS, newer, folder)
    path = tree.delta(product, "20260202_0000", "20260101_0000", patch)
    tree.publish(web)
    return {"new": newer, "patch": patch, "path": f"/{path}", "base": folder / "old"}


WHOLE = "/images/debian/12/amd64/20260202_0000/rootfs.squashfs"


def test_a_delta_spares_the_whole_file(web: FaultServer, stream: ImageServer, two_versions: dict[str, Any]) -> None:
    image = stream.resolve("debian/12", type=None, architectures=NATIVE)
    asked: list[str] = []

    def base(fingerprint: str) -> Path:
        asked.append(fingerprint)
        return Path(two_versions["base"])

    sink = bring(stream, image, base_rootfs=base)
    assert sink.bytes_of("rootfs") == two_versions["new"]
    assert sink.fingerprint == image.known_fingerprint
    assert asked == [sha256(METADATA, ROOTFS)]
    assert web.sent(WHOLE) == 0
    assert web.sent(two_versions["path"]) == len(two_versions["patch"])


@pytest.mark.parametrize("trouble", ["garbage", "other base", "gone", "wrong hash", "no base", "endless"])
def test_a_useless_delta_only_costs_the_whole_file(
    web: FaultServer, stream: ImageServer, tree: StreamsTree, two_versions: dict[str, Any], tmp_path: Path, trouble: str
) -> None:
    base: Path | None = two_versions["base"]
    product = tree.product("debian/12")
    match trouble:
        case "garbage":
            tree.delta(product, "20260202_0000", "20260101_0000", b"\xd6\xc3\xc4garbage")
        case "other base":
            base = tmp_path / "other"
            base.write_bytes(b"x" * len(ROOTFS))
        case "gone":
            del tree.files[two_versions["path"][1:]]
            del web.resources[two_versions["path"]]
        case "wrong hash":
            web.serve(two_versions["path"], b"y" * len(two_versions["patch"]))
        case "no base":
            base = None
        case "endless":
            bomb = encode(ROOTFS, bytes(50_000_000), tmp_path / "delta")
            tree.delta(product, "20260202_0000", "20260101_0000", bomb)
    if trouble != "wrong hash":
        tree.publish(web)
    image = stream.resolve("debian/12", type=None, architectures=NATIVE)
    sink = bring(stream, image, base_rootfs=lambda _: base)
    assert sink.bytes_of("rootfs") == two_versions["new"]
    assert web.sent(WHOLE) == len(two_versions["new"])
    assert not list(tmp_path.rglob("azekura-delta-*"))


# Signatures


@pytest.fixture(scope="module")
def key() -> Any:
    return pysequoia.Tsk.generate("Publisher <publisher@example.org>")


def signed(key: Any, body: bytes) -> bytes:
    return bytes(pysequoia.sign(key.signer(), body, mode=pysequoia.SignatureMode.CLEAR))


def publish_signed(web: FaultServer, tree: StreamsTree, key: Any, updated: str = "") -> None:
    web.serve("/streams/v1/index.sjson", signed(key, tree.index("streams/v1/images.sjson", updated)))
    web.serve("/streams/v1/images.sjson", signed(key, tree.catalogue(updated)))


def rule(name: str, key: Any) -> SigningPolicy:
    return SigningPolicy(SignatureRule(name), (bytes(key.extract_certificate()),))


@pytest.mark.parametrize("name", ["required", "if-present"])
def test_a_signed_index_is_read(web: FaultServer, identity: Identity, tree: StreamsTree, key: Any, name: str) -> None:
    publish_signed(web, tree, key)
    server = opened(web, identity, signing=rule(name, key))
    assert bring(server, server.list()[0]).bytes_of("rootfs") == ROOTFS
    assert not {INDEX, PRODUCTS} & set(web.paths())


def test_a_missing_signature_is_refused_where_one_is_required(
    web: FaultServer, identity: Identity, tree: StreamsTree, key: Any
) -> None:
    with pytest.raises(BadAnswer, match="no signed index"):
        opened(web, identity, signing=rule("required", key)).list()
    assert len(opened(web, identity, signing=rule("if-present", key)).list()) == 1


@pytest.mark.parametrize("name", ["required", "if-present"])
@pytest.mark.parametrize("trouble", ["stripped", "tampered", "other key", "products stripped"])
def test_a_bad_signature_is_refused(
    web: FaultServer, identity: Identity, tree: StreamsTree, key: Any, name: str, trouble: str
) -> None:
    publish_signed(web, tree, key)
    path = "/streams/v1/index.sjson"
    match trouble:
        case "stripped":
            web.serve(path, tree.index("streams/v1/images.sjson"))
        case "tampered":
            web.serve(path, web.resources[path].body.replace(b"image-downloads", b"image-uploads"))
        case "other key":
            publish_signed(web, tree, pysequoia.Tsk.generate("Other <other@example.org>"))
        case _:
            web.serve("/streams/v1/images.sjson", tree.catalogue())
    with pytest.raises(BadAnswer, match=r"not signed|no valid signature"):
        opened(web, identity, signing=rule(name, key)).list()


def test_a_signature_seen_once_may_not_vanish(
    web: FaultServer, identity: Identity, tree: StreamsTree, key: Any, tmp_path: Path
) -> None:
    warnings: list[str] = []
    publish_signed(web, tree, key)
    server = opened(web, identity, signing=rule("if-present", key), cache_dir=tmp_path, warn=warnings.append)
    known = server.list()
    tree.split(tree.product("debian/13"), "20270101_0000", METADATA, squashfs=b"evil")
    tree.publish(web)
    del web.resources["/streams/v1/index.sjson"]
    assert server.list() == known
    assert "Using the kept index" in warnings[0]


def test_a_signed_index_may_not_go_back_in_time(
    web: FaultServer, identity: Identity, tree: StreamsTree, key: Any, tmp_path: Path
) -> None:
    warnings: list[str] = []
    tree.split(tree.product("debian/12"), "20260202_0000", METADATA, squashfs=b"mended")
    publish_signed(web, tree, key, "Mon, 02 Feb 2026 00:00:00 +0000")
    server = opened(web, identity, signing=rule("required", key), cache_dir=tmp_path, warn=warnings.append)
    known = server.list()
    del tree.product("debian/12")["versions"]["20260202_0000"]
    publish_signed(web, tree, key, "2026-01-01T00:00:00Z")
    assert server.list() == known
    assert "older than the one seen before" in warnings[0]


def test_keys_can_rotate(web: FaultServer, identity: Identity, tree: StreamsTree, key: Any) -> None:
    other = pysequoia.Tsk.generate("Next <next@example.org>")
    publish_signed(web, tree, other)
    policy = SigningPolicy(SignatureRule.REQUIRED, (*rule("required", key).keys, *rule("required", other).keys))
    assert len(opened(web, identity, signing=policy).list()) == 1


def test_a_key_that_is_no_longer_trusted_vouches_for_nothing_kept(
    web: FaultServer, identity: Identity, tree: StreamsTree, key: Any, tmp_path: Path
) -> None:
    publish_signed(web, tree, key)
    opened(web, identity, signing=rule("required", key), cache_dir=tmp_path).list()
    successor = pysequoia.Tsk.generate("Next <next@example.org>")
    with pytest.raises(BadAnswer, match="no valid signature"):
        opened(web, identity, signing=rule("required", successor), cache_dir=tmp_path).list()


def test_a_rule_without_a_key_is_refused(web: FaultServer, identity: Identity, tree: StreamsTree, key: Any) -> None:
    publish_signed(web, tree, key)
    for keys in ((), (b"no key",)):
        with pytest.raises(InvalidRequest):
            opened(web, identity, signing=SigningPolicy(SignatureRule.REQUIRED, keys)).list()


def test_an_unsigned_kept_index_does_not_stand_in_for_a_signed_one(
    web: FaultServer, identity: Identity, tree: StreamsTree, key: Any, tmp_path: Path
) -> None:
    opened(web, identity, cache_dir=tmp_path).list()
    with pytest.raises(BadAnswer):
        opened(web, identity, cache_dir=tmp_path, signing=rule("required", key)).list()


def test_a_stream_without_images_is_no_error(web: FaultServer, stream: ImageServer) -> None:
    web.serve(INDEX, json.dumps({"index": {}}).encode())
    assert stream.list() == []
    with pytest.raises(NotFound, match="The requested image couldn't be found"):
        stream.resolve("debian/12", type=None, architectures=NATIVE)


def test_a_products_file_may_be_a_gzip_file(web: FaultServer, stream: ImageServer, tree: StreamsTree) -> None:
    web.serve(INDEX, tree.index("streams/v1/images.json.gz"))
    web.serve("/streams/v1/images.json.gz", gzip.compress(tree.catalogue()))
    assert len(stream.list()) == 1


def test_many_may_use_one_cache_at_once(
    web: FaultServer, identity: Identity, tree: StreamsTree, tmp_path: Path
) -> None:
    warnings: list[str] = []

    def look(number: int) -> int:
        if number % 3 == 0:
            tree.split(tree.product(f"debian/{number + 20}"), "20260101_0000", METADATA, squashfs=b"%d" % number)
            web.serve(PRODUCTS, tree.catalogue())
        server = opened(web, identity, cache_dir=tmp_path, warn=warnings.append)
        return len(server.list()) and len(server.resolve("debian/12", type=None, architectures=NATIVE).files)

    with ThreadPoolExecutor(8) as pool:
        assert set(pool.map(look, range(24))) == {2}
    assert not warnings
    assert {path.suffix for path in tmp_path.rglob("*") if path.is_file()} == {".doc", ".catalog"}
