"""Containers with ids of their own, and with ids of the host."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.busybox_images import images
from tests.daemon_process import Daemon
from tests.rest import Rest

pytestmark = pytest.mark.root
BASE = 1_000_000


@pytest.fixture(scope="module")
def api(host: Daemon) -> Rest:
    rest = Rest(host.folder / "unix.socket", timeout=120)
    rest.add_image((images() / "unified.tar.gz").read_bytes(), X_LXD_aliases="alias=busybox")
    return rest


@pytest.fixture
def made(api: Rest) -> Iterator[list[str]]:
    names: list[str] = []
    yield names
    for name in names:
        if api.get(f"instances/{name}/state").metadata["status"] == "Running":
            act(api, name, "stop")
        api.done(api.delete(f"instances/{name}"))


def launch(api: Rest, made: list[str], name: str, config: dict[str, str], **more: Any) -> None:
    api.done(
        api.post("instances", {"name": name, "source": {"type": "image", "alias": "busybox"}, "config": config, **more})
    )
    made.append(name)
    act(api, name, "start")


def act(api: Rest, name: str, action: str) -> None:
    api.done(api.put(f"instances/{name}/state", {"action": action, "timeout": 30, "force": True}))


def run(api: Rest, name: str, *command: str) -> str:
    result: dict[str, Any] = api.done(api.post(f"instances/{name}/exec", {"command": command, "record-output": True}))
    return api.get(result["output"]["1"]).body.decode()


def ids(api: Rest, name: str) -> list[list[int]]:
    return [[int(word) for word in line.split()] for line in run(api, name, "cat", "/proc/self/uid_map").splitlines()]


def test_isolated_containers_have_ids_that_no_other_has(api: Rest, made: list[str]) -> None:
    launch(api, made, "apart1", {"security.idmap.isolated": "true"})
    launch(api, made, "apart2", {"security.idmap.isolated": "true", "security.idmap.size": "100000"})
    assert ids(api, "apart1") == [[0, BASE + 65536, 65536]]
    assert ids(api, "apart2") == [[0, BASE + 131072, 100000]]
    api.patch(
        "instances/apart1", {"config": {"security.idmap.base": str(BASE + 12345), "security.idmap.size": "70000"}}
    )
    assert api.get("instances/apart1/files?path=/etc/hostname").headers["X-LXD-uid"] == "0"  # it runs with the old one
    act(api, "apart1", "restart")
    assert ids(api, "apart1") == [[0, BASE + 12345, 70000]]
    api.patch("instances/apart1", {"config": {"security.idmap.isolated": "false"}})
    act(api, "apart1", "restart")
    assert ids(api, "apart1")[0][:2] == [0, BASE]


def test_ids_of_the_host_are_the_same_inside(api: Rest, made: list[str], tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    shared = tmp_path / "shared"
    shared.mkdir(mode=0o700)
    os.chown(shared, 4711, 4711)
    home = {"type": "disk", "source": str(shared), "path": "/home/me"}
    launch(api, made, "mapped", {"raw.idmap": "both 4711 1000"}, devices={"home": home})
    assert [1000, 4711, 1] in ids(api, "mapped")
    assert run(api, "mapped", "stat", "-c", "%u %g", "/home/me") == "1000 1000\n"
    headers = {"X-LXD-type": "file", "X-LXD-uid": "1000", "X-LXD-gid": "1000"}
    assert api.send("POST", "instances/mapped/files?path=/tmp/mine", raw=b"x", headers=headers).status == 200
    assert run(api, "mapped", "stat", "-c", "%u %g", "/tmp/mine") == "1000 1000\n"
    assert api.get("instances/mapped/files?path=/tmp/mine").headers["X-LXD-uid"] == "1000"
    act(api, "mapped", "stop")
    api.patch("instances/mapped", {"config": {"raw.idmap": ""}})
    act(api, "mapped", "start")  # the file is still the container's user's
    assert run(api, "mapped", "stat", "-c", "%u %g", "/tmp/mine") == "1000 1000\n"
