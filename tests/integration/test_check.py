"""``lxd check`` finds what is wrong between records, files and hashes, repairs it or moves it aside, never deletes."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.busybox_images import images, tiny_image
from tests.daemon_process import Daemon, running_daemon


@pytest.fixture
def daemon() -> Iterator[Daemon]:
    with running_daemon() as process:
        process.run_lxc("image", "import", "-", stdin=b"", check=False)
        path = process.root / "tiny.tar.gz"
        path.write_bytes(tiny_image(1))
        process.lxc("image", "import", str(path), "--alias", "tiny")
        process.lxc("image", "import", str(images() / "meta.tar.gz"), str(images() / "rootfs.squashfs"))
        yield process


def _check(daemon: Daemon, *options: str) -> tuple[int, dict[str, Any]]:
    done = daemon.run_lxd("check", "--format", "json", *options, check=False)
    return done.returncode, json.loads(done.stdout)


def _blobs(daemon: Daemon) -> list[Path]:
    return sorted(
        path
        for path in (daemon.folder / "images").rglob("*")
        if path.is_file() and not path.parts[-2].startswith(".") and ".quarantine" not in path.parts
    )


def _all_bytes(daemon: Daemon) -> int:
    return sum(path.stat().st_size for path in (daemon.folder / "images").rglob("*") if path.is_file())


def test_a_sound_store_has_no_problems(daemon: Daemon) -> None:
    daemon.stop()
    code, report = _check(daemon)
    assert (code, report["problems"]) == (0, [])
    assert (report["images"], report["blobs"]) == (2, 3)


def test_it_refuses_while_the_daemon_runs(daemon: Daemon) -> None:
    done = daemon.run_lxd("check", check=False)
    assert done.returncode == 1
    assert done.stderr.decode().startswith("Error: The daemon is running")


def test_damaged_bytes_are_found_and_moved_aside(daemon: Daemon) -> None:
    daemon.stop()
    victim = _blobs(daemon)[0]
    data = bytearray(victim.read_bytes())
    data[len(data) // 2] ^= 1
    victim.chmod(0o600)
    victim.write_bytes(data)
    before = _all_bytes(daemon)
    code, report = _check(daemon)
    assert code == 1
    assert any("damaged" in problem for problem in report["problems"])
    assert _all_bytes(daemon) == before
    _, report = _check(daemon, "--repair")
    assert any("aside" in line for line in report["repaired"])
    assert _all_bytes(daemon) == before, "nothing is deleted"
    assert not victim.exists()


def test_a_lost_database_is_rebuilt_from_the_files(daemon: Daemon) -> None:
    fingerprints = daemon.lxc("image", "list", "-f", "csv", "-c", "F").split()
    daemon.stop()
    for path in daemon.folder.glob("azekura.db*"):
        path.unlink()
    daemon.start()
    assert daemon.lxc("image", "list", "-f", "csv") == ""
    daemon.stop()
    assert len(_blobs(daemon)) == 3, "a start must not throw away what it doesn't know"
    code, report = _check(daemon, "--repair")
    assert code == 0, report
    daemon.start()
    assert sorted(daemon.lxc("image", "list", "-f", "csv", "-c", "F").split()) == sorted(fingerprints)


def test_a_file_that_is_no_image_is_moved_aside(daemon: Daemon) -> None:
    daemon.stop()
    sha256 = "ab" * 32
    stray = daemon.folder / "images" / "ab" / sha256
    stray.parent.mkdir(exist_ok=True)
    stray.write_bytes(b"nothing that anybody knows")
    code, report = _check(daemon)
    assert code == 1
    assert any("abababababab" in problem for problem in report["problems"])
    before = _all_bytes(daemon)
    _check(daemon, "--repair")
    assert not stray.exists()
    assert _all_bytes(daemon) == before
    assert _check(daemon)[0] == 0


def test_a_missing_file_is_named(daemon: Daemon) -> None:
    daemon.stop()
    _blobs(daemon)[0].unlink()
    code, report = _check(daemon, "--quick")
    assert code == 1
    assert any("missing" in problem for problem in report["problems"])
    daemon.start()  # and the daemon starts all the same
    assert daemon.lxc("image", "list", "-f", "csv").count("\n") == 2
