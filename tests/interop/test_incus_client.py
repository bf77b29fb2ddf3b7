"""Incus's own client at our daemon: as a public remote, and trusted by a token."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.busybox_images import images
from tests.daemon_process import Daemon
from tests.interop.seats import OUR_LXC, Seat, fingerprint, join_token, seat_at, url_of

pytestmark = [pytest.mark.interop, pytest.mark.root, pytest.mark.slow]

FETCH = Path(__file__).parents[2] / "scripts/incus-client"


@pytest.fixture(scope="module")
def program() -> tuple[str, ...]:
    done = subprocess.run([FETCH, Path(sys.prefix) / "share/incus-client"], capture_output=True, timeout=300)
    if done.returncode != 0:
        pytest.skip(f"Incus's client can't be had from Debian's archive: {done.stderr.decode(errors='replace')[-200:]}")
    return (done.stdout.decode().strip(),)


@pytest.fixture(scope="module")
def admin(ours: Daemon) -> Iterator[Seat]:
    seat = seat_at(ours, OUR_LXC, "incus-admin")
    seat.empty()
    yield seat
    seat.empty()


@pytest.fixture
def incus(program: tuple[str, ...], admin: Seat, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Seat:
    monkeypatch.setenv("INCUS_CONF", str(tmp_path / "incus"))
    monkeypatch.setenv("HOME", str(tmp_path))
    return Seat(program, admin.state, tmp_path)


def test_a_public_remote_lists_shows_and_exports(admin: Seat, incus: Seat, tmp_path: Path) -> None:
    made = images()
    mark = fingerprint(
        admin.lxc(
            "image",
            "import",
            str(made / "meta.tar.gz"),
            str(made / "rootfs.squashfs"),
            "--alias",
            "web",
            "--public",
        )
    )
    incus.lxc("remote", "add", "az", url_of(admin), "--public", "--accept-certificate")
    assert incus.lxc("image", "list", "az:", "-f", "csv").startswith(f"web,{mark[:12]},yes,")
    assert f"Fingerprint: {mark}" in incus.lxc("image", "info", "az:web")
    incus.lxc("image", "export", "az:web", str(tmp_path / "out"))
    assert (tmp_path / "out").read_bytes() == (made / "meta.tar.gz").read_bytes()
    assert (tmp_path / "out.root").read_bytes() == (made / "rootfs.squashfs").read_bytes()
    assert incus.run("image", "delete", "az:web").code == 1
    admin.empty()


def test_a_client_trusted_by_a_token_runs_and_publishes(admin: Seat, incus: Seat, tmp_path: Path) -> None:
    made = images()
    incus.lxc("remote", "add", "az", join_token(admin, "incus"))
    incus.lxc("image", "import", str(made / "unified.tar.gz"), "az:", "--alias", "bb")
    incus.lxc("launch", "az:bb", "az:ic1")
    done = incus.run("exec", "az:ic1", "--", "sh", "-c", "cat; echo oops >&2; exit 7", stdin=b"hello")
    assert (done.code, done.stdout, done.stderr) == (7, "hello", "oops\n")
    assert incus.lxc("list", "az:", "-f", "csv", "-c", "ns") == "ic1,RUNNING\n"
    incus.lxc("snapshot", "create", "az:ic1", "before")
    assert "before" in incus.lxc("snapshot", "list", "az:ic1", "-f", "csv")
    incus.lxc("stop", "-f", "az:ic1")
    incus.lxc("publish", "az:ic1", "az:", "--alias", "again")
    incus.lxc("launch", "az:again", "az:ic2")
    assert incus.lxc("exec", "az:ic2", "--", "hostname") == "ic2\n"
    incus.lxc("delete", "-f", "az:ic1", "az:ic2")
    admin.empty()
