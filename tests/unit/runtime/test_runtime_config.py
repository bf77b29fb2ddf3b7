from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest

from azekura.errors import InvalidRequest, RuntimeFailed
from azekura.runtime.cgroups import Hierarchies, Mount
from azekura.runtime.config import render
from azekura.runtime.host import Host
from azekura.runtime.port import BindMount, ContainerSpec, Limits, Nic

V1 = {name: Mount(Path(f"/sys/fs/cgroup/{name}"), "/") for name in ("memory", "cpu", "cpuset", "pids", "devices")}
V2 = Mount(Path("/sys/fs/cgroup"), "/")
HYBRID = Hierarchies(V1, Mount(Path("/sys/fs/cgroup/unified"), "/"))
UNIFIED = Hierarchies({}, V2, frozenset({"memory", "cpu", "cpuset", "pids"}))
BARE = Hierarchies({}, V2)


def host(hierarchies: Hierarchies = UNIFIED, **changes: object) -> Host:
    made = Host(
        lxc_start=Path("/usr/bin/lxc-start"),
        apparmor_parser=None,
        security_module="",
        lxcfs=(),
        hierarchies=hierarchies,
        machine="x86_64",
        is_root=True,
    )
    return replace(made, **changes)  # type: ignore[arg-type]


def spec(**changes: object) -> ContainerSpec:
    made = ContainerSpec(
        name="c1",
        rootfs=Path("/pool/c1/rootfs"),
        console_log=Path("/log/c1/console.log"),
        log=Path("/log/c1/lxc.log"),
        idmap_base=100000,
    )
    return replace(made, **changes)  # type: ignore[arg-type]


def lines(given: ContainerSpec, on: Host | None = None) -> list[str]:
    return render(given, on or host(), seccomp_policy=Path("/run/.seccomp")).splitlines()


def values(given: ContainerSpec, key: str, on: Host | None = None) -> list[str]:
    return [line.split(" = ", 1)[1] for line in lines(given, on) if line.startswith(f"{key} = ")]


def test_plain_container_has_the_minimum_that_boots_systemd() -> None:
    made = lines(spec())
    for line in (
        "lxc.uts.name = c1",
        "lxc.rootfs.path = dir:/pool/c1/rootfs",
        "lxc.idmap = u 0 100000 65536",
        "lxc.idmap = g 0 100000 65536",
        "lxc.mount.auto = proc:rw sys:mixed cgroup:rw:force",
        "lxc.mount.entry = /sys/kernel/debug sys/kernel/debug none rbind,create=dir,optional 0 0",
        "lxc.pty.max = 1024",
        "lxc.net.0.type = empty",
        "lxc.seccomp.profile = /run/.seccomp",
        "lxc.apparmor.profile = unconfined",
    ):
        assert line in made
    assert not any(line.startswith(("lxc.include", "lxc.hook", "lxc.rootfs.options")) for line in made)
    assert len({line for line in made if line.startswith("lxc.idmap")}) == 2


def test_idmap_of_the_rootfs_is_liblxcs_only_where_asked() -> None:
    assert values(spec(liblxc_idmaps_rootfs=True), "lxc.rootfs.options") == ["idmap=container"]
    assert values(spec(liblxc_idmaps_rootfs=True, idmap_base=None), "lxc.rootfs.options") == []


def test_privileged_container_sees_less_of_the_kernel() -> None:
    given = spec(idmap_base=None)
    assert values(given, "lxc.idmap") == []
    assert values(given, "lxc.mount.auto") == ["proc:mixed sys:mixed cgroup:mixed:force"]
    assert not any("/sys/kernel" in entry for entry in values(given, "lxc.mount.entry"))


@pytest.mark.parametrize(("hierarchies", "key"), [(HYBRID, "lxc.cgroup"), (UNIFIED, "lxc.cgroup2")])
def test_devices_are_denied_but_for_the_harmless_ones(hierarchies: Hierarchies, key: str) -> None:
    on = host(hierarchies)
    assert values(spec(), f"{key}.devices.deny", on) == ["a"]
    allowed = values(spec(), f"{key}.devices.allow", on)
    assert "c 1:3 rwm" in allowed
    assert not any(rule.startswith("b") and "w" in rule for rule in allowed)


