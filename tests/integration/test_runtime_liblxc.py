"""The runtime with real containers: what only the kernel and liblxc can tell."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
from tests.fakes.live_containers import container_place, read_all, real_runtime

from azekura.errors import InUse, InvalidRequest, RuntimeFailed
from azekura.runtime.lxc import LxcRuntime
from azekura.runtime.port import BindMount, ContainerSpec, ExecRequest, Limits, Nic
from azekura.runtime.processes import has_ended

pytestmark = pytest.mark.root


def until(reached: Callable[[], object], seconds: float = 10) -> bool:
    end = time.monotonic() + seconds
    while not reached():
        if time.monotonic() > end:
            return False
        time.sleep(0.01)
    return True


def open_descriptors() -> list[str]:
    return sorted(path.name for path in Path("/proc/self/fd").iterdir())


@dataclass
class Machine:
    base: Path
    runtime: LxcRuntime
    spec: ContainerSpec
    events: list[str] = field(default_factory=list)

    @property
    def name(self) -> str:
        return self.spec.name

    @property
    def rootfs(self) -> Path:
        return self.spec.rootfs

    def notice(self, name: str, event: str) -> None:
        assert name == self.name
        self.events.append(event)

    def start(self, **changes: object) -> None:
        self.runtime.start(replace(self.spec, **changes))  # type: ignore[arg-type]

    def run(self, *command: str, **options: object) -> tuple[int | None, str, str]:
        process = self.runtime.exec(self.name, ExecRequest(command=command, **options))  # type: ignore[arg-type]
        process.close_stdin()
        try:
            out = read_all(process.stdout)
            return process.wait(10), out.decode(), read_all(process.stderr).decode()
        finally:
            process.close()

    def restart_daemon(self) -> list[str]:
        self.runtime.close()
        self.runtime = LxcRuntime(self.base / "run")
        self.runtime.watch(self.notice)
        return self.runtime.recover()

    def groups(self) -> list[str]:
        tops = (Path("/sys/fs/cgroup"), *Path("/sys/fs/cgroup").iterdir())  # cgroup2, and each hierarchy of cgroup1
        names = [f"lxc.{kind}.{self.name}" for kind in ("monitor", "payload")]
        return [str(top / name) for top in tops for name in names if (top / name).exists()]


@pytest.fixture
def machine() -> Iterator[Machine]:
    with container_place() as (base, spec):
        made = Machine(base, real_runtime(base), spec)
        made.runtime.watch(made.notice)
        try:
            yield made
        finally:
            made.runtime.recover()
            made.runtime.stop(spec.name, force=True)
            made.runtime.close()
        assert made.groups() == []


# -- start


def test_missing_init_is_named_in_the_error(machine: Machine) -> None:
    (machine.rootfs / "sbin/init").unlink()
    with pytest.raises(RuntimeFailed, match="/sbin/init"):
        machine.start()
    assert not machine.runtime.is_running(machine.name)
    assert machine.groups() == []


def test_init_that_ends_at_once_fails_with_the_consoles_words(machine: Machine) -> None:
    (machine.rootfs / "sbin/init").unlink()
    (machine.rootfs / "sbin/init").write_text("#!/bin/sh\necho my disk is on fire\nexit 1\n")
    (machine.rootfs / "sbin/init").chmod(0o755)
    with pytest.raises(RuntimeFailed, match=r"ended at once.*my disk is on fire"):
        machine.start()
    assert machine.groups() == []


def test_failed_start_leaves_the_name_free(machine: Machine) -> None:
    with pytest.raises(RuntimeFailed, match="noexistbr"):
        machine.start(nics=(Nic("eth0", "noexistbr", "00:16:3e:00:00:01"),))
    machine.start()
    assert machine.run("true")[0] == 0


def test_missing_mount_source_is_named_in_the_error(machine: Machine) -> None:
    with pytest.raises(RuntimeFailed, match="nowhere"):
        machine.start(extra_mounts=(BindMount(Path("/nowhere"), "/mnt"),))


def test_unknown_raw_key_fails_with_liblxcs_reason(machine: Machine) -> None:
    with pytest.raises(RuntimeFailed, match=r"lxc\.no\.such"):
        machine.start(raw_lxc="lxc.no.such = 1")


def test_rootfs_out_of_reach_fails_clearly(machine: Machine) -> None:
    machine.base.chmod(0o700)
    with pytest.raises(RuntimeFailed, match=r"couldn't be started: .{10}"):
        machine.start()


def test_container_of_another_daemon_is_not_started_twice(machine: Machine) -> None:
    machine.start()
    other = LxcRuntime(machine.base / "run")
    with pytest.raises(InUse):
        other.start(machine.spec)
    other.close()


def test_environment_reaches_init(machine: Machine) -> None:
    machine.start(environment={"GREETING": "hello  world"})
    init = machine.runtime.init_pid(machine.name)
    variables = Path(f"/proc/{init}/environ").read_bytes().split(b"\0")
    assert b"GREETING=hello  world" in variables
    assert not any(variable.startswith(b"VIRTUAL_ENV") for variable in variables)


def test_hostname_is_the_name_or_the_wished_one(machine: Machine) -> None:
    machine.start(hostname="web")
    assert machine.run("hostname")[1] == "web\n"


def test_bind_mounts_appear_read_only_where_asked(machine: Machine) -> None:
    source = machine.base / "shared folder"
    source.mkdir(mode=0o777)
    (source / "file").write_text("shared\n")
    machine.start(extra_mounts=(BindMount(source, "/mnt/with space", read_only=True), BindMount(source, "/data")))
    assert machine.run("cat", "/mnt/with space/file")[1] == "shared\n"
    assert machine.run("touch", "/mnt/with space/new")[0] == 1
    assert machine.run("cat", "/data/file")[1] == "shared\n"


def test_mounts_name_no_path_outside(machine: Machine) -> None:
    for target in ("../x", "/", "a/../../b"):
        with pytest.raises(InvalidRequest):
            machine.start(extra_mounts=(BindMount(machine.base, target),))


def test_several_containers_start_at_once(machine: Machine) -> None:
    specs = [replace(machine.spec, name=f"{machine.name}-{number}") for number in range(4)]
    failures: list[BaseException] = []

    def start(spec: ContainerSpec) -> None:
        try:
            machine.runtime.start(
                replace(spec, log=machine.base / spec.name, console_log=machine.base / f"{spec.name}.console")
            )
        except RuntimeFailed as failure:
            failures.append(failure)

    threads = [threading.Thread(target=start, args=(spec,)) for spec in specs]
    machine.runtime._callbacks.clear()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    running = [machine.runtime.is_running(spec.name) for spec in specs]
    for spec in specs:
        machine.runtime.stop(spec.name, force=True)
    assert failures == []
    assert running == [True] * 4


# -- limits


def test_limits_are_in_force_and_can_be_changed(machine: Machine) -> None:
    machine.start(limits=Limits(memory_bytes=64 << 20, cpus=1, cpu_quota=(50_000, 100_000), processes=40))
    assert machine.run("grep", "-c", "^processor", "/proc/cpuinfo")[0] == 0
    assert len(os.sched_getaffinity(machine.runtime.init_pid(machine.name))) == 1
    machine.runtime.set_limits(machine.name, Limits(processes=50))
    assert len(os.sched_getaffinity(machine.runtime.init_pid(machine.name))) == os.cpu_count()


def test_container_out_of_processes_can_still_be_entered(machine: Machine) -> None:
    machine.start(limits=Limits(processes=2))
    machine.runtime.set_limits(machine.name, Limits(processes=1))
    assert machine.run("echo", "inside") == (0, "inside\n", "")


def test_limit_that_cannot_be_enforced_is_refused(machine: Machine) -> None:
    machine.runtime._host.hierarchies.v1.pop("pids", None)
    if "pids" in machine.runtime._host.hierarchies.v2_controllers:
        pytest.skip("this host counts processes by cgroup2")
    with pytest.raises(RuntimeFailed, match="pids"):
        machine.start(limits=Limits(processes=5))


# -- stop, reboot, events


def test_clean_stop_lets_init_finish(machine: Machine) -> None:
    (machine.rootfs / "etc/inittab").write_text("::respawn:/bin/sleep 1000000\n::shutdown:/bin/touch /clean\n")
    machine.start()
    assert until(lambda: machine.runtime.state(machine.name).processes > 1)
    assert machine.runtime.stop(machine.name, timeout=20) is True
    assert (machine.rootfs / "clean").exists()
    assert until(lambda: machine.events == ["stopped"])


def test_clean_stop_gives_up_after_its_timeout(machine: Machine) -> None:
    (machine.rootfs / "sbin/init").unlink()
    (machine.rootfs / "sbin/init").write_text("#!/bin/sh\ntrap '' PWR\nwhile :; do sleep 1; done\n")
    (machine.rootfs / "sbin/init").chmod(0o755)
    machine.start()
    before = time.monotonic()
    assert machine.runtime.stop(machine.name, timeout=0.3) is False
    assert time.monotonic() - before < 2
    assert machine.runtime.is_running(machine.name)


def test_halt_signal_of_raw_lxc_is_used(machine: Machine) -> None:
    (machine.rootfs / "sbin/init").unlink()
    (machine.rootfs / "sbin/init").write_text("#!/bin/sh\ntrap 'exit 0' USR1\nwhile :; do sleep 0.1; done\n")
    (machine.rootfs / "sbin/init").chmod(0o755)
    machine.start(raw_lxc="lxc.signal.halt = SIGUSR1")
    assert machine.runtime.stop(machine.name, timeout=10) is True


def test_frozen_container_can_be_killed_quickly(machine: Machine) -> None:
    machine.start()
    machine.runtime.freeze(machine.name)
    before = time.monotonic()
    assert machine.runtime.stop(machine.name, force=True)
    assert time.monotonic() - before < 1.5


def test_shutdown_from_inside_is_noticed(machine: Machine) -> None:
    machine.start()
    machine.run("kill", "-USR2", "1")
    assert until(lambda: machine.events == ["stopped"])
    assert not machine.runtime.is_running(machine.name)
    assert machine.groups() == []


def test_reboot_from_inside_is_noticed_and_the_container_goes_on(machine: Machine) -> None:
    machine.start()
    first = machine.runtime.init_pid(machine.name)
    machine.run("reboot", "-f")
    assert until(lambda: machine.events == ["rebooted"])
    assert machine.runtime.init_pid(machine.name) not in (0, first)
    assert machine.run("echo", "again")[1] == "again\n"
    assert machine.runtime.stop(machine.name, force=True)
    assert until(lambda: machine.events == ["rebooted", "stopped"])


def test_killed_monitor_is_noticed_and_swept(machine: Machine) -> None:
    machine.start()
    init = machine.runtime.init_pid(machine.name)
    monitor = machine.runtime._running[machine.name].record.monitor.pid
    os.kill(monitor, signal.SIGKILL)
    assert until(lambda: machine.events == ["stopped"])
    assert until(lambda: machine.groups() == [])
    assert machine.runtime.init_pid(machine.name) == 0 != init
    machine.start()
    assert machine.run("true")[0] == 0


def test_failing_watcher_does_not_blind_the_others(machine: Machine, caplog: pytest.LogCaptureFixture) -> None:
    def fail(name: str, event: str) -> None:
        raise RuntimeError(name + event)

    machine.runtime._callbacks.insert(0, fail)
    machine.start()
    machine.runtime.stop(machine.name, force=True)
    assert until(lambda: machine.events == ["stopped"])
    assert "a watcher failed" in caplog.text


# -- the daemon restarts


def test_containers_outlive_the_daemon(machine: Machine) -> None:
    machine.start()
    init = machine.runtime.init_pid(machine.name)
    assert machine.restart_daemon() == [machine.name]
    assert machine.runtime.init_pid(machine.name) == init
    assert machine.run("echo", "still", "here")[1] == "still here\n"
    assert machine.runtime.stop(machine.name, force=True)
    assert until(lambda: machine.events == ["stopped"])


def test_container_is_found_even_if_its_record_was_never_written(machine: Machine) -> None:
    machine.start()
    (machine.base / "run" / machine.name / "running.json").unlink()
    assert machine.restart_daemon() == [machine.name]
    assert machine.run("true")[0] == 0


def test_reboot_while_the_daemon_was_away_is_followed(machine: Machine) -> None:
    machine.start()
    init = machine.runtime.init_pid(machine.name)
    pending = machine.runtime.exec(machine.name, ExecRequest(command=("sh", "-c", "sleep 0.3; reboot -f")))
    machine.runtime.close()
    assert until(lambda: not Path(f"/proc/{init}/root/bin").exists())
    pending.close()
    assert machine.restart_daemon() == [machine.name]
    assert machine.runtime.init_pid(machine.name) not in (0, init)


def test_container_that_ended_while_the_daemon_was_away_is_not_found(machine: Machine) -> None:
    machine.start()
    monitor = machine.runtime._running[machine.name].record.monitor.pid
    machine.runtime.close()
    os.kill(monitor, signal.SIGKILL)
    assert until(lambda: not Path(f"/proc/{monitor}/root").exists())
    assert machine.restart_daemon() == []
    assert machine.groups() == []
    assert machine.runtime.stop(machine.name) is True


def test_recycled_pid_is_not_taken_for_the_container(machine: Machine) -> None:
    folder = machine.base / "run" / machine.name
    folder.mkdir(parents=True)
    own = os.getpid()
    (folder / "running.json").write_text(
        f'{{"monitor": [{own}, 1], "init": [{own}, 1], "groups": [], "halt_signal": null}}'
    )
    (folder / "monitor.pid").write_text(str(own))
    assert machine.restart_daemon() == []


# -- console


def test_console_log_keeps_the_end_and_stays_small(machine: Machine) -> None:
    (machine.rootfs / "etc/inittab").write_text(
        '::sysinit:/bin/sh -c \'i=0; while [ $i -lt 40 ]; do head -c 98304 /dev/zero | tr "\\\\0" x; i=$((i+1)); done;'
        " echo; echo the end; touch /done'\n::respawn:/bin/sleep 1000000\n"
    )
    machine.start()
    assert until((machine.rootfs / "done").exists, 20)
    assert until(lambda: b"the end" in machine.runtime.console_log(machine.name))
    assert machine.spec.console_log.stat().st_size <= 2 << 20


# -- exec


def test_exec_is_quick(machine: Machine) -> None:
    machine.start()
    machine.run("true")
    times = []
    for _ in range(20):
        before = time.perf_counter()
        process = machine.runtime.exec(machine.name, ExecRequest(command=("true",)))
        assert process.wait(10) == 0
        times.append(time.perf_counter() - before)
        process.close()
    assert sorted(times)[5] < 0.05, times  # five milliseconds on an idle machine


def test_user_group_and_folder_are_as_asked(machine: Machine) -> None:
    (machine.rootfs / "srv").mkdir()
    machine.start()
    assert machine.run("sh", "-c", "id -u; id -g; id -G; pwd", uid=1000, gid=100, cwd="/srv")[1] == (
        "1000\n100\n100\n/srv\n"
    )
    assert machine.run("pwd")[1] == "/root\n"
    assert machine.run("pwd", cwd="/nope")[1] == "/\n"
    out = machine.run("env", uid=1000, gid=100)[1]
    assert "HOME=" not in out
    assert "USER=" not in out
    assert "LANG=C.UTF-8\n" in out


def test_ids_outside_of_the_map_are_refused(machine: Machine) -> None:
    machine.start()
    with pytest.raises(RuntimeFailed, match="no user id 70000"):
        machine.run("true", uid=70000)
    with pytest.raises(RuntimeFailed, match="no group id 70000"):
        machine.run("true", gid=70000)


def test_snap_folder_is_on_the_path_where_it_exists(machine: Machine) -> None:
    (machine.rootfs / "snap/bin").mkdir(parents=True)
    machine.start()
    assert ":/snap/bin\n" in machine.run("sh", "-c", "echo $PATH")[1]
    assert machine.run("sh", "-c", "echo $PATH", environment={"PATH": "/bin"})[1] == "/bin\n"


def test_script_without_interpreter_line_is_run_by_the_shell(machine: Machine) -> None:
    (machine.rootfs / "bin/script").write_text("echo $1\n")
    (machine.rootfs / "bin/script").chmod(0o755)
    machine.start()
    assert machine.run("script", "word")[:2] == (0, "word\n")


def test_not_executable_and_not_found_are_told_apart(machine: Machine) -> None:
    (machine.rootfs / "bin/plain").write_text("")
    machine.start()
    assert machine.run("plain")[0] == 126
    assert machine.run("/bin")[0] == 126
    assert machine.run("/bin/none")[0] == 127
    assert machine.run("/bin/plain/none")[0] == 127


def test_command_wears_what_init_wears(machine: Machine) -> None:
    # as in the daemon, which handles them: a test run in the background, or under nohup, was started with them ignored
    numbers = (signal.SIGHUP, signal.SIGINT, signal.SIGQUIT)
    inherited = [signal.signal(number, signal.SIG_DFL) for number in numbers]
    try:
        machine.start()
    finally:
        for number, handler in zip(numbers, inherited, strict=True):
            signal.signal(number, handler)
    keys = ("CapBnd", "CapEff", "CapAmb", "CapInh", "Seccomp", "NoNewPrivs", "SigBlk", "SigIgn")

    def wanted(text: str) -> dict[str, str]:
        lines = (line.split(":\t", 1) for line in text.splitlines() if ":\t" in line)
        return {key: value for key, value in lines if key in keys}

    ours = wanted(machine.run("cat", "/proc/self/status")[1])
    assert ours == wanted(machine.run("cat", "/proc/1/status")[1])
    assert ours["Seccomp"] == "2"
    namespaces = ("cgroup", "ipc", "mnt", "net", "pid", "user", "uts")
    shown = [machine.run("readlink", f"/proc/{who}/ns/{name}")[1] for name in namespaces for who in ("self", "1")]
    assert shown[::2] == shown[1::2]


def test_command_counts_in_the_containers_groups(machine: Machine) -> None:
    machine.start()
    process = machine.runtime.exec(machine.name, ExecRequest(command=("sleep", "100")))
    groups = Path(f"/proc/{process.pid}/cgroup").read_text().splitlines()
    own = Path("/proc/self/cgroup").read_text().splitlines()
    assert len(groups) == len(own)
    assert all(f"lxc.payload.{machine.name}" in line for line in groups)
    process.signal(signal.SIGKILL)
    assert process.wait(10) == 137
    process.close()


def test_nothing_of_the_daemon_is_open_in_the_command(machine: Machine) -> None:
    machine.start()
    with (machine.rootfs / "etc/passwd").open("rb") as kept:
        os.set_inheritable(kept.fileno(), True)
        out = machine.run("sh", "-c", "ls /proc/$$/fd; true")[1]
    assert out.split() == ["0", "1", "2"]
    process = machine.runtime.exec(
        machine.name, ExecRequest(command=("sh", "-c", "ls /proc/$$/fd; true"), interactive=True)
    )
    assert read_all(process.pty).split() == [b"0", b"1", b"2"]
    process.wait(10)
    process.close()


def test_standard_streams_can_be_reopened_by_path(machine: Machine) -> None:
    machine.start()
    command = ("sh", "-c", "echo err > /proc/self/fd/2; cat /proc/self/fd/0 > /proc/self/fd/1")
    for options in ({}, {"uid": 1000, "gid": 1000}):
        assert machine.run(*command, **options) == (0, "", "err\n")


def test_terminal_is_the_containers_own(machine: Machine) -> None:
    machine.start()
    script = "tty; stty -a >/dev/null && echo set; echo x >/dev/tty; stat -c %u $(tty)"
    for uid in (0, 1000):
        request = ExecRequest(command=("sh", "-c", script), interactive=True, width=80, height=24, uid=uid)
        process = machine.runtime.exec(machine.name, request)
        lines = read_all(process.pty).decode().split("\r\n")
        assert lines[0].startswith("/dev/pts/")
        assert lines[1:] == ["set", "x", str(uid), ""]
        assert process.wait(10) == 0
        process.close()


def test_interrupt_key_and_resize_reach_the_foreground(machine: Machine) -> None:
    machine.start()
    script = "trap 'echo winch' WINCH; trap 'echo int; exit 5' INT; echo ready; while :; do sleep 0.05; done"
    process = machine.runtime.exec(machine.name, ExecRequest(command=("sh", "-c", script), interactive=True))
    seen = b""
    for word, act in ((b"ready", lambda: process.resize(90, 30)), (b"winch", lambda: os.write(process.pty, b"\x03"))):
        while word not in seen:
            seen += os.read(process.pty, 1024)
        act()
    assert b"int" in read_all(process.pty)
    assert process.wait(10) == 5
    process.close()


def test_closing_the_terminal_hangs_up(machine: Machine) -> None:
    machine.start()
    process = machine.runtime.exec(machine.name, ExecRequest(command=("sleep", "1000"), interactive=True))
    pidfd = os.pidfd_open(process.pid)
    process.close()
    assert has_ended(pidfd, timeout=5)
    os.close(pidfd)


def test_stopping_the_container_ends_its_commands(machine: Machine) -> None:
    machine.start()
    process = machine.runtime.exec(machine.name, ExecRequest(command=("sleep", "1000")))
    machine.runtime.stop(machine.name, force=True)
    assert process.wait(10) == 137
    process.close()


def test_helper_that_died_is_replaced(machine: Machine) -> None:
    machine.start()
    long = machine.runtime.exec(machine.name, ExecRequest(command=("cat",)))
    os.kill(machine.runtime._helper.pid, signal.SIGKILL)
    assert machine.run("echo", "anew")[1] == "anew\n"
    long.close_stdin()
    assert long.wait(10) == 0  # what the dead helper started is still ours
    long.close()


def test_waiting_in_several_threads_gives_all_the_status(machine: Machine) -> None:
    machine.start()
    process = machine.runtime.exec(machine.name, ExecRequest(command=("sh", "-c", "sleep 0.2; exit 9")))
    codes: list[int | None] = []
    threads = [threading.Thread(target=lambda: codes.append(process.wait(10))) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert codes == [9, 9, 9]
    process.close()


def test_no_descriptor_is_lost(machine: Machine) -> None:
    machine.start()
    machine.run("true")
    before = open_descriptors()
    for _ in range(5):
        machine.run("true")
        with pytest.raises(RuntimeFailed):
            machine.run("true", uid=70000)
        machine.runtime.state(machine.name)
    assert open_descriptors() == before


# -- network


@pytest.fixture
def bridge() -> Iterator[str]:
    name = f"azt{uuid.uuid4().hex[:8]}"
    subprocess.run(["ip", "link", "add", name, "type", "bridge"], check=True)
    try:
        subprocess.run(["ip", "link", "set", name, "up"], check=True)
        yield name
    finally:
        subprocess.run(["ip", "link", "del", name], check=True)


def test_interfaces_are_shown_with_their_addresses(machine: Machine, bridge: str) -> None:
    machine.start(nics=(Nic("eth0", bridge, "00:16:3e:01:02:03", 1400),))
    machine.run("ip", "addr", "add", "10.9.8.7/24", "dev", "eth0")
    lo, eth0 = machine.runtime.state(machine.name).network
    assert (lo.name, lo.type) == ("lo", "loopback")
    assert (eth0.name, eth0.hwaddr, eth0.mtu, eth0.state, eth0.type) == (
        "eth0",
        "00:16:3e:01:02:03",
        1400,
        "up",
        "broadcast",
    )
    assert Path(f"/sys/class/net/{bridge}/brif/{eth0.host_name}").exists()
    assert ("inet", "10.9.8.7", "24", "global") in [
        (one.family, one.address, one.netmask, one.scope) for one in eth0.addresses
    ]


# -- privileged, nesting


def test_privileged_container_starts_without_dangerous_capabilities(machine: Machine) -> None:
    machine.start(idmap_base=None, liblxc_idmaps_rootfs=False)
    out = machine.run("cat", "/proc/self/uid_map", "/proc/self/status")[1]
    assert out.split()[:3] == ["0", "0", "4294967295"]
    bounding = int(out.split("CapBnd:\t")[1].split()[0], 16)
    for capability in (16, 17, 25, 32, 33):  # sys_module sys_rawio sys_time mac_override mac_admin
        assert not bounding >> capability & 1
    disk = Path("/proc/partitions").read_text().split()[5:6]
    assert disk, "no block device to try"
    command = f"mknod /run/disk b {Path('/proc/partitions').read_text().split()[4]} {disk[0]} && head -c 1 /run/disk"
    assert machine.run("sh", "-c", command)[0] != 0


def test_nesting_shows_full_proc_and_sys(machine: Machine) -> None:
    machine.start(nesting=True)
    assert machine.run("sh", "-c", "ls -d /dev/.lxc/proc/1 /dev/.lxc/sys/class")[0] == 0
