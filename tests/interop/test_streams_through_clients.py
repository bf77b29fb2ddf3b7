"""Our daemon as a simplestreams server: for Debian's LXD and its client, for ours, and for Incus's client."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.busybox_images import images, tiny_image
from tests.daemon_process import Daemon, running_daemon
from tests.fakes.real_lxd import RealLxd
from tests.interop.seats import GO_LXC, OUR_LXC, Seat, fingerprint, join_token, seat_at, url_of

from azekura.errors import AzekuraError

pytestmark = [pytest.mark.interop, pytest.mark.root]

FETCH = Path(__file__).parents[2] / "scripts/incus-client"
SPLIT = ("meta.tar.gz", "rootfs.squashfs")
TARBALLS = ("meta.tar.gz", "rootfs.tar.gz")
UNIFIED = ("unified.tar.gz",)


@dataclass(frozen=True, slots=True)
class Hosts:
    """``admin`` fills our server; ``client`` has it as ``corp`` (simplestreams), and is at a LXD of its own."""

    admin: Seat
    client: Seat

    def offer(self, files: tuple[str, ...], *words: str) -> str:
        """Import a public image; its fingerprint."""
        return fingerprint(
            self.admin.lxc("image", "import", *(str(images() / name) for name in files), "--public", *words)
        )

    def held(self) -> list[str]:
        """Fingerprints at the client's LXD."""
        return [one["fingerprint"] for one in yaml.safe_load(self.client.lxc("image", "list", "-f", "yaml"))]


def pin(folder: Path, daemon: Daemon, name: str) -> None:
    """``remote add`` asks no simplestreams server for its certificate: it is put where clients look for it."""
    (folder / "servercerts").mkdir(exist_ok=True)
    shutil.copy(daemon.folder / "server.crt", folder / f"servercerts/{name}.crt")


@pytest.fixture(scope="module")
def another() -> Iterator[Daemon]:
    """A host of containers, apart from the server."""
    with running_daemon(driver="overlay") as daemon:
        yield daemon


@pytest.fixture(
    scope="module", params=["go-lxc at real lxd", "our lxc at real lxd", "our lxc at our lxd", "go-lxc at our lxd"]
)
def shared(request: pytest.FixtureRequest, ours: Daemon) -> Iterator[Hosts]:
    program, where = request.param.split(" at ")
    folder = Path(tempfile.mkdtemp(prefix="azk-streams."))
    admin = seat_at(ours, OUR_LXC, "streams-admin")
    pin(folder, ours, "corp")
    at: RealLxd | Daemon = request.getfixturevalue("real" if where == "real lxd" else "another")
    home = at.folder if isinstance(at, Daemon) else at.folder / "lxd"
    client = Seat(GO_LXC if program == "go-lxc" else OUR_LXC, home, folder, at_real=isinstance(at, RealLxd))
    client.lxc("remote", "add", "corp", url_of(admin), "--protocol", "simplestreams")
    hosts = Hosts(admin, client)
    yield hosts
    client.empty()
    admin.empty()
    shutil.rmtree(folder)


@pytest.fixture
def hosts(shared: Hosts) -> Hosts:
    shared.client.empty()
    shared.admin.empty()
    if shared.client.at_real:  # it keeps an index for an hour, and knows no alias of later
        shutil.rmtree(shared.client.state / "cache", ignore_errors=True)
        (shared.client.state / "cache").mkdir()
    return shared


def test_images_are_listed_with_their_aliases(hosts: Hosts) -> None:
    split, unified = hosts.offer(SPLIT, "--alias", "bb/1"), hosts.offer(UNIFIED, "--alias", "bb/one-file")
    hosts.admin.lxc(
        "image", "import", str(images() / "meta.tar.gz"), str(images() / "rootfs.tar.gz"), "--alias", "secret"
    )
    shown = yaml.safe_load(hosts.client.lxc("image", "list", "corp:", "-f", "yaml"))
    assert {one["fingerprint"]: sorted(alias["name"] for alias in one["aliases"]) for one in shown} == {
        split: ["bb/1", "bb/1/amd64"],
        unified: ["bb/one-file", "bb/one-file/amd64"],
    }
    assert {one["properties"]["os"] for one in shown} == {"busybox"}
    assert f"Fingerprint: {split}" in hosts.client.lxc("image", "info", "corp:bb/1")