def test_limits_use_the_version_that_has_the_controller() -> None:
    limits = Limits(memory_bytes=1 << 26, cpus="0", cpu_quota=(50000, 100000), processes=40)
    on_v1 = lines(spec(limits=limits), host(HYBRID))
    for line in (
        "lxc.cgroup.memory.limit_in_bytes = 67108864",
        "lxc.cgroup.cpuset.cpus = 0",
        "lxc.cgroup.cpu.cfs_period_us = 100000",
        "lxc.cgroup.cpu.cfs_quota_us = 50000",
        "lxc.cgroup.pids.max = 40",
    ):
        assert line in on_v1
    on_v2 = lines(spec(limits=limits), host(UNIFIED))
    for line in (
        "lxc.cgroup2.memory.max = 67108864",
        "lxc.cgroup2.cpuset.cpus = 0",
        "lxc.cgroup2.cpu.max = 50000 100000",
        "lxc.cgroup2.pids.max = 40",
    ):
        assert line in on_v2


@pytest.mark.parametrize(
    "limits", [Limits(memory_bytes=1 << 26), Limits(cpus=1), Limits(cpu_quota=(1, 2)), Limits(processes=1)]
)
def test_limit_without_controller_is_refused_not_ignored(limits: Limits) -> None:
    with pytest.raises(RuntimeFailed, match="controller"):
        lines(spec(limits=limits), host(BARE))


@pytest.mark.parametrize(
    "limits",
    [
        Limits(memory_bytes=0),
        Limits(cpus=0),
        Limits(cpus="0-x"),
        Limits(cpus="60000"),
        Limits(cpus="0\nlxc.x = y"),
        Limits(cpu_quota=(0, 1)),
        Limits(processes=-1),
    ],
)
def test_senseless_limit_is_refused(limits: Limits) -> None:
    with pytest.raises(InvalidRequest):
        lines(spec(limits=limits))


def test_interfaces_get_their_own_section() -> None:
    given = spec(nics=(Nic("eth0", "br0", "00:16:3e:00:00:01", 1400), Nic("eth1", "br1", "")))
    assert values(given, "lxc.net.0.mtu") == ["1400"]
    assert values(given, "lxc.net.1.link") == ["br1"]
    assert values(given, "lxc.net.1.hwaddr") == []
    assert values(given, "lxc.net.0.type") == ["veth"]


def test_cards_of_every_kind_are_written_as_liblxc_takes_them() -> None:
    given = spec(
        nics=(
            Nic("eth0", "", "00:16:3e:00:00:01", host_name="veth-web", routes=("192.0.2.1/32", "2001:db8::/64")),
            Nic("eth1", "enp1s0", "", kind="macvlan"),
            Nic("eth2", "enp2s0", "", kind="phys"),
        )
    )
    made = [line for line in lines(given) if line.startswith("lxc.net.")]
    assert made == [
        "lxc.net.0.type = veth",
        "lxc.net.0.veth.pair = veth-web",
        "lxc.net.0.veth.ipv4.route = 192.0.2.1/32",
        "lxc.net.0.veth.ipv6.route = 2001:db8::/64",
        "lxc.net.0.flags = up",
        "lxc.net.0.name = eth0",
        "lxc.net.0.hwaddr = 00:16:3e:00:00:01",
        "lxc.net.1.type = macvlan",
        "lxc.net.1.macvlan.mode = bridge",
        "lxc.net.1.link = enp1s0",
        "lxc.net.1.flags = up",
        "lxc.net.1.name = eth1",
        "lxc.net.2.type = phys",
        "lxc.net.2.link = enp2s0",
        "lxc.net.2.flags = up",
        "lxc.net.2.name = eth2",
    ]


def test_mount_points_are_escaped_and_relative(tmp_path: Path) -> None:
    source = tmp_path / "a b\\c#"
    source.mkdir()
    entry = values(spec(extra_mounts=(BindMount(source, "//mnt/./x y", read_only=True),)), "lxc.mount.entry")[-1]
    assert entry == f"{tmp_path}/a\\040b\\134c\\043 mnt/x\\040y none bind,ro,create=dir 0 0"


def test_apparmor_is_generated_where_the_host_can() -> None:
    on = host(security_module="apparmor", apparmor_parser=Path("/sbin/apparmor_parser"))
    assert values(spec(), "lxc.apparmor.profile", on) == ["generated"]
    assert values(spec(), "lxc.apparmor.allow_nesting", on) == ["1"]
    assert values(spec(idmap_base=None), "lxc.apparmor.allow_nesting", on) == []
    assert values(spec(), "lxc.apparmor.profile", host(security_module="apparmor")) == ["unconfined"]


