"""A container whose root is an attacker, against the part of us that goes inside."""

from __future__ import annotations

import ctypes
import fcntl
import os
import signal
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from tests.fakes.live_containers import container_place, read_all, real_runtime

from azekura.errors import RuntimeFailed
from azekura.runtime.enter import Helper
from azekura.runtime.lxc import LxcRuntime
from azekura.runtime.port import ExecRequest
from azekura.runtime.processes import parent_of

pytestmark = pytest.mark.root

F_GET_SEALS, ALL_SEALS = 1034, 0xF


class Victim:
    def __init__(self, runtime: LxcRuntime, name: str) -> None:
        self.runtime, self.name = runtime, name

    def run(self, *command: str, **options: object) -> tuple[int | None, str]:
        process = self.runtime.exec(self.name, ExecRequest(command=command, **options))  # type: ignore[arg-type]
        process.close_stdin()
        try:
            said = read_all(process.pty if process.pty >= 0 else process.stdout)
            return process.wait(10), said.decode()
        finally:
            process.close()


@pytest.fixture
def victim(request: pytest.FixtureRequest) -> Iterator[Victim]:
    privileged = getattr(request, "param", "mapped") == "privileged"
    with container_place() as (base, spec):
        runtime = real_runtime(base)
        try:
            if privileged:
                spec = replace(spec, idmap_base=None, liblxc_idmaps_rootfs=False)
            runtime.start(spec)
            yield Victim(runtime, spec.name)
        finally:
            runtime.stop(spec.name, force=True)
            runtime.close()


@pytest.mark.parametrize(
    "trick",
    [
        "ln -s /dev/null /dev/pts/ptmx",
        "ln -s /dev/ptmx /dev/pts/ptmx",
        "mkfifo /dev/pts/ptmx",
        "touch /dev/pts/ptmx",
        "touch /dev/pts/ptmx && mount -o bind /dev/zero /dev/pts/ptmx",
        "true",
    ],
)
def test_faked_terminal_multiplexer_is_refused(victim: Victim, trick: str) -> None:
    hide = "mount -t tmpfs none /dev/pts && ln -s /bin/busybox /bin/mkfifo && "
    assert victim.run("sh", "-c", hide + trick)[0] == 0
    with pytest.raises(RuntimeFailed, match="terminal"):
        victim.run("tty", interactive=True)
    assert victim.run("true")[0] == 0


def test_working_folder_through_a_descriptor_leads_nowhere(victim: Victim) -> None:
    root = victim.run("stat", "-c", "%d:%i", "/")[1]
    for number in range(24):
        for who in ("self", "thread-self", "1"):
            code, where = victim.run("stat", "-c", "%d:%i", ".", cwd=f"/proc/{who}/fd/{number}")
            assert (code, where) == (0, root), (who, number)


@pytest.mark.parametrize("command", ["/proc/self/exe", "/proc/thread-self/exe", "/bin/innocent"])
@pytest.mark.parametrize("victim", ["mapped", "privileged"], indirect=True)
def test_hosts_interpreter_cannot_be_reached_through_exe(victim: Victim, command: str) -> None:
    victim.run("ln", "-s", "/proc/self/exe", "/bin/innocent")
    victim.run(command, "-c", "pass")  # whatever it does, it runs the sealed copy
    helper = victim.runtime._helper.pid
    assert Path(f"/proc/{helper}/exe").readlink().name.startswith("memfd:azekura-enter")
    with Path(f"/proc/{helper}/exe").open("rb") as file:
        assert fcntl.fcntl(file.fileno(), F_GET_SEALS) == ALL_SEALS
    with pytest.raises(OSError, match=r"Text file busy|Operation not permitted"):
        os.open(f"/proc/{helper}/exe", os.O_RDWR)


def test_keeper_is_invisible_and_unreadable_from_inside(victim: Victim) -> None:
    process = victim.runtime.exec(victim.name, ExecRequest(command=("sleep", "100")))
    keeper = parent_of(process.pid)
    assert Path(f"/proc/{keeper}/fd").stat().st_uid == 0  # root's, though it has the mapped root's ids: not dumpable
    assert Path(f"/proc/{keeper}/ns/pid").readlink() == Path("/proc/self/ns/pid").readlink()
    groups = Path(f"/proc/{keeper}/cgroup").read_text()
    assert victim.name not in groups
    assert "python" not in victim.run("ps")[1]
    process.signal(signal.SIGKILL)
    process.wait(10)
    process.close()


def test_covered_proc_neither_stops_nor_fools_us(victim: Victim) -> None:
    assert victim.run("sh", "-c", "mount -t tmpfs none /proc && mkdir -p /proc/self /proc/1")[0] == 0
    assert victim.run("echo", "inside") == (0, "inside\n")
    assert victim.run("tty", interactive=True)[0] == 0
    assert victim.runtime.state(victim.name).running


def test_commands_are_under_the_system_call_filter(victim: Victim) -> None:
    assert victim.run("sh", "-c", "mount -t tmpfs none /mnt 2>&1 || mkdir /mnt && mount -t tmpfs none /mnt")[0] == 0
    code, said = victim.run("sh", "-c", "umount -f /mnt 2>&1")
    assert code == 1
    assert "ermission denied" in said
    assert victim.run("umount", "/mnt")[0] == 0


def test_hosts_files_stay_out_of_reach_of_a_mapped_root(victim: Victim) -> None:
    for path in ("/proc/sys/kernel/core_pattern", "/sys/kernel/uevent_helper", "/proc/sysrq-trigger"):
        assert victim.run("sh", "-c", f"echo x > {path}")[0] != 0
    assert victim.run("sh", "-c", "mknod /tmp/disk b 254 0 && cat /tmp/disk")[0] != 0


@pytest.fixture
def secret_in_our_keyring() -> Iterator[None]:
    """A key that whoever inherits this process's session keyring can see. The keyring lasts as long as the thread
    that joined it, so the helper must be started from this one."""
    libc = ctypes.CDLL(None, use_errno=True)
    add_key, keyctl, join_session, session = {"x86_64": (248, 250), "aarch64": (217, 219)}[os.uname().machine] + (1, -3)
    if libc.syscall(keyctl, join_session, None) < 0:
        pytest.skip("this kernel has no keyrings")
    key = libc.syscall(add_key, b"user", b"azekura-secret", b"x", 1, session)
    assert libc.syscall(keyctl, 5, key, 0x3F000000) == 0  # KEYCTL_SETPERM: seen by whoever holds it, not by uid
    yield
    libc.syscall(keyctl, join_session, None)


@pytest.mark.parametrize("victim", ["privileged"], indirect=True)
def test_commands_do_not_hold_the_daemons_keyring(secret_in_our_keyring: None, victim: Victim) -> None:
    victim.runtime._helper.close()
    victim.runtime._helper = Helper()
    assert victim.run("true")[0] == 0
    assert "azekura-secret" in Path("/proc/keys").read_text()
    assert "azekura-secret" not in victim.run("cat", "/proc/keys")[1]