@pytest.mark.parametrize("files", [SPLIT, TARBALLS, UNIFIED], ids=["squashfs", "tarballs", "unified"])
def test_an_image_is_copied_and_launched_by_alias(hosts: Hosts, files: tuple[str, ...]) -> None:
    mark = hosts.offer(files, "--alias", "bb/1")
    hosts.client.lxc("image", "copy", "corp:bb/1", "local:", "--alias", "mine", "--auto-update")
    assert hosts.held() == [mark]
    hosts.client.lxc("launch", "mine", "s1")
    assert hosts.client.lxc("exec", "s1", "--", "cat", "/etc/hostname") == "s1\n"


@pytest.mark.parametrize("files", [SPLIT, UNIFIED], ids=["split", "unified"])
def test_a_container_is_launched_by_alias_and_by_the_beginning_of_a_fingerprint(
    hosts: Hosts, files: tuple[str, ...]
) -> None:
    mark = hosts.offer(files, "--alias", "bb/1")
    hosts.client.lxc("launch", "corp:bb/1", "s2")
    assert hosts.client.lxc("exec", "s2", "--", "cat", "/etc/hostname") == "s2\n"
    assert mark in hosts.held()
    hosts.client.lxc("init", f"corp:{mark[:12]}", "s3")
    assert hosts.client.lxc("config", "get", "s3", "volatile.base_image").strip() == mark


def test_an_image_deleted_a_moment_ago_comes_to_who_has_the_older_index(hosts: Hosts, tmp_path: Path) -> None:
    (tmp_path / "other").write_bytes(tiny_image(43))
    hosts.admin.lxc("image", "import", str(tmp_path / "other"), "--alias", "other", "--public")
    mark = hosts.offer(SPLIT, "--alias", "bb/1")
    hosts.client.lxc("image", "copy", "corp:other", "local:", "--auto-update")
    hosts.admin.lxc("image", "delete", mark)
    with closing(hosts.client.server()) as server:
        if hosts.client.at_real:
            server.run("POST", "/1.0/images", copy_request(hosts, "bb/1"))
            assert mark in hosts.held()
        else:  # ours asks whether the index it keeps is the present one
            with pytest.raises(AzekuraError, match=r"not found|couldn't be found"):
                server.run("POST", "/1.0/images", copy_request(hosts, "bb/1"))


def copy_request(hosts: Hosts, alias: str) -> dict[str, Any]:
    """What a client sends that looked the alias up a moment ago."""
    certificate = (hosts.client.config / "servercerts/corp.crt").read_text()
    source = {"type": "image", "mode": "pull", "protocol": "simplestreams", "alias": alias}
    return {"source": {**source, "server": url_of(hosts.admin), "certificate": certificate}}


def test_a_virtual_machines_image_is_copied_as_such(hosts: Hosts, tmp_path: Path) -> None:
    disk = b"QFI\xfb" + (3).to_bytes(4, "big") + bytes(16) + (1 << 20).to_bytes(8, "big") + bytes(65_504)
    (tmp_path / "disk").write_bytes(disk)
    files = (str(images() / "meta.tar.gz"), str(tmp_path / "disk"))
    mark = fingerprint(hosts.admin.lxc("image", "import", *files, "--alias", "bb/1", "--public"))
    container = hosts.offer(SPLIT, "--alias", "bb/2")
    hosts.client.lxc("image", "copy", "corp:bb/1", "local:", "--vm")
    assert hosts.held() == [mark]
    shown = yaml.safe_load(hosts.client.lxc("image", "list", "corp:", "-f", "yaml"))
    assert {one["fingerprint"]: one["type"] for one in shown} == {mark: "virtual-machine", container: "container"}


