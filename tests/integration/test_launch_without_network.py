"""What was launched once is launched again without its server, whatever has become of it: with a warning, and soon."""

from __future__ import annotations

import io
import os
import tarfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.busybox_images import images
from tests.daemon_process import Daemon, running_daemon
from tests.fakes import fault_server as faulty
from tests.fakes.fault_server import Fault, FaultServer
from tests.fakes.image_server import ImageServerFake, Stored
from tests.fakes.streams_tree import StreamsTree
from tests.fakes.tls_identity import Identity, make_identity
from tests.rest import Rest

pytestmark = pytest.mark.root
SOON = 8.0  # seconds for a launch whose server is silent


@pytest.fixture(scope="module")
def daemon() -> Iterator[Daemon]:
    with running_daemon(driver="overlay" if os.geteuid() == 0 else None) as one:
        yield one


@pytest.fixture
def rest(daemon: Daemon) -> Rest:
    return Rest(daemon.folder / "unix.socket")


@pytest.fixture(scope="module")
def identity(tmp_path_factory: pytest.TempPathFactory) -> Identity:
    return make_identity(tmp_path_factory.mktemp("identity"))


def metadata_tar(number: int) -> bytes:
    """Metadata that makes another image of the same root file system."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        text = f"architecture: x86_64\ncreation_date: {1_700_000_000 + number}\nproperties: {{os: busybox}}\n".encode()
        entry = tarfile.TarInfo("metadata.yaml")
        entry.size = len(text)
        tar.addfile(entry, io.BytesIO(text))
    return out.getvalue()


def tree_of(*numbers: int) -> StreamsTree:
    tree = StreamsTree()
    rootfs = (images() / "rootfs.squashfs").read_bytes()
    product = tree.product("busybox/1")
    for number in numbers:
        tree.split(product, f"20260101_{number:04d}", metadata_tar(number), squashfs=rootfs)
    return tree


class Everywhere(dict[str, list[Fault]]):
    """The same fault for every path, for ever."""

    def __init__(self, fault: Fault) -> None:
        super().__init__()
        self.fault = fault

    def get(self, key: str, default: Any = None) -> Any:
        return [self.fault]


def create(rest: Rest, server: str, alias: str, name: str, pem: str, protocol: str = "simplestreams") -> dict[str, Any]:
    """The operation that makes a container, at its end."""
    source = {"type": "image", "mode": "pull", "server": server, "protocol": protocol, "alias": alias}
    return rest.finished(rest.post("instances", {"name": name, "source": {**source, "certificate": pem}}))


def launched(rest: Rest, server: str, name: str, pem: str, protocol: str = "simplestreams") -> dict[str, Any]:
    """Create and start; what the creation's operation says."""
    operation = create(rest, server, "busybox/1", name, pem, protocol)
    assert operation["status"] == "Success", operation
    assert rest.finished(rest.put(f"instances/{name}/state", {"action": "start"}))["status"] == "Success"
    assert rest.get(f"instances/{name}").metadata["status"] == "Running"
    assert rest.finished(rest.put(f"instances/{name}/state", {"action": "stop", "force": True}))["status"] == "Success"
    return operation["metadata"] or {}


def silent(answer: faulty.Answer) -> None:
    """Takes the request, and that is all."""
    answer.server.owner.closing.wait(60)
    answer.hang_up()


def stuck(answer: faulty.Answer) -> None:
    """Begins to answer."""
    answer.begin(200, {"Content-Length": "5000"})
    answer.send(b'{"format": "index:1.0"')
    silent(answer)


FAULTS: dict[str, Fault] = {
    "500": faulty.status(500),
    "404": faulty.status(404, b"<html>not here</html>"),
    "portal": faulty.instead(b"<html><body>Please log in to the hotel's network</body></html>"),
    "portal-redirect": faulty.redirect("http://127.0.0.1:9/login"),
    "stall": silent,
    "stall-in-the-middle": stuck,
    "hang-up": faulty.silence,
    "not-http": faulty.raw(b"SSH-2.0-OpenSSH_9.2\r\n"),
}


@pytest.mark.parametrize("kind", FAULTS)
def test_a_server_that_fails_is_warned_about_and_done_without(rest: Rest, identity: Identity, kind: str) -> None:
    number = 10 + list(FAULTS).index(kind)
    with FaultServer(identity.server_context()) as web:
        tree_of(number).publish(web)
        assert "warning" not in launched(rest, web.url, f"a{number}", identity.pem)
        asked = len(web.seen)
        web.faults = Everywhere(FAULTS[kind])
        started = time.monotonic()
        said = launched(rest, web.url, f"b{number}", identity.pem)
        assert time.monotonic() - started < SOON
        assert len(web.seen) > asked, "it was not asked"
        assert web.url in said["warning"]
        assert said["warning"].count("\n") == 0


def test_a_server_that_is_gone_is_done_without(rest: Rest, identity: Identity) -> None:
    with FaultServer(identity.server_context()) as web:
        tree_of(30).publish(web)
        launched(rest, web.url, "a30", identity.pem)
    started = time.monotonic()
    said = launched(rest, web.url, "b30", identity.pem)
    assert time.monotonic() - started < SOON
    assert "connection refused" in said["warning"]