def test_lxcfs_files_are_bound_where_it_runs() -> None:
    on = host(lxcfs=("proc/meminfo",))
    assert "/var/lib/lxcfs/proc/meminfo proc/meminfo none bind,optional 0 0" in values(spec(), "lxc.mount.entry", on)


def test_nesting_and_personality_are_passed_on() -> None:
    assert any("dev/.lxc/proc" in entry for entry in values(spec(nesting=True), "lxc.mount.entry"))
    assert values(spec(personality="i686"), "lxc.arch") == ["i686"]


def test_raw_lines_come_last_and_whole() -> None:
    assert lines(spec(raw_lxc="lxc.cap.keep = \nlxc.x = 1"))[-2:] == ["lxc.cap.keep = ", "lxc.x = 1"]


EVIL = "x\nlxc.hook.pre-start = /bin/evil"


@pytest.mark.parametrize(
    "changes",
    [
        {"hostname": EVIL},
        {"rootfs": Path("/a" + EVIL)},
        {"console_log": Path("/a" + EVIL)},
        {"log": Path("/a" + EVIL)},
        {"personality": EVIL},
        {"environment": {"A": EVIL}},
        {"environment": {EVIL: "a"}},
        {"environment": {"A": "a\0"}},
        {"environment": {"A=B": "a"}},
        {"environment": {"": "a"}},
        {"environment": {"A": EVIL.replace("\n", "\r")}},
        {"nics": (Nic(EVIL, "b", "c"),)},
        {"nics": (Nic("a", EVIL, "c"),)},
        {"nics": (Nic("a", "b", EVIL),)},
        {"extra_mounts": (BindMount(Path("/a" + EVIL), "mnt"),)},
        {"extra_mounts": (BindMount(Path("/a"), EVIL),)},
        {"extra_mounts": (BindMount(Path("/a"), "../b"),)},
        {"extra_mounts": (BindMount(Path("a"), "b"),)},
        {"raw_lxc": "a\0b"},
        {"idmap_base": 0},
        {"idmap_base": 2**32 - 2},
        {"idmap_count": 0},
    ],
)
def test_value_that_breaks_out_of_its_line_is_refused(changes: dict[str, object]) -> None:
    with pytest.raises(InvalidRequest):
        lines(spec(**changes))


def test_every_line_is_one_key_and_one_value() -> None:
    given = spec(environment={"A": "b = c"}, nics=(Nic("eth0", "br0", "x"),), nesting=True)
    assert all(re.fullmatch(r"lxc\.[a-z0-9_.]+ = .+", line) for line in lines(given))


def test_limits_of_the_kernel_and_its_parameters_are_written() -> None:
    given = spec(kernel_limits={"nofile": "1024:4096"}, sysctls={"net.ipv4.ip_forward": "1"})
    assert values(given, "lxc.prlimit.nofile") == ["1024:4096"]
    assert values(given, "lxc.sysctl.net.ipv4.ip_forward") == ["1"]
    for evil in ("a b", "a=b", "a\nb", ""):
        with pytest.raises(InvalidRequest):
            lines(spec(sysctls={evil: "1"}))


def test_the_filter_of_system_calls_can_be_left_out() -> None:
    assert values(spec(), "lxc.seccomp.profile")
    assert values(spec(filters_calls=False), "lxc.seccomp.profile") == []


def test_soft_limits_shares_and_swap_use_the_version_that_has_the_controller() -> None:
    limits = Limits(memory_bytes=1 << 26, memory_soft=True, cpu_shares=512, swap=False)
    assert values(spec(limits=limits), "lxc.cgroup2.memory.high") == [str(1 << 26)]
    assert values(spec(limits=limits), "lxc.cgroup2.cpu.weight") == ["50"]
    assert values(spec(limits=limits), "lxc.cgroup2.memory.swap.max") == ["0"]
    old = host(HYBRID)
    assert values(spec(limits=limits), "lxc.cgroup.memory.soft_limit_in_bytes", old) == [str(1 << 26)]
    assert values(spec(limits=limits), "lxc.cgroup.cpu.shares", old) == ["512"]
    assert values(spec(limits=limits), "lxc.cgroup.memory.swappiness", old) == ["0"]
