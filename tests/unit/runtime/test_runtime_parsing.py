from __future__ import annotations

import os
import signal
import socket
import struct
import subprocess
import time
from pathlib import Path

import pytest

from azekura.errors import InvalidRequest
from azekura.runtime import lxc_start, network, record
from azekura.runtime.environment import for_command
from azekura.runtime.processes import (
    Process,
    has_ended,
    hold,
    identify,
    init_below,
    parent_of,
    parse_signal,
    send_signal,
    shutdown_signal,
    status_field,
)

# -- liblxc's log


def test_first_error_line_is_the_reason(tmp_path: Path) -> None:
    log = tmp_path / "lxc.log"
    log.write_text(
        "lxc-start c 20261124113701.146 WARN     conf - ../src/lxc/conf.c:lxc_map_ids:3628 - newuidmap is missing\n"
        "lxc-start c 20261124113701.149 ERROR    start - ../src/lxc/start.c:start:2193 - "
        'No such file - Failed to exec "/sbin/init"\n'
        "lxc-start c 20261124113701.149 ERROR    sync - ../src/lxc/sync.c:sync_wait:34 - An error occurred\n"
    )
    assert lxc_start.first_error(log, "noise") == 'No such file - Failed to exec "/sbin/init"'


def test_reason_falls_back_to_what_was_said(tmp_path: Path) -> None:
    log = tmp_path / "lxc.log"
    assert lxc_start.first_error(log, "") == ""
    assert lxc_start.first_error(log, "something odd\nmore") == "something odd"
    said = "lxc-start: c: ../src/lxc/parse.c: lxc_file_for_each_line_mmap: 129 Failed to parse config file"
    assert "Failed to parse" in lxc_start.first_error(log, said)
    log.write_bytes(b"\xff\xfe\0" * 100)
    assert lxc_start.first_error(log, "x") == "x"


def test_tail_reads_the_end_and_follows_no_link(tmp_path: Path) -> None:
    (tmp_path / "console.log").write_bytes(b"0123456789")
    assert lxc_start.tail(tmp_path / "console.log", 4) == b"6789"
    (tmp_path / "link").symlink_to(tmp_path / "console.log")
    assert lxc_start.tail(tmp_path / "link") == b""
    assert lxc_start.tail(tmp_path / "none") == b""


# -- signals and processes


@pytest.mark.parametrize(
    ("word", "number"),
    [
        ("SIGTERM", 15),
        ("term", 15),
        ("9", 9),
        ("SIGRTMIN+3", signal.SIGRTMIN + 3),
        ("rtmax-1", signal.SIGRTMAX - 1),
        ("SIGRTMIN", signal.SIGRTMIN),
        ("SIGRTMIN+99", None),
        ("SIGRTMINx", None),
        ("0", None),
        ("99", None),
        ("", None),
        ("SIG", None),
    ],
)
def test_signal_words_are_parsed(word: str, number: int | None) -> None:
    assert parse_signal(word) == number


def test_process_is_known_by_pid_and_start_time() -> None:
    child = subprocess.Popen(["sleep", "100"])
    try:
        process = identify(child.pid)
        assert process is not None
        assert parent_of(child.pid) == os.getpid()
        with pytest.raises(ProcessLookupError):
            hold(Process(child.pid, process.started + 1))
        pidfd = hold(process)
        assert not has_ended(pidfd)
        assert send_signal(pidfd, signal.SIGKILL)
        assert has_ended(pidfd, timeout=5)
        assert identify(child.pid) is None  # a corpse isn't alive
    finally:
        child.kill()
        child.wait()
    assert not send_signal(pidfd, signal.SIGTERM)
    os.close(pidfd)
    assert identify(child.pid) is None
    assert parent_of(child.pid) == 0
    assert status_field(child.pid, "NSpid") == ""
    assert init_below(child.pid) is None


def test_odd_process_names_do_not_confuse(tmp_path: Path) -> None:
    program = tmp_path / "a) Z 1 (b"
    program.symlink_to("/bin/sleep")
    child = subprocess.Popen([program, "100"])
    try:
        assert parent_of(child.pid) == os.getpid()
        assert identify(child.pid) is not None
    finally:
        child.kill()
        child.wait()


def test_init_without_blocked_signals_is_asked_by_power_failure() -> None:
    assert shutdown_signal(os.getpid()) == signal.SIGPWR
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGRTMIN + 3])
    try:
        assert shutdown_signal(os.getpid()) == signal.SIGRTMIN + 3
    finally:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGRTMIN + 3])


