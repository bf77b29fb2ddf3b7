"""The Python library of LXD's own project, over the unix socket and over TLS; Debian's LXD shows what is right."""

from __future__ import annotations

import gc
import hashlib
import shutil
import subprocess
import tempfile
import threading
import time
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pylxd
import pytest
from pylxd.client import EventType
from pylxd.exceptions import LXDAPIException, NotFound
from tests.busybox_images import images
from tests.daemon_process import Daemon
from tests.fakes.real_lxd import RealLxd
from tests.interop.seats import GO_LXC, OUR_LXC, join_token, seat_at, url_of

pytestmark = [
    pytest.mark.interop,
    pytest.mark.root,
    # its websockets and sessions are closed by the garbage collector
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    # ws4py, below it, closes its epoll object while a thread of its own still waits on it
    pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning"),
]


@pytest.fixture(scope="module", params=["our lxd, unix socket", "our lxd, TLS", "real lxd, unix socket"])
def client(request: pytest.FixtureRequest) -> Iterator[Any]:
    daemon: Daemon | RealLxd = request.getfixturevalue("real" if request.param.startswith("real") else "ours")
    seat = seat_at(daemon, GO_LXC if isinstance(daemon, RealLxd) else OUR_LXC, "pylxd")
    seat.empty()
    folder = Path(tempfile.mkdtemp(prefix="azk-pylxd."))
    patch = pytest.MonkeyPatch()
    if request.param.endswith("TLS"):
        subprocess.run(
            f"openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-384 -nodes -keyout {folder}/key "
            f"-out {folder}/crt -days 2 -subj /CN=pylxd".split(),
            check=True,
            capture_output=True,
        )
        certificate = (str(folder / "crt"), str(folder / "key"))
        for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):  # requests prefers them to what it is told
            patch.delenv(name, raising=False)
        made = pylxd.Client(url_of(seat), cert=certificate, verify=str(seat.state / "server.crt"))
        assert not made.trusted
        with pytest.raises(LXDAPIException, match="not authorized"):
            made.authenticate("wrong")
        made.authenticate(join_token(seat, "pylxd"))
    else:
        made = pylxd.Client(f"{seat.state}/unix.socket")
    assert made.trusted
    yield made
    patch.undo()
    made.api.session.close()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        del made
        gc.collect()
    seat.empty()
    shutil.rmtree(folder)


@pytest.fixture
def image(client: Any) -> Iterator[Any]:
    """The busybox system, imported."""
    meta, rootfs = images() / "meta.tar.gz", images() / "rootfs.squashfs"
    made = client.images.create(rootfs.read_bytes(), meta.read_bytes(), public=False, wait=True)
    yield made
    if client.images.exists(made.fingerprint):
        client.images.get(made.fingerprint).delete(wait=True)


def test_images_are_made_found_changed_exported_and_deleted(client: Any) -> None:
    data = (images() / "unified.tar.gz").read_bytes()
    made = client.images.create(data, public=True, wait=True)
    assert made.fingerprint == hashlib.sha256(data).hexdigest()
    assert made.public is True
    made.add_alias("one/two", "described")
    found = client.images.get_by_alias("one/two")
    assert found.fingerprint == made.fingerprint
    assert [(alias["name"], alias["description"]) for alias in found.aliases] == [("one/two", "described")]
    assert [one.fingerprint for one in client.images.all()] == [made.fingerprint]
    assert client.images.exists("one/two", alias=True)
    with made.export() as exported:
        assert exported.read() == data
    found.properties["os"] = "other"
    found.auto_update = True
    found.save(wait=True)
    again = client.images.get(made.fingerprint[:20])
    assert (again.properties["os"], again.auto_update, again.architecture) == ("other", True, "x86_64")
    again.delete_alias("one/two")
    with pytest.raises(NotFound):
        client.images.get_by_alias("one/two")
    again.delete(wait=True)
    assert not client.images.exists(made.fingerprint)
    with pytest.raises(NotFound):
        client.images.get(made.fingerprint)


def test_the_same_image_twice_is_an_error(client: Any, image: Any) -> None:
    with pytest.raises(LXDAPIException, match="Image with same fingerprint already exists"):
        client.images.create(
            (images() / "rootfs.squashfs").read_bytes(), (images() / "meta.tar.gz").read_bytes(), wait=True
        )


