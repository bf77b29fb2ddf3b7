"""What every runtime must do: the one on liblxc, and the fake that other tests lean on."""

from __future__ import annotations

import os
import select
import signal
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace

import pytest
from tests.fakes.live_containers import container_place, read_all, real_runtime
from tests.fakes.runtime import FakeRuntime

from azekura.errors import InUse, InvalidRequest, RuntimeFailed
from azekura.runtime.port import ContainerSpec, ExecProcess, ExecRequest, Runtime


@dataclass
class Bench:
    """One runtime with a container that can be started."""

    runtime: Runtime
    spec: ContainerSpec
    events: list[tuple[str, str]] = field(default_factory=list)
    changed: threading.Event = field(default_factory=threading.Event)

    @property
    def name(self) -> str:
        return self.spec.name

    def notice(self, name: str, event: str) -> None:
        self.events.append((name, event))
        self.changed.set()

    def execute(self, *command: str, **options: object) -> ExecProcess:
        return self.runtime.exec(self.name, ExecRequest(command=command, **options))  # type: ignore[arg-type]

    def run(self, *command: str, **options: object) -> tuple[int | None, bytes, bytes]:
        process = self.execute(*command, **options)
        process.close_stdin()
        try:
            out = read_all(process.stdout)
            return process.wait(10), out, read_all(process.stderr)
        finally:
            process.close()


@pytest.fixture(params=["fake", pytest.param("liblxc", marks=pytest.mark.root)])
def bench(request: pytest.FixtureRequest) -> Iterator[Bench]:
    with container_place() as (base, spec):
        runtime: Runtime
        if request.param == "fake":
            runtime = FakeRuntime()
            spec.rootfs.mkdir()
        else:
            runtime = real_runtime(base)
        made = Bench(runtime, spec)
        runtime.watch(made.notice)
        try:
            yield made
        finally:
            runtime.stop(spec.name, force=True)
            runtime.close()


@pytest.fixture
def started(bench: Bench) -> Bench:
    bench.runtime.start(bench.spec)
    return bench


def test_what_was_made_ready_for_may_come_or_not(bench: Bench) -> None:
    for _ in range(3):
        bench.runtime.get_ready()
    bench.runtime.start(bench.spec)
    assert bench.runtime.is_running(bench.name)
    bench.runtime.get_ready()


def test_unknown_container_is_simply_not_running(bench: Bench) -> None:
    assert not bench.runtime.is_running("nobody")
    assert bench.runtime.init_pid("nobody") == 0
    assert not bench.runtime.state("nobody").running
    assert bench.runtime.stop("nobody") is True
    assert bench.runtime.console_log("nobody") == b""
    bench.runtime.forget("nobody")


def test_started_container_runs_and_shows_state(started: Bench) -> None:
    state = started.runtime.state(started.name)
    assert state.running
    assert not state.frozen
    assert state.init_pid == started.runtime.init_pid(started.name) > 0
    assert state.processes >= 1
    assert state.memory_bytes > 0
    assert [one.name for one in state.network] == ["lo"]
    assert started.runtime.is_running(started.name)


def test_starting_twice_is_refused(started: Bench) -> None:
    with pytest.raises(InUse):
        started.runtime.start(started.spec)


def test_line_break_in_environment_is_refused(bench: Bench) -> None:
    with pytest.raises(InvalidRequest):
        bench.runtime.start(replace(bench.spec, environment={"A": "1\nlxc.cap.drop ="}))
    assert not bench.runtime.is_running(bench.name)


def test_forced_stop_stops_and_is_told_once(started: Bench) -> None:
    assert started.runtime.stop(started.name, force=True) is True
    assert not started.runtime.is_running(started.name)
    assert started.changed.wait(5)
    time.sleep(0.05)
    assert started.events == [(started.name, "stopped")]


def test_stopped_container_starts_again(started: Bench) -> None:
    started.runtime.stop(started.name, force=True)
    started.runtime.start(started.spec)
    assert started.runtime.is_running(started.name)


def test_running_container_cannot_be_forgotten(started: Bench) -> None:
    with pytest.raises(InUse):
        started.runtime.forget(started.name)
    started.runtime.stop(started.name, force=True)
    started.runtime.forget(started.name)
    assert started.runtime.console_log(started.name) == b""


def test_frozen_container_says_so_and_refuses_exec(started: Bench) -> None:
    started.runtime.freeze(started.name)
    assert started.runtime.state(started.name).frozen
    with pytest.raises(RuntimeFailed, match="frozen"):
        started.execute("true")
    started.runtime.unfreeze(started.name)
    assert not started.runtime.state(started.name).frozen
    assert started.run("true")[0] == 0


