"""Downloads as a daemon does them: stopped by the first evil byte, shared by all who ask, cancelled without a trace."""

from __future__ import annotations

import gzip
import hashlib
import os
import time
from collections.abc import Iterator
from typing import Any

import pytest
from tests.busybox_images import tiny_image
from tests.daemon_process import Daemon, running_daemon
from tests.fakes import fault_server as faulty
from tests.fakes.fault_server import Answer, FaultServer
from tests.fakes.image_server import ImageServerFake, Stored
from tests.fakes.streams_tree import StreamsTree
from tests.fakes.tls_identity import Identity, make_identity
from tests.hostile.tar_builder import file, image, symlink
from tests.rest import Rest, eventually

MIB = 1024 * 1024
INDEX = "/streams/v1/index.json"


@pytest.fixture(scope="module")
def daemon() -> Iterator[Daemon]:
    with running_daemon() as one:
        yield one


@pytest.fixture
def rest(daemon: Daemon) -> Iterator[Rest]:
    rest = Rest(daemon.folder / "unix.socket")
    yield rest
    for url in rest.get("images").metadata:
        rest.done(rest.delete(url))
    rest.post("images/prune", {"deleted": True})


@pytest.fixture(scope="module")
def identity(tmp_path_factory: pytest.TempPathFactory) -> Identity:
    return make_identity(tmp_path_factory.mktemp("identity"))


@pytest.fixture
def web(identity: Identity) -> Iterator[FaultServer]:
    with FaultServer(identity.server_context()) as server:
        yield server


def copy(rest: Rest, server: str, alias: str, pem: str, protocol: str = "simplestreams", **more: Any) -> Any:
    source = {"type": "image", "mode": "pull", "server": server, "protocol": protocol, "alias": alias}
    return rest.post("images", {"source": {**source, "certificate": pem}, **more})


def is_tidy(daemon: Daemon, rest: Rest) -> bool:
    """Whether the store holds nothing but the files of images."""
    found = [path for path in (daemon.folder / "images").rglob("*") if path.is_file()]
    stored = sum(path.stat().st_size for path in found)
    return all(len(path.name) == 64 for path in found) and stored == rest.get("images/usage").metadata["stored"]


def published(web: FaultServer, *tarballs: bytes, alias: str = "tiny/1") -> list[str]:
    """The paths of these unified images, versions of one product."""
    tree = StreamsTree()
    product = tree.product(alias)
    for number, data in enumerate(tarballs):
        tree.unified(product, f"20260101_{number:04d}", data)
    tree.publish(web)
    return [f"/{path}" for path in tree.files]


def test_an_evil_image_is_not_downloaded_to_its_end(
    rest: Rest, web: FaultServer, identity: Identity, daemon: Daemon
) -> None:
    evil = image(symlink(b"templates", b"/etc")) + os.urandom(48 * MIB)
    (path,) = published(web, evil)
    said = rest.failed(copy(rest, web.url, "tiny/1", identity.pem))
    assert '"templates" is a symbolic link' in said
    eventually(lambda: web.seen[-1].path == path)
    assert web.sent(path) < 24 * MIB, "the transfer went on"
    assert [seen.path for seen in web.seen].count(path) == 1
    assert is_tidy(daemon, rest)


def test_an_image_over_the_limit_is_not_downloaded_to_its_end(
    rest: Rest, web: FaultServer, identity: Identity, daemon: Daemon
) -> None:
    (path,) = published(web, tiny_image(1) + bytes(48 * MIB))
    rest.patch("/1.0", {"config": {"images.size_limit": str(MIB)}})
    try:
        said = rest.failed(copy(rest, web.url, "tiny/1", identity.pem))
    finally:
        rest.patch("/1.0", {"config": {"images.size_limit": ""}})
    assert "images.size_limit" in said
    assert web.sent(path) < 24 * MIB
    assert is_tidy(daemon, rest)


