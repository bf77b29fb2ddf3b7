"""Evil images by every way into a daemon, and good ones under a wrong fingerprint: refused for the same reason by each,
with nothing kept and nothing touched outside."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from tests.daemon_process import Daemon, running_daemon
from tests.fakes import fault_server as faulty
from tests.fakes.fault_server import FaultServer
from tests.fakes.image_server import ImageServerFake, Stored
from tests.fakes.streams_tree import StreamsTree
from tests.fakes.tls_identity import Identity, make_identity
from tests.hostile.evil_images import CASES, Case, check_canary, plant_canary
from tests.hostile.tar_builder import GOOD_YAML, file, image, rootfs_parts, tarball
from tests.rest import Reply, Rest, form

# one for each kind of advisory, as unified and split tarball and as squashfs
CHOSEN = (
    "metadata-is-a-symlink",
    "metadata-twice",
    "templates-is-a-symlink",
    "template-is-a-hard-link",
    "rootfs-becomes-a-symlink",
    "backup-yaml-is-a-symlink",
    "absolute-name",
    "unified-through-an-absolute-symlink",
    "unified-whiteout",
    "yaml-billion-laughs",
    "unified-negative-size",
    "bomb-gz",
    "split-metadata-is-a-symlink",
    "split-dot-dot",
    "split-over-a-symlink",
    "split-yaml-template-outside",
    "split-attribute-trusted.overlay.redirect",
    "squashfs-dot-dot",
    "squashfs-folder-becomes-a-symlink",
    "squashfs-whiteout",
    "squashfs-sparse-exabytes",
)
BY_NAME = {case.name: case for case in CASES}


@dataclass
class Place:
    """A daemon that listens, and what its image servers show."""

    daemon: Daemon
    rest: Rest
    stranger: Rest
    identity: Identity


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    identity = make_identity(tmp_path_factory.mktemp("identity"), ca=True)
    with running_daemon(driver="overlay" if os.geteuid() == 0 else None) as daemon:
        rest = Rest(daemon.folder / "unix.socket")
        config = {"core.https_address": "127.0.0.1:0", "images.server.127.0.0.1.ca": identity.pem}
        assert rest.patch("/1.0", {"config": config}).status == 200
        port = int(rest.get("/1.0").metadata["environment"]["addresses"][0].rpartition(":")[2])
        yield Place(daemon, rest, Rest(port=port), identity)
        assert "Traceback" not in daemon.log.read_text()


def digest(*parts: bytes) -> str:
    return hashlib.sha256(b"".join(parts)).hexdigest()


def copy(place: Place, server: str, protocol: str, reference: str) -> Reply:
    source = {"type": "image", "mode": "pull", "server": server, "protocol": protocol, "alias": reference}
    return place.rest.post("images", {"source": {**source, "certificate": place.identity.pem}})


def by_lxd(place: Place, files: list[bytes], announced: str) -> str:
    with ImageServerFake(place.identity.server_context()) as server:
        stored = Stored(files[0], files[1] if len(files) == 2 else None)
        record = {**stored.record(), "fingerprint": announced}
        envelope = {"type": "sync", "status": "Success", "status_code": 200, "metadata": record}
        server.script(f"/1.0/images/{announced}", *[faulty.status(200, json.dumps(envelope).encode())] * 5)
        export = stored.export()
        server.script(
            f"/1.0/images/{announced}/export",
            *[faulty.status(200, export.body, Content_Type=export.headers["Content-Type"])] * 5,
        )
        return place.rest.failed(copy(place, server.url, "lxd", announced))


def by_stream(place: Place, files: list[bytes], announced: str) -> str:
    tree = StreamsTree()
    product = tree.product("evil/1")
    if len(files) == 1:
        tree.unified(product, "20260101_0000", files[0])
        product["versions"]["20260101_0000"]["items"]["lxd_combined.tar.gz"]["sha256"] = announced
    elif files[1].startswith(b"hsqs"):
        tree.split(product, "20260101_0000", files[0], squashfs=files[1])
    else:
        tree.split(product, "20260101_0000", files[0], rootxz=files[1])
    for item in product["versions"]["20260101_0000"]["items"].values():
        for key in ("combined_squashfs_sha256", "combined_rootxz_sha256"):
            if key in item:
                item[key] = announced
    with FaultServer(place.identity.server_context()) as web:
        tree.publish(web)
        return place.rest.failed(copy(place, web.url, "simplestreams", "evil/1"))


def by_url(place: Place, files: list[bytes], announced: str) -> str:
    with FaultServer(place.identity.server_context()) as web:
        web.serve("/image", b"", LXD_Image_Hash=announced, LXD_Image_URL=f"{web.url}/files/image.tar")
        web.serve("/files/image.tar", files[0])
        return place.rest.failed(place.rest.post("images", {"source": {"type": "url", "url": f"{web.url}/image"}}))


def _sent(files: list[bytes]) -> tuple[bytes, dict[str, str]]:
    if len(files) == 1:
        return files[0], {"Content-Type": "application/octet-stream"}
    return form(("metadata", "meta", files[0]), ("rootfs", "root", files[1]))


def by_push(place: Place, files: list[bytes], announced: str) -> str:
    """As a stranger who was given a secret for it."""
    order = {"source": {"type": "image", "mode": "push", "fingerprint": announced}}
    waiting = place.rest.post("images", order)
    body, headers = _sent(files)
    headers |= {"X-LXD-secret": waiting.metadata["metadata"]["secret"], "X-LXD-fingerprint": announced}
    return place.rest.failed(place.stranger.post("images", raw=body, headers=headers))


def by_upload(place: Place, files: list[bytes], announced: str) -> str:
    body, headers = _sent(files)
    return place.rest.failed(place.rest.post("images", raw=body, headers={**headers, "X-LXD-fingerprint": announced}))


Way = Callable[[Place, list[bytes], str], str]
WAYS: dict[str, Way] = {
    "lxd": by_lxd,
    "simplestreams": by_stream,
    "url": by_url,
    "push": by_push,
    "upload": by_upload,
}


def kept(place: Place) -> list[str]:
    """What the daemon has of images: files, trees, records."""
    folder = place.daemon.folder
    blobs = [str(path) for path in (folder / "images").rglob("*") if path.is_file()]
    trees = [str(path) for path in (folder / "storage-pools").glob("*/images/*")]
    return [*blobs, *trees, *place.rest.get("images").metadata]


def assert_refused(place: Place, said: str, fragment: str) -> None:
    assert fragment in said
    assert said.count("\n") == 0
    assert len(said) < 2000
    assert kept(place) == []
    assert place.daemon.process is not None
    assert place.daemon.process.poll() is None, "the daemon died"


COMBINATIONS = [
    pytest.param(BY_NAME[name], way, id=f"{name}-{title}")
    for name in CHOSEN
    for title, way in WAYS.items()
    if not (title == "url" and name.startswith(("split-", "squashfs-")))  # a direct URL has one file
]


@pytest.mark.parametrize(("case", "way"), COMBINATIONS)
def test_an_evil_image_is_refused_by_every_way(case: Case, way: Way, place: Place, tmp_path: Path) -> None:
    tmp_path.chmod(0o711)
    folder = tmp_path / "place"
    folder.mkdir()
    outside = plant_canary(folder)
    files = [path.read_bytes() for path in case.make(folder)]
    said = way(place, files, digest(*files))
    check_canary(outside)
    assert_refused(place, said, case.fragment)


GOOD = {
    "unified": [image(file(b"rootfs/number", b"1"))],
    "split": [tarball(file(b"metadata.yaml", GOOD_YAML)), tarball(*rootfs_parts(b"./"))],
}
WRONG = digest(b"something else")


@pytest.mark.parametrize("kind", GOOD)
@pytest.mark.parametrize("way", WAYS)
def test_a_good_image_under_a_wrong_fingerprint_is_refused_by_every_way(way: str, kind: str, place: Place) -> None:
    if (way, kind) == ("url", "split"):
        return  # there is no such thing
    files = GOOD[kind]
    said = WAYS[way](place, files, WRONG)
    assert WRONG in said
    assert digest(*files) in said
    assert_refused(place, said, "")


@pytest.mark.parametrize("kind", GOOD)
def test_a_secret_for_one_image_takes_no_other(kind: str, place: Place) -> None:
    files = GOOD[kind]
    order = {"source": {"type": "image", "mode": "push", "fingerprint": WRONG}}
    secret = place.rest.post("images", order).metadata["metadata"]["secret"]
    body, headers = _sent(files)
    headers |= {"X-LXD-secret": secret, "X-LXD-fingerprint": digest(*files)}
    answer = place.stranger.post("images", raw=body, headers=headers)
    if answer.status == 202:
        place.rest.failed(answer)
    else:
        assert answer.status in (400, 403)
    assert kept(place) == []
