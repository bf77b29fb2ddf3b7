from __future__ import annotations

import pytest

from azekura.errors import Forbidden, InvalidRequest
from azekura.runtime.port import Limits
from azekura.services.instances.cloud_init import runs_again
from azekura.services.instances.config_keys import check_config, runtime_limits
from azekura.services.instances.instance_types import type_limits
from azekura.services.instances.restrictions import check_restricted


def test_a_percentage_of_processor_time_is_a_share_and_a_time_a_ceiling() -> None:
    assert runtime_limits({"limits.cpu.allowance": "50%"}) == Limits(cpu_shares=512)
    assert runtime_limits({"limits.cpu.allowance": "25ms/100ms"}) == Limits(cpu_quota=(25_000, 100_000))


def test_priority_decides_among_equal_shares() -> None:
    assert runtime_limits({"limits.cpu.priority": "0"}) == Limits(cpu_shares=1014)
    assert runtime_limits({"limits.cpu.priority": "10", "limits.cpu.allowance": "50%"}) == Limits(cpu_shares=512)


def test_memory_may_be_limited_softly_and_kept_from_swap() -> None:
    soft = {"limits.memory": "64MiB", "limits.memory.enforce": "soft", "limits.memory.swap": "false"}
    assert runtime_limits(soft) == Limits(memory_bytes=64 << 20, memory_soft=True, swap=False)
    assert runtime_limits({"limits.memory.swap.priority": "10"}) == Limits(swappiness=60)


@pytest.mark.parametrize(
    "config",
    [
        {"limits.kernel.nofile": "3000"},
        {"limits.kernel.nofile": "1024:4096"},
        {"limits.kernel.memlock": "unlimited"},
        {"linux.sysctl.net.ipv4.ip_forward": "1"},
        {"security.syscalls.deny_default": "false"},
        {"security.protection.shift": "true"},
    ],
)
def test_kernel_settings_of_lxd_are_taken(config: dict[str, str]) -> None:
    check_config(config)


@pytest.mark.parametrize(
    "config",
    [
        {"limits.kernel.files": "1"},
        {"limits.kernel.": "1"},
        {"limits.kernel.nofile": "many"},
        {"limits.kernel.nofile": "1\nlxc.hook.start = /bin/sh"},
        {"linux.sysctl.a b": "1"},
        {"linux.sysctl.net.ipv4.ip_forward": "1\n2"},
        {"limits.cpu.priority": "11"},
        {"limits.memory.enforce": "maybe"},
    ],
)
def test_kernel_settings_that_cannot_be_are_refused(config: dict[str, str]) -> None:
    with pytest.raises(InvalidRequest):
        check_config(config)


@pytest.mark.parametrize("config", [{"linux.sysctl.net.x": "1"}, {"security.syscalls.deny_default": "false"}])
def test_a_restricted_client_may_not_loosen_the_kernels_rules(config: dict[str, str]) -> None:
    with pytest.raises(Forbidden):
        check_restricted(config, {})
    check_restricted(config, {}, before=config)


@pytest.mark.parametrize(
    ("word", "limits"),
    [
        ("c0.5-m0.2", {"limits.cpu": "1", "limits.cpu.allowance": "50%", "limits.memory": "204MB"}),
        ("c2-m4", {"limits.cpu": "2", "limits.memory": "4096MB"}),
        ("c2.5", {"limits.cpu": "3", "limits.cpu.allowance": "83%"}),
        ("m1", {"limits.memory": "1024MB"}),
        ("", {}),
    ],
)
def test_a_type_stands_for_limits(word: str, limits: dict[str, str]) -> None:
    assert type_limits(word) == limits


@pytest.mark.parametrize("word", ["t2.micro", "c", "c2-", "cx", "m1e9", "c" + "9" * 400])
def test_an_unknown_type_is_refused(word: str) -> None:
    with pytest.raises(InvalidRequest, match="Provided instance type doesn't exist"):
        type_limits(word)


def test_cloud_init_runs_again_for_what_it_reads_and_for_other_names_of_cards() -> None:
    card = {"eth0": {"type": "nic", "name": "eth0"}}
    assert runs_again({"cloud-init.user-data": "a"}, card, {}, card)
    assert runs_again({}, {"eth0": {"type": "nic", "name": "lan"}}, {}, card)
    assert not runs_again({"user.other": "a"}, {"eth0": {**card["eth0"], "user.x": "y"}}, {}, card)


@pytest.mark.parametrize("kind", ["unix-char", "unix-block", "nic"])
def test_a_restricted_client_may_not_have_the_hosts_devices(kind: str) -> None:
    with pytest.raises(Forbidden):
        check_restricted({}, {"d": {"type": kind, "path": "/dev/sda"}})
