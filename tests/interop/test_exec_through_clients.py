"""Commands in a running container, through each client at each daemon."""

from __future__ import annotations

import json
import signal
import subprocess
import time
from collections.abc import Iterator

import pytest
from tests.busybox_images import images
from tests.interop.seats import Seat
from tests.interop.terminals import Terminal

pytestmark = [pytest.mark.interop, pytest.mark.root]


@pytest.fixture(scope="module")
def seat(pairing: Seat) -> Iterator[Seat]:
    """With a running container, ``c1``."""
    pairing.lxc("image", "import", str(images() / "meta.tar.gz"), str(images() / "rootfs.squashfs"), "--alias", "sq")
    pairing.lxc("launch", "sq", "c1")
    yield pairing
    pairing.lxc("delete", "-f", "c1")


def test_output_and_errors_stay_apart_and_the_code_comes_back(seat: Seat) -> None:
    done = seat.run("exec", "c1", "--", "sh", "-c", "echo out; echo err >&2; exit 3")
    assert (done.code, done.stdout, done.stderr) == (3, "out\n", "err\n")


@pytest.mark.parametrize(
    ("command", "code"),
    [
        (("true",), 0),
        (("sh", "-c", "exit 255"), 255),
        (("sh", "-c", "exit 126"), 126),
        (("sh", "-c", "exit 127"), 127),
        (("sh", "-c", "kill -TERM $$"), 143),
        (("sh", "-c", "kill -KILL $$"), 137),
    ],
)
def test_exit_codes_are_exact(seat: Seat, command: tuple[str, ...], code: int) -> None:
    assert seat.run("exec", "c1", "--", *command).code == code


@pytest.mark.parametrize(
    ("command", "code", "words"), [("nosuch", 127, "not found"), ("/etc/passwd", 126, "not executable")]
)
def test_command_that_cannot_run_is_told(seat: Seat, command: str, code: int, words: str) -> None:
    done = seat.run("exec", "c1", "--", command)
    assert (done.code, done.stdout, done.stderr) == (code, "", f"Error: Command {words}\n")


def test_input_reaches_the_command(seat: Seat) -> None:
    big = bytes(range(256)) * 8192
    done = seat.run("exec", "c1", "--", "cat", stdin=big)
    assert (done.code, done.raw) == (0, big)
    assert seat.lxc("exec", "c1", "-n", "--", "cat", stdin=b"not read") == ""


def test_environment_folder_and_user_are_as_asked(seat: Seat) -> None:
    out = seat.lxc("exec", "c1", "--env", "A=b c", "--cwd", "/tmp", "--", "sh", "-c", 'echo "$A"; pwd; echo $HOME')
    assert out == "b c\n/tmp\n/root\n"
    out = seat.lxc("exec", "c1", "--user", "1000", "--group", "1001", "--", "id")
    assert out == "uid=1000 gid=1001\n" or out.startswith("uid=1000 gid=1001 ")
    assert seat.lxc("exec", "c1", "--", "cat", "/etc/hostname") == "c1\n"


def test_container_has_an_own_root_that_is_nobody_outside(seat: Seat) -> None:
    mapped = seat.lxc("exec", "c1", "--", "cat", "/proc/self/uid_map").split()
    assert mapped[0] == "0"
    assert int(mapped[1]) > 0


# Before their end the commands below wait for a line: LXD closes a terminal before it has sent on the last words, to
# its own client too (of 60 short commands 7 came without).


def test_terminal_has_the_size_of_the_users_and_follows_it(seat: Seat) -> None:
    script = "stty size; read line; stty size; tty; echo said; read line; exit 5"
    command = [*seat.program, "exec", "c1", "--", "sh", "-c", script]
    terminal = Terminal(command, {**seat.environment, "TERM": "xterm"}, columns=91, rows=23)
    terminal.read_until(b"23 91")
    terminal.resize(120, 40)
    time.sleep(0.4)
    terminal.type(b"\r")
    terminal.read_until(b"said")
    terminal.type(b"\r")
    assert terminal.end() == 5
    assert b"40 120" in terminal.output
    assert b"/dev/pts/" in terminal.output


def test_interrupt_typed_on_the_terminal_reaches_the_command(seat: Seat) -> None:
    script = "trap 'echo caught; read line; exit 9' INT; echo ready; sleep 20 & wait"
    command = [*seat.program, "exec", "c1", "--", "sh", "-c", script]
    terminal = Terminal(command, {**seat.environment, "TERM": "xterm"}, columns=80, rows=24)
    terminal.read_until(b"ready")
    terminal.type(b"\x03")
    terminal.read_until(b"caught")
    terminal.type(b"\r")
    assert terminal.end() == 9


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGUSR1])
def test_signal_to_the_client_reaches_the_command(seat: Seat, number: signal.Signals) -> None:
    script = f"trap 'echo caught; exit 11' {number.name[3:]}; echo ready; while :; do sleep 0.1; done"
    process = subprocess.Popen(
        [*seat.program, "exec", "c1", "--", "sh", "-c", script],
        env=seat.environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == b"ready\n"
    process.send_signal(number)
    out, _ = process.communicate(timeout=20)
    assert (process.returncode, out) == (11, b"caught\n")


def test_plain_exec_is_recorded_when_asked(seat: Seat) -> None:
    body = {"command": ["sh", "-c", "echo out; echo err >&2; exit 4"], "record-output": True}
    ended = json.loads(seat.lxc("query", "--wait", "-X", "POST", "-d", json.dumps(body), "/1.0/instances/c1/exec"))
    assert ended["metadata"]["return"] == 4
    assert seat.lxc("query", ended["metadata"]["output"]["1"]) == "out\n"
    assert seat.lxc("query", "--raw", ended["metadata"]["output"]["2"]) == "err\n"


def test_files_are_pushed_and_pulled(seat: Seat) -> None:
    data = bytes(range(256)) * 1000
    seat.lxc("file", "push", "--mode", "0640", "--uid", "7", "--gid", "8", "-", "c1/tmp/file", stdin=data)
    assert seat.run("file", "pull", "c1/tmp/file", "-").raw == data
    assert seat.lxc("exec", "c1", "--", "stat", "-c", "%a %u %g %s", "/tmp/file") == f"640 7 8 {len(data)}\n"
    seat.lxc("file", "delete", "c1/tmp/file")
    assert seat.run("exec", "c1", "--", "ls", "/tmp/file").code == 1


def test_container_is_listed_and_described(seat: Seat) -> None:
    assert seat.lxc("list", "-f", "csv", "-c", "nstS").strip() == "c1,RUNNING,CONTAINER,0"
    info = seat.lxc("info", "c1")
    for line in ("Name: c1\n", "Status: RUNNING\n", "Type: container\n", "Architecture: x86_64\n", "PID: "):
        assert line in info
    state = json.loads(seat.lxc("query", "/1.0/instances/c1/state"))
    assert state["status"] == "Running"
    assert state["processes"] >= 1
    assert state["memory"]["usage"] > 0
