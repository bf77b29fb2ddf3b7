from __future__ import annotations

import os
from pathlib import Path

import pytest

from azekura.errors import RuntimeFailed
from azekura.runtime import cgroups, usage
from azekura.runtime.cgroups import V2, Hierarchies, Mount, announce_moves, groups_of, read_hierarchies, sweep
from azekura.runtime.limits import Setting, apply, missing, parse_cpu_set, settings
from azekura.runtime.port import Limits

HYBRID = """\
31 23 0:28 / /sys/fs/cgroup rw,relatime - tmpfs tmpfs rw,mode=755
32 31 0:29 / /sys/fs/cgroup/cpu,cpuacct rw,relatime - cgroup cgroup rw,cpu,cpuacct
35 31 0:32 /outer /mnt/me\\040mory rw,relatime - cgroup cgroup rw,memory
40 31 0:37 / /sys/fs/cgroup/systemd rw,relatime - cgroup cgroup rw,xattr,release_agent=/x,name=systemd
41 31 0:38 / /nowhere/unified rw,relatime shared:9 - cgroup2 cgroup2 rw
garbage
"""


def test_hierarchies_are_read_from_mountinfo() -> None:
    found = read_hierarchies(HYBRID)
    assert set(found.v1) == {"cpu", "cpuacct", "memory", "name=systemd"}
    assert found.v1["memory"] == Mount(Path("/mnt/me mory"), "/outer")
    assert found.v2 == Mount(Path("/nowhere/unified"), "/")
    assert found.v2_controllers == frozenset()
    assert found.has("memory")
    assert not found.has("pids")


def test_group_outside_of_the_mounted_part_is_not_found() -> None:
    mount = Mount(Path("/m"), "/outer")
    assert mount.locate("/outer/lxc.payload.a") == Path("/m/lxc.payload.a")
    assert mount.locate("/outer") == Path("/m")
    assert mount.locate("/outerspace") is None


def test_groups_are_cut_back_to_the_containers_top(tmp_path: Path) -> None:
    (tmp_path / "7").mkdir()
    (tmp_path / "7/cgroup").write_text(
        "3:cpu,cpuacct:/lxc.payload.a-1\n2:name=systemd:/lxc.payload.a-1/init.scope\n"
        "1:pids:/\n0::/lxc.payload.a-1/.lxc\n"
    )
    found = groups_of(7, Hierarchies(read_hierarchies_v1(), Mount(Path("/u"), "/")), proc=tmp_path)
    assert found == {
        "cpu": Path("/c/lxc.payload.a-1"),
        "cpuacct": Path("/c/lxc.payload.a-1"),
        "name=systemd": Path("/s/lxc.payload.a-1"),
        V2: Path("/u/lxc.payload.a-1"),
    }


def read_hierarchies_v1() -> dict[str, Mount]:
    return {
        "cpu": Mount(Path("/c"), "/"),
        "cpuacct": Mount(Path("/c"), "/"),
        "name=systemd": Mount(Path("/s"), "/"),
        "pids": Mount(Path("/p"), "/"),
    }


def test_sweep_spares_groups_in_use(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cgroups, "_SWEEP_SECONDS", 0)
    (tmp_path / "empty/a/b").mkdir(parents=True)
    (tmp_path / "used/a/b").mkdir(parents=True)
    (tmp_path / "used/a/cgroup.procs").write_text("1\n")
    sweep([tmp_path / "empty", tmp_path / "used", tmp_path / "never"])
    assert not (tmp_path / "empty").exists()
    assert (tmp_path / "used/a/b").exists()


def test_usage_is_read_from_either_version(tmp_path: Path) -> None:
    for name, text in (
        ("pids.current", "5\n"),
        ("memory.current", "4096\n"),
        ("memory.peak", "8192\n"),
        ("cpu.stat", "usage_usec 12\nuser_usec 3\n"),
        ("pids/pids.current", "6"),
        ("memory/memory.usage_in_bytes", "1"),
        ("memory/memory.max_usage_in_bytes", "2"),
        ("cpuacct/cpuacct.usage", "3"),
    ):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
    assert usage.read_usage({V2: tmp_path}) == usage.Usage(5, 4096, 8192, 12000)
    v1 = {name: tmp_path / name for name in ("pids", "memory", "cpuacct")}
    assert usage.read_usage(v1) == usage.Usage(6, 1, 2, 3)
    assert usage.read_usage(v1 | {V2: tmp_path}) == usage.Usage(6, 1, 2, 3)
    assert usage.read_usage({}) == usage.Usage()