def test_another_certificate_is_warned_about_and_gets_no_request(
    rest: Rest, identity: Identity, tmp_path: Path
) -> None:
    with FaultServer(identity.server_context()) as web:
        tree_of(31).publish(web)
        launched(rest, web.url, "a31", identity.pem)
        asked = len(web.seen)
        web.context = make_identity(tmp_path).server_context()
        said = launched(rest, web.url, "b31", identity.pem)
        assert "another certificate than the one pinned" in said["warning"]
        assert len(web.seen) == asked


def test_a_lost_index_is_done_without(rest: Rest, daemon: Daemon, identity: Identity) -> None:
    """The cache folder may be emptied at any time: the image is known by where it came from."""
    with FaultServer(identity.server_context()) as web:
        tree_of(32).publish(web)
        launched(rest, web.url, "a32", identity.pem)
    for path in (daemon.folder / "cache").rglob("*"):
        if path.is_file():
            path.unlink()
    assert "using the cached one" in launched(rest, web.url, "b32", identity.pem)["warning"]


def test_a_newer_image_is_left_to_auto_update(rest: Rest, identity: Identity) -> None:
    with FaultServer(identity.server_context()) as web:
        tree_of(35).publish(web)
        launched(rest, web.url, "a35", identity.pem)
        tree_of(35, 36).publish(web)
        launched(rest, web.url, "b35", identity.pem)
        used = {rest.get(f"instances/{name}").metadata["config"]["volatile.base_image"] for name in ("a35", "b35")}
        assert len(used) == 1


@pytest.fixture
def without_auto_update(rest: Rest) -> Iterator[None]:
    """Then it is for the launch to take in what is newer."""
    assert rest.patch("/1.0", {"config": {"images.auto_update_interval": "0"}}).status == 200
    yield
    assert rest.patch("/1.0", {"config": {"images.auto_update_interval": ""}}).status == 200


@pytest.mark.usefixtures("without_auto_update")
def test_a_newer_image_that_does_not_come_is_done_without(rest: Rest, identity: Identity) -> None:
    with FaultServer(identity.server_context()) as web:
        tree_of(33).publish(web)
        launched(rest, web.url, "a33", identity.pem)
        newer = tree_of(33, 34)
        newer.publish(web)
        for path in newer.files:
            if "0034" in path:
                web.faults[f"/{path}"] = [faulty.status(500)] * 50
        assert "using the cached one" in launched(rest, web.url, "b33", identity.pem)["warning"]
        web.faults.clear()
        assert "warning" not in launched(rest, web.url, "c33", identity.pem)
        images_now = {
            rest.get(f"instances/{name}").metadata["config"]["volatile.base_image"] for name in ("b33", "c33")
        }
        assert len(images_now) == 2


@pytest.mark.parametrize("fault", ["gone", "500"])
def test_an_lxd_server_is_done_without_too(rest: Rest, identity: Identity, fault: str) -> None:
    number = 40 if fault == "gone" else 41
    rootfs = (images() / "rootfs.squashfs").read_bytes()
    with ImageServerFake(identity.server_context()) as server:
        server.add(Stored(metadata_tar(number), rootfs, aliases=["busybox/1"]))
        launched(rest, server.url, f"a{number}", identity.pem, "lxd")
        if fault == "500":
            server.faults = Everywhere(faulty.status(500))
            said = launched(rest, server.url, f"b{number}", identity.pem, "lxd")
    if fault == "gone":
        said = launched(rest, server.url, f"b{number}", identity.pem, "lxd")
    assert "using the cached one" in said["warning"]


def test_a_fingerprints_beginning_is_launched_without_its_server(rest: Rest, identity: Identity) -> None:
    with FaultServer(identity.server_context()) as web:
        tree_of(50).publish(web)
        launched(rest, web.url, "a50", identity.pem)
    fingerprint = rest.get("instances/a50").metadata["config"]["volatile.base_image"]
    for reference in (fingerprint, fingerprint[:12]):
        operation = create(rest, web.url, reference, f"b50-{len(reference)}", identity.pem)
        assert operation["status"] == "Success", operation


def _gone(web: FaultServer) -> None:
    web.__exit__()


def _broken(web: FaultServer) -> None:
    web.faults = Everywhere(faulty.status(500))


@pytest.mark.parametrize("end", [_gone, _broken])
def test_an_alias_never_seen_fails_in_one_clear_sentence(
    rest: Rest, identity: Identity, end: Callable[[FaultServer], None]
) -> None:
    web = FaultServer(identity.server_context())
    web.__enter__()
    try:
        end(web)
        started = time.monotonic()
        operation = create(rest, web.url, "debian/12", f"never-{web.port}", identity.pem)
        assert time.monotonic() - started < 20
    finally:
        if end is not _gone:
            web.__exit__()
    assert operation["status"] == "Failure"
    assert web.url in operation["err"]
    assert operation["err"].count("\n") == 0
    assert len(operation["err"]) < 200
    assert rest.get(f"instances/never-{web.port}").status == 404
