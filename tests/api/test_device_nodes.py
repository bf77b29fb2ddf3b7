"""``unix-char`` and ``unix-block`` devices of containers."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.busybox_images import images
from tests.daemon_process import Daemon
from tests.rest import Rest

pytestmark = pytest.mark.root


@pytest.fixture(scope="module")
def api(host: Daemon) -> Rest:
    rest = Rest(host.folder / "unix.socket", timeout=120)
    rest.add_image((images() / "unified.tar.gz").read_bytes(), X_LXD_aliases="alias=busybox")
    return rest


@pytest.fixture
def container(api: Rest) -> Iterator[str]:
    api.done(api.post("instances", {"name": "noded", "source": {"type": "image", "alias": "busybox"}}))
    yield "noded"
    if api.get("instances/noded/state").metadata["status"] == "Running":
        act(api, "stop")
    api.done(api.delete("instances/noded"))


def act(api: Rest, action: str) -> None:
    api.done(api.put("instances/noded/state", {"action": action, "timeout": 30, "force": True}))


def run(api: Rest, *command: str) -> tuple[int, str]:
    result: dict[str, Any] = api.done(api.post("instances/noded/exec", {"command": command, "record-output": True}))
    return result["return"], api.get(result["output"]["1"]).body.decode()


ZERO = {"type": "unix-char", "source": "/dev/zero", "path": "/dev/my-zero", "mode": "0600", "uid": "5"}


def test_a_node_is_there_after_a_start_and_can_be_used(container: str, api: Rest, host: Daemon) -> None:
    assert api.patch(f"instances/{container}", {"devices": {"z": ZERO}}).status == 200
    act(api, "start")
    assert run(api, "stat", "-c", "%F %a %u %t %T", "/dev/my-zero") == (0, "character special file 600 5 1 5\n")
    assert run(api, "head", "-c", "3", "/dev/my-zero") == (0, "\0\0\0")
    node = host.folder / "devices/noded/unix.z.dev-my--zero"
    assert node.is_char_device()
    act(api, "stop")
    assert not node.exists()


def test_a_node_comes_to_and_leaves_a_running_container(container: str, api: Rest, host: Daemon) -> None:
    act(api, "start")
    loops = {"type": "unix-char", "path": "/dev/mine", "major": "10", "minor": "237"}
    assert api.patch(f"instances/{container}", {"devices": {"k": loops}}).status == 200
    assert run(api, "stat", "-c", "%a %t %T", "/dev/mine") == (0, "660 a ed\n")
    assert run(api, "sh", "-c", ": < /dev/mine")[0] == 0
    record = api.get(f"instances/{container}").metadata
    record["devices"] = {}
    api.done(api.put(f"instances/{container}", record))
    assert run(api, "test", "-c", "/dev/mine")[0] == 1
    assert list((host.folder / "devices/noded").iterdir()) == []


def test_a_block_device_as_a_disk_is_refused_with_what_to_do(container: str, api: Rest, tmp_path: Path) -> None:
    node = tmp_path / "disk"
    os.mknod(node, 0o600 | stat.S_IFBLK, os.makedev(7, 250))
    disk = {"type": "disk", "source": str(node), "path": "/mnt"}
    act(api, "start")
    refused = api.patch(f"instances/{container}", {"devices": {"d": disk}})
    assert "Block devices aren't mounted here" in refused.error
    assert f"mount {node} on a folder" in refused.error
    assert api.get(f"instances/{container}").metadata["devices"] == {}


def test_a_device_that_is_not_there_is_refused_unless_it_needs_not_be(container: str, api: Rest) -> None:
    act(api, "start")
    absent = {"type": "unix-char", "source": "/dev/no-such-device"}
    refused = api.patch(f"instances/{container}", {"devices": {"a": absent}})
    assert "doesn't exist" in refused.error
    assert api.get(f"instances/{container}").metadata["devices"] == {}
    assert api.patch(f"instances/{container}", {"devices": {"a": {**absent, "required": "false"}}}).status == 200
    wrong = {"type": "unix-block", "source": "/dev/zero"}
    assert "not a unix-block device" in api.patch(f"instances/{container}", {"devices": {"a": wrong}}).error


@pytest.mark.parametrize(
    "device",
    [{}, {"source": "dev/zero"}, {"path": "/dev/x", "major": "1"}, {"path": "/x", "mode": "9"}, {"path": "/../x"}],
)
def test_a_device_that_cannot_be_is_refused(container: str, api: Rest, device: dict[str, str]) -> None:
    assert api.patch(f"instances/{container}", {"devices": {"a": {"type": "unix-char", **device}}}).status == 400
