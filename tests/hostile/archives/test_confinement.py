"""The walls around the child that reads strangers' images, tried from inside and by killing it."""

from __future__ import annotations

import gzip
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

import pytest
from tests.hostile import squashfs_builder as sq
from tests.hostile.tar_builder import file, image, rootfs_parts, tarball

from azekura.errors import AzekuraError, HostError, InvalidRequest, NoSpace, TooLarge, Unsupported
from azekura.formats.confined import ConfinedScan, unpack_squashfs_confined
from azekura.formats.limits import Limits
from azekura.formats.outcome import decode, encode, encode_error
from azekura.formats.scan import scan_unified
from azekura.formats.scanned import ScannedImage, ScannedRootfs
from azekura.model.image import ImageType

ROOT = pytest.mark.root


def feed(scan: ConfinedScan, data: bytes, step: int = 1 << 16) -> ScannedImage | ScannedRootfs:
    for at in range(0, len(data), step):
        scan.write(memoryview(data)[at : at + step])
    return scan.finish()


@pytest.fixture
def target(tmp_path: Path) -> Path:
    folder = tmp_path / "tree"
    folder.mkdir()
    return folder


@pytest.fixture(autouse=True)
def nothing_is_left_open() -> Iterator[None]:
    before = set(os.listdir("/proc/self/fd"))  # noqa: PTH208
    yield
    assert len(set(os.listdir("/proc/self/fd")) - before) <= 1  # noqa: PTH208 - the listing itself


def test_the_child_says_the_same_as_a_scan_here() -> None:
    data = image(file(b"templates/a", b"\0binary"), file(b"rootfs/su", b"x", mode=0o4755))
    import io

    with ConfinedScan("unified", None) as scan:
        assert feed(scan, gzip.compress(data), 7) == scan_unified(io.BytesIO(data), None)
    with ConfinedScan("rootfs", None) as scan:
        got = feed(scan, tarball(*rootfs_parts(b"./")))
        assert isinstance(got, ScannedRootfs)
        assert scan.finish() is got


def test_a_disk_is_checked_and_counted() -> None:
    disk = (b"QFI\xfb\0\0\0\x03" + bytes(12) + b"\0\0\0\x10" + b"\0\0\0\0\x40\0\0\0").ljust(5000, b"\0")
    with ConfinedScan("rootfs", None) as scan:
        got = feed(scan, disk)
    assert (got.type, got.rootfs.unpacked_bytes) == (ImageType.VIRTUAL_MACHINE, 5000)
    with ConfinedScan("unified", None) as scan, pytest.raises(InvalidRequest, match="Not an image by itself"):
        feed(scan, disk)


def test_a_fault_is_told_while_writing_and_again_at_the_end() -> None:
    data = image(file(b"../x")) + bytes(64 << 20)
    with ConfinedScan("unified", None) as scan:
        with pytest.raises(InvalidRequest, match="leads outside"):
            feed(scan, data)
        for again in (scan.finish, lambda: scan.write(b"x")):
            with pytest.raises(InvalidRequest, match="leads outside"):
                again()


def test_all_issues_come_through() -> None:
    with ConfinedScan("unified", None) as scan, pytest.raises(InvalidRequest) as caught:
        feed(scan, image(metadata=b"architecture: foo\n"))
    assert len(caught.value.issues) == 2


def test_aborting_is_quick_and_may_be_repeated() -> None:
    scan = ConfinedScan("unified", None)
    scan.write(image()[:1000])
    scan.abort()
    scan.abort()
    with pytest.raises(InvalidRequest, match="stopped"):
        scan.finish()


def child_of(scan: ConfinedScan) -> int:
    return scan._child._process.pid


def test_a_killed_child_is_one_clear_error() -> None:
    scan = ConfinedScan("unified", None)
    scan.write(image()[:1000])
    os.kill(child_of(scan), signal.SIGKILL)
    with pytest.raises(HostError, match="was killed"):
        scan.finish()
    scan = ConfinedScan("unified", None)
    os.kill(child_of(scan), signal.SIGSEGV)
    with pytest.raises(InvalidRequest, match="crash"):
        scan.finish()


@ROOT
def test_a_squashfs_is_unpacked_from_its_file(tmp_path: Path, target: Path) -> None:
    path = tmp_path / "image"
    path.write_bytes(sq.squashfs(sq.rootfs((b"f", sq.file(b"x" * 9000)))))
    assert unpack_squashfs_confined(path, target).rootfs.has_init
    assert (target / "f").read_bytes() == b"x" * 9000


@ROOT
def test_a_full_disk_is_told_by_the_name_of_the_target(target: Path) -> None:
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=200k", "none", str(target)], check=True)
    try:
        with ConfinedScan("unified", target) as scan, pytest.raises(NoSpace) as caught:
            feed(scan, image(file(b"rootfs/big", bytes(2_000_000))))
        assert caught.value.path == str(target)
    finally:
        subprocess.run(["umount", str(target)], check=True)


@ROOT
def test_nothing_stays_mounted(target: Path) -> None:
    before = Path("/proc/self/mountinfo").read_text()
    with ConfinedScan("unified", target) as scan:
        feed(scan, image())
    assert Path("/proc/self/mountinfo").read_text() == before