def test_a_mixture_of_two_mirrors_answers_is_fetched_again_from_one(
    rest: Rest, web: FaultServer, identity: Identity
) -> None:
    """What was resumed with other bytes is no image, which is seen before its hash is: that is no verdict yet."""
    data = gzip.compress(image(file(b"rootfs/random", os.urandom(8 * MIB))))
    (path,) = published(web, data)
    web.script(path, faulty.cut(len(data) // 2), faulty.mislabelled_range)
    done = rest.done(copy(rest, web.url, "tiny/1", identity.pem))
    assert done["fingerprint"] == hashlib.sha256(data).hexdigest()


def test_ten_who_ask_at_once_share_one_download(
    rest: Rest, web: FaultServer, identity: Identity, daemon: Daemon
) -> None:
    data = tiny_image(4)
    (path,) = published(web, data)
    web.script(path, faulty.trickle(len(data) // 20, 0.05))
    answers = [copy(rest, web.url, "tiny/1", identity.pem) for _ in range(10)]
    assert {rest.done(answer)["fingerprint"] for answer in answers} == {hashlib.sha256(data).hexdigest()}
    assert [seen.path for seen in web.seen].count(path) == 1
    assert web.sent(path) == len(data)
    assert len(rest.get("images").metadata) == 1
    assert is_tidy(daemon, rest)


def held(web: FaultServer, path: str, data: bytes) -> None:
    """The next answer for ``path`` comes to its middle and waits there."""

    def half(answer: Answer) -> None:
        answer.begin(200, {"Content-Length": str(len(data))})
        answer.send(data[: len(data) // 2])
        answer.wfile.flush()
        answer.server.owner.closing.wait(20)
        answer.hang_up()

    web.script(path, half)


def cancelled(rest: Rest, reply: Any) -> None:
    """Cancel what ``reply`` began; it ends soon."""
    operation = reply.envelope["operation"]
    started = time.monotonic()
    assert rest.delete(operation).status == 200
    assert rest.finished(reply)["status"] == "Cancelled"
    assert time.monotonic() - started < 3


def test_cancelling_the_one_that_downloads_lets_the_others_go_on(
    rest: Rest, web: FaultServer, identity: Identity, daemon: Daemon
) -> None:
    data = tiny_image(5)
    (path,) = published(web, data)
    held(web, path, data)
    first = copy(rest, web.url, "tiny/1", identity.pem)
    eventually(lambda: path in web.paths())
    others = [copy(rest, web.url, "tiny/1", identity.pem) for _ in range(3)]
    cancelled(rest, first)
    assert {rest.done(answer)["fingerprint"] for answer in others} == {hashlib.sha256(data).hexdigest()}
    assert web.paths().count(path) == 2
    assert is_tidy(daemon, rest)


def test_cancelling_one_that_waits_disturbs_nobody(
    rest: Rest, web: FaultServer, identity: Identity, daemon: Daemon
) -> None:
    data = tiny_image(6)
    (path,) = published(web, data)
    web.script(path, faulty.trickle(len(data) // 20 + 1, 0.1))
    first = copy(rest, web.url, "tiny/1", identity.pem)
    eventually(lambda: path in web.paths())
    second = copy(rest, web.url, "tiny/1", identity.pem)
    third = copy(rest, web.url, "tiny/1", identity.pem)
    cancelled(rest, second)
    for answer in (first, third):
        assert rest.done(answer)["fingerprint"] == hashlib.sha256(data).hexdigest()
    assert web.paths().count(path) == 1
    assert is_tidy(daemon, rest)


def test_cancelling_the_only_one_leaves_nothing(
    rest: Rest, web: FaultServer, identity: Identity, daemon: Daemon
) -> None:
    (path,) = published(web, tiny_image(7))
    held(web, path, tiny_image(7))
    answer = copy(rest, web.url, "tiny/1", identity.pem)
    eventually(lambda: path in web.paths())
    cancelled(rest, answer)
    assert rest.get("images").metadata == []
    assert is_tidy(daemon, rest)


def test_an_alias_that_moves_between_two_questions_is_asked_for_again(rest: Rest, identity: Identity) -> None:
    with ImageServerFake(identity.server_context()) as server:
        old = server.add(Stored(tiny_image(8), aliases=["moving"]))

        def moved(answer: Answer) -> None:
            server.images.clear()
            server.add(Stored(tiny_image(9), aliases=["moving"]))
            answer.say(404, b'{"type": "error", "error": "Image not found", "error_code": 404, "metadata": null}')

        server.script(f"/1.0/images/{old}/export", moved)
        done = rest.done(copy(rest, server.url, "moving", identity.pem, "lxd"))
        assert done["fingerprint"] == hashlib.sha256(tiny_image(9)).hexdigest()


def test_an_image_that_is_just_not_there_is_asked_for_once_more_at_most(rest: Rest, identity: Identity) -> None:
    with ImageServerFake(identity.server_context()) as server:
        fingerprint = server.add(Stored(tiny_image(10), aliases=["broken"]))
        path = f"/1.0/images/{fingerprint}/export"
        gone = b'{"type": "error", "error": "Image not found", "error_code": 404, "metadata": null}'
        server.script(path, *[faulty.status(404, gone)] * 9)
        assert rest.failed(copy(rest, server.url, "broken", identity.pem, "lxd")) == "Image not found"
        assert server.paths().count(path) == 1


@pytest.mark.parametrize(("protocol", "asked"), [("lxd", "/1.0/images/aliases/tiny"), ("simplestreams", INDEX)])
def test_cancelling_is_heard_while_the_server_does_not_say_which_image(
    rest: Rest, web: FaultServer, identity: Identity, daemon: Daemon, protocol: str, asked: str
) -> None:
    def no_answer(answer: Answer) -> None:
        answer.server.owner.closing.wait(20)

    web.script(asked, no_answer, no_answer)
    answer = copy(rest, web.url, "tiny", identity.pem, protocol)
    eventually(lambda: asked in web.paths())
    cancelled(rest, answer)
    assert is_tidy(daemon, rest)