def test_the_default_alias_launches_from_the_bare_remote(hosts: Hosts) -> None:
    mark = hosts.offer(SPLIT, "--alias", "default")
    hosts.client.lxc("init", "corp:", "s4")
    assert hosts.client.lxc("config", "get", "s4", "volatile.base_image").strip() == mark


def test_files_are_exported_byte_for_byte(hosts: Hosts, tmp_path: Path) -> None:
    hosts.offer(SPLIT, "--alias", "bb/1")
    hosts.client.lxc("image", "export", "corp:bb/1", str(tmp_path / "out"))
    got = [path.read_bytes() for path in sorted(tmp_path.iterdir())]
    assert sorted(got) == sorted((images() / name).read_bytes() for name in SPLIT)


def test_an_alias_that_moved_is_followed_and_the_older_image_stays(hosts: Hosts, tmp_path: Path) -> None:
    (tmp_path / "old").write_bytes(tiny_image(41))
    (tmp_path / "new").write_bytes(tiny_image(42))
    old = fingerprint(hosts.admin.lxc("image", "import", str(tmp_path / "old"), "--alias", "rolling", "--public"))
    new = fingerprint(hosts.admin.lxc("image", "import", str(tmp_path / "new"), "--alias", "rolling", "--public"))
    assert f"Fingerprint: {new}" in hosts.client.lxc("image", "info", "corp:rolling")
    assert f"Fingerprint: {old}" in hosts.client.lxc("image", "info", f"corp:{old[:16]}")
    hosts.admin.lxc("image", "alias", "delete", "rolling")
    hosts.admin.lxc("image", "alias", "create", "rolling", old)
    assert f"Fingerprint: {old}" in hosts.client.lxc("image", "info", "corp:rolling")


def test_a_client_that_does_not_know_the_certificate_is_told_so(hosts: Hosts, tmp_path: Path) -> None:
    stranger = Seat(hosts.client.program, hosts.client.state, tmp_path)
    stranger.lxc("remote", "add", "corp", url_of(hosts.admin), "--protocol", "simplestreams")
    assert "certificate" in stranger.fails("image", "list", "corp:")


@pytest.mark.slow
def test_incuss_client_lists_shows_and_exports(ours: Daemon, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    done = subprocess.run([FETCH, Path(sys.prefix) / "share/incus-client"], capture_output=True, timeout=300)
    if done.returncode != 0:
        pytest.skip(f"Incus's client can't be had from Debian's archive: {done.stderr.decode(errors='replace')[-200:]}")
    conf = tmp_path / "incus"
    conf.mkdir()
    monkeypatch.setenv("INCUS_CONF", str(conf))
    monkeypatch.setenv("HOME", str(tmp_path))
    admin = seat_at(ours, OUR_LXC, "streams-admin")
    admin.empty()
    incus = Seat((done.stdout.decode().strip(),), admin.state, tmp_path)
    incus.lxc("remote", "add", "az", join_token(admin, "incus-streams"))  # somewhere to be, before other remotes
    pin(conf, ours, "corp")
    incus.lxc("remote", "add", "corp", url_of(admin), "--protocol", "simplestreams")
    files = [str(images() / name) for name in SPLIT]
    mark = fingerprint(admin.lxc("image", "import", *files, "--alias", "bb/1", "--public"))
    whole = fingerprint(admin.lxc("image", "import", str(images() / "unified.tar.gz"), "--alias", "uni", "--public"))
    shown = yaml.safe_load(incus.lxc("image", "list", "corp:", "-f", "yaml"))
    assert {one["fingerprint"] for one in shown} == {mark, whole}
    assert f"Fingerprint: {mark}" in incus.lxc("image", "info", "corp:bb/1")
    incus.lxc("image", "export", "corp:bb/1", str(tmp_path / "out"))
    assert (tmp_path / "out").read_bytes() == (images() / "meta.tar.gz").read_bytes()
    assert (tmp_path / "out.root").read_bytes() == (images() / "rootfs.squashfs").read_bytes()
    admin.empty()