PROBE = r"""
import sys, os, json, socket, signal, subprocess, threading, ctypes
sys.path[:] = json.loads(sys.argv[1])
from pathlib import Path
from azekura.formats import confinement
target = Path(sys.argv[2]) if sys.argv[2] else None
parent = os.getppid()
if os.geteuid() == 0:
    confinement.enter(target)
confinement.limit(memory=2 << 30, file_bytes=1 << 30, seconds=60)
confinement.drop_rights(confinement.WRITER_CAPABILITIES if target else ())
libc = ctypes.CDLL(None, use_errno=True)
def tried(what):
    try:
        what()
        return "done"
    except OSError as exc:
        return os.strerror(exc.errno)
def call(name, *args):
    def do():
        if libc[name](*args) < 0:
            raise OSError(ctypes.get_errno(), "")
    return do
found = {
    "kill": tried(lambda: os.kill(parent, 0)),
    "socket": tried(socket.socket),
    "fork": tried(os.fork),
    "exec": tried(lambda: os.execve("/bin/true", ["true"], {})),
    "mount": tried(call("mount", b"none", b"/", b"tmpfs", 0, None)),
    "chroot": tried(lambda: os.chroot("/")),
    "unshare": tried(call("unshare", 0x10000000)),
    "ptrace": tried(call("ptrace", 16, parent, 0, 0)),
    "shadow": tried(lambda: os.open("/etc/shadow", os.O_RDONLY)),
    "proc": tried(lambda: os.open("/proc/self/status", os.O_RDONLY)),
    "up": sorted(os.listdir("/../..")) if os.geteuid() == 0 else [],
}
if target:
    os.mknod("/null", 0o20666, os.makedev(1, 3))
    found["device"] = tried(lambda: os.open("/null", os.O_RDONLY))
    os.unlink("/null")
    os.chown("/inside", 5, 6)
done = []
thread = threading.Thread(target=lambda: done.append(1))
thread.start(); thread.join()
found["threads"] = done == [1]
print(json.dumps(found))
"""


def probe(target: Path | None) -> dict[str, object]:
    path = json.dumps([str(Path(__file__).resolve().parents[3] / "src"), *sys.path])
    command = [sys.executable, "-I", "-S", "-c", PROBE, path, str(target or "")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    found: dict[str, object] = json.loads(done.stdout)
    return found


DENIED = ("kill", "socket", "fork", "exec", "mount", "chroot", "unshare", "ptrace")


@ROOT
def test_from_inside_there_is_only_the_target_and_little_to_be_done(target: Path) -> None:
    (target / "inside").touch()
    found = probe(target)
    assert {found[name] for name in DENIED} == {"Operation not permitted"}
    assert found["shadow"] == found["proc"] == "No such file or directory"
    assert found["up"] == ["inside"]
    assert found["device"] == "Permission denied"
    assert found["threads"] is True
    assert ((target / "inside").stat().st_uid, (target / "inside").stat().st_gid) == (5, 6)


@ROOT
def test_without_a_target_there_is_nothing_at_all() -> None:
    found = probe(None)
    assert {found[name] for name in DENIED} == {"Operation not permitted"}
    assert found["up"] == []
    assert found["shadow"] == "No such file or directory"


@ROOT
def test_an_unprivileged_user_may_check_but_not_unpack(tmp_path: Path) -> None:
    script = (
        "import sys, json; sys.path[:] = json.loads(sys.argv[1])\n"
        "import os; from pathlib import Path\n"
        "from azekura.formats.confined import ConfinedScan\n"
        "import yaml, zstandard\n"
        "os.setgroups([]); os.setresgid(65534, 65534, 65534); os.setresuid(65534, 65534, 65534)\n"
        "scan = ConfinedScan('unified', None); scan.write(sys.stdin.buffer.read()); print(scan.finish().type)\n"
        "try:\n    ConfinedScan('unified', Path('/tmp'))\nexcept Exception as exc:\n    print(type(exc).__name__)\n"
    )
    path = json.dumps([str(Path(__file__).resolve().parents[3] / "src"), *sys.path])
    command = [sys.executable, "-I", "-c", script, path]
    done = subprocess.run(command, input=image(), capture_output=True, check=False)
    assert done.stdout.split() == [b"container", Unsupported.__name__.encode()], done.stderr


def test_answers_survive_the_way_and_forged_ones_are_refused() -> None:
    import io

    result = scan_unified(io.BytesIO(image(file(b"templates/a", b"b"))), None)
    assert decode(encode(result)) == result
    for error in (
        InvalidRequest("a", issues=("a", "b"), hint="h"),
        TooLarge("x"),
        NoSpace(path="/p"),
        Unsupported("u"),
    ):
        with pytest.raises(type(error)) as caught:
            decode(encode_error(error))
        assert (caught.value.message, caught.value.hint) == (error.message, error.hint)
    good = json.loads(encode(result))
    for key, value in (
        ("type", "x"),
        ("files", {"../x": ""}),
        ("files", []),
        ("metadata", {}),
        ("rootfs", 5),
        ("yaml", 1),
    ):
        with pytest.raises((ValueError, AzekuraError)):
            decode(json.dumps({**good, key: value}).encode())
    for junk in (b"", b"[]", b"{}", b"null", b"\xff", b'{"error": "SystemExit", "message": "x"}'):
        with pytest.raises(ValueError, match=r"."):
            decode(junk)


def test_limits_reach_the_child() -> None:
    assert set(asdict(Limits())) == set(Limits.__slots__)
    with ConfinedScan("unified", None, Limits(entries=3)) as scan, pytest.raises(TooLarge, match="more than 3"):
        feed(scan, image())


@ROOT
@pytest.mark.slow
def test_starting_and_ending_a_child_takes_little_time(target: Path) -> None:
    times = []
    for _ in range(5):
        started = time.monotonic()
        with ConfinedScan("rootfs", None) as scan:
            feed(scan, tarball(*rootfs_parts(b"./")))
        times.append(time.monotonic() - started)
    assert min(times) < 0.25