def test_processes_are_counted_where_no_controller_does(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "cgroup.procs").write_text("1\n2\n")
    (tmp_path / "a/cgroup.procs").write_text("3\n")
    assert usage.read_usage({V2: tmp_path}).processes == 3


def test_freezing_without_a_freezer_is_said() -> None:
    with pytest.raises(RuntimeFailed, match="no freezer"):
        usage.set_frozen({}, True)


def test_freezing_that_does_not_succeed_is_undone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(usage, "_FREEZE_SECONDS", 0.02)
    (tmp_path / "cgroup.freeze").write_text("0")
    (tmp_path / "cgroup.events").write_text("populated 1\nfrozen 0\n")
    with pytest.raises(RuntimeFailed, match="couldn't be frozen within"):
        usage.set_frozen({V2: tmp_path}, True)
    assert (tmp_path / "cgroup.freeze").read_text() == "0"


def test_settings_are_compared_as_the_kernel_writes_them_back(tmp_path: Path) -> None:
    page = os.sysconf("SC_PAGE_SIZE")
    memory = Setting(2, "memory", "memory.max", str(page + 1))
    cpus = Setting(2, "cpuset", "cpuset.cpus", "0,1,2")
    quota = Setting(2, "cpu", "cpu.max", "5 10")
    (tmp_path / "memory.max").write_text(f"{page}\n")
    (tmp_path / "cpuset.cpus").write_text("0-2\n")
    (tmp_path / "cpu.max").write_text("5 10\n")
    assert missing([memory, cpus, quota], {V2: tmp_path}) is None
    (tmp_path / "cpu.max").write_text("max 10\n")
    assert missing([memory, cpus, quota], {V2: tmp_path}) == quota
    (tmp_path / "memory.max").write_text("max\n")
    assert missing([memory], {V2: tmp_path}) == memory
    assert missing([memory], {}) == memory


def test_refused_setting_is_named(tmp_path: Path) -> None:
    with pytest.raises(RuntimeFailed, match=r"pids\.max = 5"):
        apply([Setting(1, "pids", "pids.max", "5")], {"pids": tmp_path / "gone"})
    with pytest.raises(RuntimeFailed, match=r"pids\.max = 5"):
        apply([Setting(1, "pids", "pids.max", "5")], {})


def test_cpu_sets_are_parsed_strictly() -> None:
    assert parse_cpu_set("0-2,5\n") == {0, 1, 2, 5}
    for text in ("", "a", "1-", "-1", "1,,2", "0-99999999", "1 2"):
        with pytest.raises(ValueError, match="set of processors"):
            parse_cpu_set(text)


def test_small_containers_are_spread_over_the_processors() -> None:
    on = Hierarchies({}, Mount(Path("/u"), "/"), frozenset({"cpuset"}))
    chosen = {settings(Limits(cpus=1), on, name=f"c{number}")[0].value for number in range(30)}
    assert len(chosen) == min(os.cpu_count() or 1, len(chosen))
    if (os.cpu_count() or 1) > 1:
        assert len(chosen) > 1
    assert settings(Limits(cpus=100000), on, name="c")[0].value == settings(Limits(cpus=99999), on, name="d")[0].value


@pytest.mark.root
def test_announcing_moves_moves_nothing() -> None:
    before = Path("/proc/self/cgroup").read_text()
    announce_moves(read_hierarchies())
    assert Path("/proc/self/cgroup").read_text() == before


def test_announcing_moves_writes_to_a_group_of_this_process(tmp_path: Path) -> None:
    controllers = Path("/proc/self/cgroup").read_text().splitlines()
    everything = Mount(tmp_path, "/")
    for line in controllers:
        folder = tmp_path / line.split(":", 2)[2].lstrip("/")
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "cgroup.procs").touch()
    announce_moves(
        Hierarchies({name: everything for line in controllers for name in line.split(":")[1].split(",")}, everything)
    )
    assert {file.read_text() for file in tmp_path.rglob("cgroup.procs")} >= {"0"}


def test_announcing_moves_on_a_machine_without_control_groups_does_nothing() -> None:
    announce_moves(Hierarchies())
