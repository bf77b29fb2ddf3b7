"""Limits that were set on a running container hold on: through its own reboots, and through the daemon's absence."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

import pytest
from tests.busybox_images import images
from tests.daemon_process import Daemon, running_daemon

from azekura.runtime.cgroups import V2, groups_of, read_hierarchies, read_value

pytestmark = pytest.mark.root


@pytest.fixture
def daemon() -> Iterator[Daemon]:
    with running_daemon(driver="overlay") as one:
        one.lxc("image", "import", str(images() / "unified.tar.gz"), "--alias", "busybox")
        one.lxc("launch", "busybox", "c1", "-c", "limits.memory=64MiB")
        yield one


def init_of(daemon: Daemon) -> int:
    return int(daemon.server().get("/1.0/instances/c1/state")["pid"])


def processes_limit(daemon: Daemon) -> str:
    groups = groups_of(init_of(daemon), read_hierarchies())
    return read_value(groups.get("pids") or groups.get(V2), "pids.max")


def memory_limit(daemon: Daemon) -> str:
    groups = groups_of(init_of(daemon), read_hierarchies())
    if "memory" in groups:
        return read_value(groups["memory"], "memory.limit_in_bytes")
    return read_value(groups.get(V2), "memory.max")


def until(holds: Callable[[], bool]) -> bool:
    end = time.monotonic() + 20
    while not holds():
        if time.monotonic() > end:
            return False
        time.sleep(0.05)
    return True


def reboot(daemon: Daemon) -> None:
    before = init_of(daemon)
    daemon.run_lxc("exec", "c1", "--", "reboot", "-f", check=False)
    assert until(lambda: init_of(daemon) not in (0, before))


def test_a_container_cannot_shed_its_limits_by_rebooting(daemon: Daemon) -> None:
    daemon.lxc("config", "set", "c1", "limits.processes=77")
    assert processes_limit(daemon) == "77"
    reboot(daemon)
    assert until(lambda: processes_limit(daemon) == "77")
    assert memory_limit(daemon) == str(64 << 20)


def test_a_limit_that_was_lifted_does_not_come_back_by_a_reboot(daemon: Daemon) -> None:
    daemon.lxc("config", "unset", "c1", "limits.memory")
    reboot(daemon)
    assert until(lambda: memory_limit(daemon) != str(64 << 20))


def test_a_container_cannot_shed_its_limits_while_the_daemon_is_away(daemon: Daemon) -> None:
    daemon.lxc("config", "set", "c1", "limits.processes=78")
    groups = groups_of(init_of(daemon), read_hierarchies())
    daemon.stop()
    ((groups.get("pids") or groups[V2]) / "pids.max").write_text("max")  # as a reboot in between leaves it
    daemon.start()
    assert processes_limit(daemon) == "78"
