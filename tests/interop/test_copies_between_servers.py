"""Images that travel between our daemon and Debian's, in each mode, asked for by each client."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
import yaml
from tests.busybox_images import images, tiny_image
from tests.daemon_process import Daemon
from tests.fakes.real_lxd import RealLxd
from tests.interop.seats import GO_LXC, OUR_LXC, Seat, fingerprint, join_token, seat_at, url_of

pytestmark = [pytest.mark.interop, pytest.mark.root]


@dataclass(frozen=True, slots=True)
class Two:
    """The administrators of both daemons, and a client that both trust as ``ours`` and ``real``.

    It knows them as strangers too: ``ours-public``, ``real-public``.
    """

    admins: dict[str, Seat]
    client: Seat

    def empty(self) -> None:
        for admin in self.admins.values():
            admin.empty()


@pytest.fixture(scope="module", params=["go-lxc", "our lxc"])
def shared(request: pytest.FixtureRequest, real: RealLxd, ours: Daemon) -> Iterator[Two]:
    program = GO_LXC if request.param == "go-lxc" else OUR_LXC
    admins = {"real": seat_at(real, GO_LXC, "admin"), "ours": seat_at(ours, OUR_LXC, "admin")}
    folder = Path(tempfile.mkdtemp(prefix="azk-traveller."))
    client = Seat(program, admins["ours"].state, folder)
    for name, admin in admins.items():
        client.lxc("remote", "add", name, join_token(admin, f"traveller-{name}"))
        client.lxc("remote", "add", f"{name}-public", url_of(admin), "--accept-certificate", "--public")
    two = Two(admins, client)
    yield two
    two.empty()
    shutil.rmtree(folder)


@pytest.fixture
def two(shared: Two) -> Two:
    shared.empty()
    return shared


WAYS = [("ours", "real"), ("real", "ours")]
UNIFIED = ("unified.tar.gz",)
SPLIT = ("meta.tar.gz", "rootfs.squashfs")


def given(two: Two, where: str, files: tuple[str, ...], *words: str) -> str:
    """Import an image there; its fingerprint."""
    return fingerprint(two.admins[where].lxc("image", "import", *(str(images() / name) for name in files), *words))


def held(two: Two, where: str) -> list[str]:
    """``aliases;public;os`` of each image there."""
    rows = yaml.safe_load(two.admins[where].lxc("image", "list", "-f", "yaml"))
    return [
        f"{','.join(sorted(alias['name'] for alias in one['aliases']))};{one['public']};{one['properties'].get('os')}"
        for one in rows
    ]


@pytest.mark.parametrize("mode", ["pull", "push", "relay"])
@pytest.mark.parametrize("files", [UNIFIED, SPLIT], ids=["unified", "split"])
@pytest.mark.parametrize(("source", "target"), WAYS, ids=["to real", "to ours"])
def test_private_image_travels_in_each_mode(
    two: Two, source: str, target: str, files: tuple[str, ...], mode: str
) -> None:
    name = given(two, source, files, "--alias", "kept")
    two.client.lxc("image", "copy", f"{source}:kept", f"{target}:", "--mode", mode, "--alias", "new")
    admin = two.admins[target]
    assert admin.lxc("image", "list", "new", "-f", "csv", "-c", "Fp").strip() == f"{name},no"
    folder = Path(tempfile.mkdtemp(prefix="azk-export."))
    try:
        admin.lxc("image", "export", "new", str(folder / "x"))
        got = b"".join(path.read_bytes() for path in sorted(folder.iterdir()))
        assert got == b"".join((images() / one).read_bytes() for one in files)
    finally:
        shutil.rmtree(folder)


@pytest.mark.parametrize(("source", "target"), WAYS, ids=["to real", "to ours"])
def test_public_image_travels_without_trust_and_keeps_what_users_changed(two: Two, source: str, target: str) -> None:
    name = given(two, source, SPLIT, "--alias", "one", "--alias", "two", "--public")
    two.admins[source].lxc("image", "set-property", "one", "os", "edited")
    two.client.lxc("image", "copy", f"{source}-public:one", f"{target}:", "--copy-aliases", "--public")
    assert held(two, target) == ["one,two;True;edited"]
    assert two.admins[target].lxc("image", "list", "one", "-f", "csv", "-c", "F").strip() == name
    two.client.lxc("image", "copy", f"{source}-public:{name[:12]}", f"{target}:", "--alias", "three")
    assert held(two, target) == ["one,three,two;True;edited"], "an image that is there already gets the alias"


@pytest.mark.parametrize(("source", "target"), WAYS, ids=["to real", "to ours"])
def test_private_image_is_not_found_by_a_stranger(two: Two, source: str, target: str) -> None:
    name = given(two, source, UNIFIED, "--alias", "kept")
    folder = Path(tempfile.mkdtemp(prefix="azk-stranger."))
    try:
        stranger = replace(two.client, config=folder)
        stranger.lxc("remote", "add", "home", join_token(two.admins[target], "stranger"))
        stranger.lxc("remote", "add", "far", url_of(two.admins[source]), "--accept-certificate", "--public")
        for reference in ("kept", name):
            assert "not found" in stranger.fails("image", "copy", f"far:{reference}", "home:")
    finally:
        shutil.rmtree(folder)
    assert held(two, target) == []


@pytest.mark.parametrize(("source", "target"), WAYS, ids=["to real", "to ours"])
def test_container_is_launched_from_another_servers_image(two: Two, source: str, target: str) -> None:
    name = given(two, source, SPLIT, "--alias", "sys", "--public")
    two.client.lxc("launch", f"{source}-public:sys", f"{target}:c1")
    assert two.client.lxc("exec", f"{target}:c1", "--", "cat", "/etc/hostname") == "c1\n"
    (image,) = yaml.safe_load(two.admins[target].lxc("image", "list", "-f", "yaml"))
    assert (image["fingerprint"], image["cached"], image["auto_update"]) == (name, True, True)
    two.admins[source].lxc("image", "edit", "sys", stdin=b"public: false\nproperties: {os: busybox}\n")
    two.client.lxc("init", f"{source}:sys", f"{target}:c2")
    assert two.client.lxc("config", "get", f"{target}:c2", "volatile.base_image").strip() == name


@pytest.mark.parametrize(("source", "target"), WAYS, ids=["to real", "to ours"])
def test_refresh_follows_the_alias_of_the_source(two: Two, source: str, target: str, tmp_path: Path) -> None:
    (tmp_path / "old").write_bytes(tiny_image(1))
    (tmp_path / "new").write_bytes(tiny_image(2))
    server, admin = two.admins[source], two.admins[target]
    old = fingerprint(server.lxc("image", "import", str(tmp_path / "old"), "--alias", "rolling", "--public"))
    two.client.lxc("image", "copy", f"{source}-public:rolling", f"{target}:", "--auto-update", "--alias", "mine")
    shown = admin.lxc("image", "info", "mine")
    assert "Auto update: enabled" in shown
    assert f"Source:\n    Server: {url_of(server)}\n    Protocol: lxd\n    Alias: rolling\n" in shown
    assert "already up to date" in admin.lxc("image", "refresh", "mine")
    new = fingerprint(server.lxc("image", "import", str(tmp_path / "new"), "--alias", "rolling", "--public"))
    assert "refreshed successfully" in admin.lxc("image", "refresh", "mine")
    assert admin.lxc("image", "list", "-f", "csv", "-c", "lF").strip() == f"mine,{new}"
    assert old != new


@pytest.mark.parametrize(("source", "target"), WAYS, ids=["to real", "to ours"])
def test_refresh_lets_the_old_image_go_though_an_instance_was_made_from_it(two: Two, source: str, target: str) -> None:
    server, admin = two.admins[source], two.admins[target]
    old = given(two, source, SPLIT, "--alias", "rolling", "--public")
    two.client.lxc("init", f"{source}-public:rolling", f"{target}:c1")
    two.client.lxc("init", f"{source}:rolling", f"{source}:c2")
    two.client.lxc("file", "push", "-", f"{source}:c2/tmp/new", stdin=b"new")
    new = fingerprint(server.lxc("publish", "c2", "--alias", "rolling", "--public"))
    assert "refreshed successfully" in admin.lxc("image", "refresh", old)
    assert admin.lxc("image", "list", "-f", "csv", "-c", "F").strip() == new
    admin.lxc("start", "c1")
    assert admin.lxc("exec", "c1", "--", "cat", "/etc/hostname") == "c1\n"
    admin.lxc("delete", "--force", "c1")


def test_refresh_of_an_image_without_a_source_says_so(two: Two) -> None:
    given(two, "ours", UNIFIED, "--alias", "un")
    assert "Image source not found" in two.client.fails("image", "refresh", "ours:un")


def test_unreachable_source_is_one_clear_error(two: Two) -> None:
    given(two, "real", UNIFIED, "--alias", "un", "--public")
    assert two.client.run("image", "copy", "real-public:nosuch", "ours:").code == 1
    refusal = two.client.fails("query", "--wait", "-X", "POST", "-d", UNREACHABLE, "ours:/1.0/images")
    assert "127.0.0.1:1" in refusal
    assert held(two, "ours") == []


UNREACHABLE = """{"source": {"type": "image", "mode": "pull", "server": "https://127.0.0.1:1", "protocol": "lxd",
  "alias": "x"}}"""