# -- the record


def test_record_survives_a_round_trip(tmp_path: Path) -> None:
    kept = record.Record(Process(1, 2), Process(3, 4), ("/sys/fs/cgroup/x",), 12)
    record.save(tmp_path, kept)
    assert record.load(tmp_path) == kept
    assert (tmp_path / "running.json").stat().st_mode & 0o777 == 0o600
    record.erase(tmp_path)
    assert record.load(tmp_path) is None


@pytest.mark.parametrize("text", ["", "{}", "[]", "null", '{"monitor": 1}', '{"monitor": [1], "init": [1, 2]}', "\0"])
def test_damaged_record_counts_as_none(tmp_path: Path, text: str) -> None:
    (tmp_path / "running.json").write_text(text)
    assert record.load(tmp_path) is None
    assert record.await_init(tmp_path) is None


# -- environment


def test_environment_has_lxds_defaults() -> None:
    assert for_command({}, uid=0) == {"container": "lxc", "LANG": "C.UTF-8", "HOME": "/root", "USER": "root"}
    assert for_command({"LANG": "de"}, uid=5) == {"container": "lxc", "LANG": "de"}


@pytest.mark.parametrize("given", [{"": "x"}, {"A=B": "x"}, {"A\0": "x"}, {"A": "x\0"}])
def test_impossible_variables_are_refused(given: dict[str, str]) -> None:
    with pytest.raises(InvalidRequest):
        for_command(given, uid=0)


# -- netlink


def attribute(kind: int, data: bytes) -> bytes:
    raw = struct.pack("=HH", len(data) + 4, kind) + data
    return raw + b"\0" * (-len(raw) % 4)


def link_message(index: int, flags: int, *attributes: bytes) -> bytes:
    return struct.pack("=BxHiII", 0, 1, index, flags, 0) + b"".join(attributes)


def test_links_and_addresses_are_put_together() -> None:
    stats = struct.pack("=8Q", 1, 2, 3, 4, 5, 6, 7, 8)
    link = link_message(
        7,
        0x1003,
        attribute(3, b"eth0\0"),
        attribute(1, bytes.fromhex("00163e010203")),
        attribute(4, struct.pack("=I", 1500)),
        attribute(23, stats),
    )
    address = struct.pack("=BBBBI", socket.AF_INET, 24, 0, 0, 7) + attribute(1, bytes([10, 0, 0, 5]))
    local = struct.pack("=BBBBI", socket.AF_INET6, 64, 0, 253, 7) + attribute(1, bytes.fromhex("fe80" + "0" * 27 + "1"))
    (found,) = network._interfaces([link], [address, local])
    assert (found.name, found.hwaddr, found.mtu, found.state, found.type) == (
        "eth0",
        "00:16:3e:01:02:03",
        1500,
        "up",
        "broadcast",
    )
    assert found.addresses == (
        network.Address("inet", "10.0.0.5", "24", "global"),
        network.Address("inet6", "fe80::1", "64", "link"),
    )
    assert found.counters == network.Counters(3, 4, 1, 2, 5, 6, 7, 8)


def test_bare_and_broken_attributes_are_survived() -> None:
    (found,) = network._interfaces([link_message(1, 0x8) + b"\x02\0\x03\0"], [])
    assert (found.name, found.mtu, found.state, found.type) == ("", 0, "down", "loopback")
    assert found.counters == network.Counters()


def test_own_interfaces_can_be_read() -> None:
    pidfd = os.pidfd_open(os.getpid())
    try:
        names = {one.name for one in network.read_interfaces(pidfd)} if os.geteuid() == 0 else {"lo"}
    finally:
        os.close(pidfd)
    assert "lo" in names


@pytest.mark.root
def test_child_that_still_builds_the_container_is_not_taken_for_init() -> None:
    """The monitor's own program in the place of init has not executed init yet."""
    apart = ["unshare", "--pid", "--fork", "--kill-child"]
    for command, is_init in ((["sleep", "100"], True), (["unshare", "--mount", "--fork", "sleep", "100"], False)):
        monitor = subprocess.Popen([*apart, *command])
        try:
            deadline = time.monotonic() + 5
            while not Path(f"/proc/{monitor.pid}/task/{monitor.pid}/children").read_text():
                assert time.monotonic() < deadline
            found = None
            for _ in range(50):
                found = init_below(monitor.pid)
                if found:
                    break
                time.sleep(0.01)
            assert bool(found) is is_init
        finally:
            monitor.kill()
            monitor.wait()