def test_container_lives_through_its_whole_life(client: Any, image: Any) -> None:
    image.add_alias("sys", "")
    made = client.instances.create(
        {"name": "p1", "source": {"type": "image", "alias": "sys"}, "config": {"user.a": "1"}}, wait=True
    )
    try:
        assert (made.name, made.status, made.type, made.profiles) == ("p1", "Stopped", "container", ["default"])
        assert made.config["user.a"] == "1"
        assert client.instances.exists("p1")
        assert [one.name for one in client.instances.all()] == ["p1"]
        made.start(wait=True)
        state = made.state()
        assert (state.status, state.status_code) == ("Running", 103)
        assert state.processes >= 1
        assert state.network["lo"]["type"] == "loopback"
        done = made.execute(["sh", "-c", "echo out; echo err >&2; cat; exit 3"], stdin_payload="in\n")
        assert (done.exit_code, done.stdout, done.stderr) == (3, "out\nin\n", "err\n")
        done = made.execute(["sh", "-c", "echo $A; pwd; id -u"], environment={"A": "b"}, user=1000, cwd="/tmp")
        assert done.stdout == "b\n/tmp\n1000\n"
        with pytest.raises(LXDAPIException, match="Command not found"):
            made.execute(["no-such-command"])
        made.files.put("/tmp/file", b"\x00\xff content", mode=0o600, uid=5, gid=6)
        assert made.files.get("/tmp/file") == b"\x00\xff content"
        assert made.execute(["stat", "-c", "%a %u %g", "/tmp/file"]).stdout == "600 5 6\n"
        made.files.mk_dir("/tmp/folder", mode=0o700)
        made.files.delete("/tmp/file")
        with pytest.raises(NotFound):
            made.files.get("/tmp/file")
        made.freeze(wait=True)
        made.sync()
        assert made.status == "Frozen"
        made.unfreeze(wait=True)
        made.restart(wait=True)
        made.stop(wait=True)
        made.sync()
        assert made.status == "Stopped"
        made = client.instances.get("p1")
        made.config["user.a"] = "2"
        made.save(wait=True)
        assert client.instances.get("p1").config["user.a"] == "2"
        snapshot = made.snapshots.create("one", wait=True)
        assert [one.name for one in made.snapshots.all()] == ["one"]
        snapshot.delete(wait=True)
        published = made.publish(public=True, wait=True)
        assert client.images.get(published.fingerprint).public is True
        published.delete(wait=True)
        made.rename("p2", wait=True)
        assert client.instances.get("p2").status == "Stopped"
    finally:
        for one in client.instances.all():
            one.sync()
            if one.status != "Stopped":
                one.stop(wait=True)
            one.delete(wait=True)


def test_profiles_are_made_and_changed(client: Any) -> None:
    made = client.profiles.create("pp", config={"user.a": "1"}, devices={})
    made.config["user.a"] = "2"
    made.save()
    assert client.profiles.get("pp").config == {"user.a": "2"}
    made.rename("qq")
    assert client.profiles.exists("qq")
    client.profiles.get("qq").delete()
    assert not client.profiles.exists("qq")


def test_events_tell_of_operations_as_they_happen(client: Any, image: Any) -> None:
    listener = client.events(event_types={EventType.Operation, EventType.Lifecycle})
    listener.connect()
    reader = threading.Thread(target=listener.run, daemon=True)
    reader.start()
    made = client.instances.create(
        {"name": "ev", "source": {"type": "image", "fingerprint": image.fingerprint}}, wait=True
    )
    made.delete(wait=True)
    end = time.monotonic() + 10
    wanted = {("operation", "Creating instance", "Success"), ("operation", "Deleting instance", "Success")}
    created = {"instance-created", "instance-deleted"}
    while time.monotonic() < end:
        seen = {
            (one["type"], one["metadata"].get("description"), one["metadata"].get("status"))
            for one in list(listener.messages)
        }
        actions = {one["metadata"].get("action") for one in list(listener.messages)}
        if wanted <= seen and created <= actions:
            break
        time.sleep(0.05)
    listener.close()
    reader.join(5)
    assert wanted <= seen
    assert created <= actions


def test_operations_can_be_waited_for(client: Any, image: Any) -> None:
    response = client.api.instances.post(
        json={"name": "op", "source": {"type": "image", "fingerprint": image.fingerprint}}
    )
    operation = client.operations.get(response.json()["operation"])
    operation.wait()
    assert operation.description == "Creating instance"
    client.instances.get("op").delete(wait=True)
    with pytest.raises(NotFound):
        client.operations.get("/1.0/operations/00000000-0000-0000-0000-000000000000")