def test_exec_in_stopped_container_is_refused(bench: Bench) -> None:
    for act in (lambda: bench.execute("true"), lambda: bench.runtime.freeze(bench.name)):
        call: Callable[[], object] = act
        with pytest.raises(RuntimeFailed, match="not running"):
            call()


@pytest.mark.parametrize(
    ("command", "code"),
    [
        (("true",), 0),
        (("sh", "-c", "exit 7"), 7),
        (("sh", "-c", "exit 255"), 255),
        (("sh", "-c", "kill -TERM $$"), 143),
        (("sh", "-c", "kill -KILL $$"), 137),
        (("no-such-command",), 127),
        (("/etc/passwd",), 126),
    ],
)
def test_exit_status_is_exact(started: Bench, command: tuple[str, ...], code: int) -> None:
    assert started.run(*command)[0] == code


@pytest.mark.parametrize(
    ("command", "refusal"),
    [
        (("no-such-command",), "not found"),
        (("/etc/passwd",), "not executable"),
        (("sh", "-c", "exit 127"), ""),
        (("sh", "-c", "exit 126"), ""),
        (("true",), ""),
    ],
)
def test_command_that_never_ran_is_told_from_its_own_exit_code(
    started: Bench, command: tuple[str, ...], refusal: str
) -> None:
    process = started.execute(*command)
    process.close_stdin()
    process.wait(10)
    assert process.refusal == refusal
    process.close()


def test_empty_command_is_refused(started: Bench) -> None:
    for command in ((), ("",), ("echo", "a\0b")):
        with pytest.raises(InvalidRequest):
            started.execute(*command)


def test_output_and_errors_stay_apart(started: Bench) -> None:
    assert started.run("sh", "-c", "echo out; echo err >&2") == (0, b"out\n", b"err\n")


def test_environment_is_the_containers_alone(started: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AZEKURA_SECRET", "leaked")
    _, out, _ = started.run("env", environment={"A": "b c", "TERM": "dumb"})
    assert dict(line.split("=", 1) for line in out.decode().splitlines()) == {
        "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        "container": "lxc",
        "HOME": "/root",
        "USER": "root",
        "LANG": "C.UTF-8",
        "A": "b c",
        "TERM": "dumb",
    }


def test_input_reaches_the_command_until_it_is_closed(started: Bench) -> None:
    process = started.execute("cat")
    os.write(process.stdin, b"through\n")
    process.close_stdin()
    assert read_all(process.stdout) == b"through\n"
    assert process.wait(10) == 0
    process.close()


def test_signal_reaches_the_command(started: Bench) -> None:
    process = started.execute("sleep", "1000")
    assert process.wait(0) is None
    process.signal(signal.SIGTERM)
    assert process.wait(10) == 143
    process.signal(signal.SIGTERM)  # too late, and no error
    process.close()


def test_end_of_command_makes_a_descriptor_readable(started: Bench) -> None:
    process = started.execute("cat")
    assert select.select([process.done_fd], [], [], 0)[0] == []
    process.close_stdin()
    assert select.select([process.done_fd], [], [], 10)[0] == [process.done_fd]
    assert process.wait(1) == 0
    process.close()


def test_interactive_command_has_a_terminal_of_the_wished_size(started: Bench) -> None:
    process = started.execute("sh", "-c", "stty size; exit 3", interactive=True, width=101, height=37)
    assert (process.stdin, process.stdout, process.stderr) == (-1, -1, -1)
    assert read_all(process.pty) == b"37 101\r\n"
    assert process.wait(10) == 3
    process.close()


def test_resize_reaches_the_terminal(started: Bench) -> None:
    process = started.execute("sh", "-c", "read line; stty size", interactive=True, width=80, height=24)
    process.resize(120, 50)
    os.write(process.pty, b"\n")
    assert read_all(process.pty).splitlines()[-1] == b"50 120"
    assert process.wait(10) == 0
    process.close()


def test_many_commands_at_once_keep_apart(started: Bench) -> None:
    results: dict[int, tuple[int | None, bytes, bytes]] = {}

    def one(number: int) -> None:
        results[number] = started.run("sh", "-c", f"echo {number}; exit {number}")

    threads = [threading.Thread(target=one, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == {number: (number, f"{number}\n".encode(), b"") for number in range(8)}
