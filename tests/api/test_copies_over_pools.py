"""Instances that are copied, refreshed and moved from one storage pool to another."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from tests.busybox_images import images
from tests.daemon_process import Daemon
from tests.rest import Rest

pytestmark = pytest.mark.root


@pytest.fixture
def api(host: Daemon) -> Rest:
    rest = Rest(host.folder / "unix.socket", timeout=120)
    if rest.get("images/aliases/busybox").status == 404:
        rest.add_image((images() / "unified.tar.gz").read_bytes(), X_LXD_aliases="alias=busybox")
    return rest


@pytest.fixture
def pools(api: Rest) -> Iterator[tuple[str, str]]:
    """The default pool, and another one."""
    assert api.post("storage-pools", {"name": "second", "driver": "dir", "config": {}}).status == 201
    yield "default", "second"
    assert api.delete("storage-pools/second").status == 200


@pytest.fixture
def source(api: Rest) -> Iterator[str]:
    """A stopped container with a file, a snapshot, and another file since."""
    api.done(api.post("instances", {"name": "origin", "source": {"type": "image", "alias": "busybox"}}))
    write(api, "origin", "/root/first", b"1")
    api.done(api.post("instances/origin/snapshots", {"name": "snap0"}))
    write(api, "origin", "/root/second", b"2")
    yield "origin"
    api.done(api.delete("instances/origin"))


def write(api: Rest, name: str, path: str, content: bytes) -> None:
    headers = {"X-LXD-type": "file", "X-LXD-uid": "5"}
    assert api.send("POST", f"instances/{name}/files?path={path}", raw=content, headers=headers).status == 200


def content(api: Rest, name: str, path: str) -> bytes | None:
    reply = api.get(f"instances/{name}/files?path={path}")
    return reply.body if reply.status == 200 else None


def copy(api: Rest, name: str, pool: str, **more: Any) -> None:
    root = {"type": "disk", "path": "/", "pool": pool}
    source = {"type": "copy", "source": "origin", **more}
    api.done(api.post("instances", {"name": name, "source": source, "devices": {"root": root}}))


def pool_of(api: Rest, name: str) -> str:
    return str(api.get(f"instances/{name}").metadata["expanded_devices"]["root"]["pool"])


def act(api: Rest, name: str, action: str) -> None:
    api.done(api.put(f"instances/{name}/state", {"action": action, "timeout": 30, "force": True}))


def test_a_copy_lands_on_the_pool_it_was_asked_for(api: Rest, pools: tuple[str, str], source: str) -> None:
    copy(api, "twin", pools[1])
    assert pool_of(api, "twin") == "second"
    assert any(path.endswith("/instances/twin") for path in api.get("storage-pools/second").metadata["used_by"])
    assert (content(api, "twin", "/root/first"), content(api, "twin", "/root/second")) == (b"1", b"2")
    assert api.get("instances/twin/files?path=/root/first").headers["X-LXD-uid"] == "5"
    act(api, "twin", "start")
    act(api, "twin", "stop")
    api.done(api.put("instances/twin", {"restore": "snap0"}))
    assert (content(api, "twin", "/root/first"), content(api, "twin", "/root/second")) == (b"1", None)
    assert pool_of(api, "twin") == "second"
    api.done(api.delete("instances/twin"))


@pytest.mark.parametrize("where", [0, 1])
def test_a_refresh_brings_content_and_snapshots_up_to_date(
    api: Rest, pools: tuple[str, str], source: str, where: int
) -> None:
    copy(api, "twin", pools[where], instance_only=True)
    api.done(api.post("instances/twin/snapshots", {"name": "own"}))
    write(api, "twin", "/root/stray", b"x")
    write(api, source, "/root/first", b"changed")
    copy(api, "twin", pools[where], refresh=True)
    assert content(api, "twin", "/root/first") == b"changed"
    assert content(api, "twin", "/root/stray") is None
    names = [one["name"] for one in api.get("instances/twin/snapshots?recursion=1").metadata]
    assert names == ["snap0"]
    assert pool_of(api, "twin") == pools[where]
    act(api, "twin", "start")
    order = {"name": "twin", "source": {"type": "copy", "source": source, "refresh": True}}
    assert "Cannot refresh a running instance" in api.failed(api.post("instances", order))
    act(api, "twin", "stop")
    api.done(api.delete("instances/twin"))


def test_a_refresh_of_nothing_is_a_copy(api: Rest, pools: tuple[str, str], source: str) -> None:
    copy(api, "twin", pools[0], refresh=True)
    assert content(api, "twin", "/root/second") == b"2"
    api.done(api.delete("instances/twin"))


def test_an_instance_moves_to_another_pool_and_back(api: Rest, pools: tuple[str, str]) -> None:
    api.done(api.post("instances", {"name": "mover", "source": {"type": "image", "alias": "busybox"}}))
    write(api, "mover", "/root/first", b"1")
    api.done(api.post("instances/mover/snapshots", {"name": "snap0"}))
    write(api, "mover", "/root/first", b"2")
    api.done(api.post("instances/mover", {"name": "moved", "migration": True, "pool": "second"}))
    assert pool_of(api, "moved") == "second"
    assert content(api, "moved", "/root/first") == b"2"
    act(api, "moved", "start")
    order = {"name": "moved", "migration": True, "pool": "default"}
    assert "must be stopped" in api.failed(api.post("instances/moved", order))
    act(api, "moved", "stop")
    assert "same as current pool" in api.failed(api.post("instances/moved", {**order, "pool": "second"}))
    assert "not found" in api.failed(api.post("instances/moved", {**order, "pool": "third"}))
    api.done(api.post("instances/moved", order))
    api.done(api.put("instances/moved", {"restore": "snap0"}))
    assert (pool_of(api, "moved"), content(api, "moved", "/root/first")) == ("default", b"1")
    api.done(api.delete("instances/moved"))
