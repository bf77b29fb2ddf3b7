"""Profiles, pools and settings through each client at each daemon."""

from __future__ import annotations

import re

import pytest
import yaml
from tests.busybox_images import images
from tests.daemon_process import Daemon
from tests.fakes.real_lxd import RealLxd
from tests.interop.seats import GO_LXC, OUR_LXC, Seat, seat_at

pytestmark = [pytest.mark.interop, pytest.mark.root]


@pytest.fixture
def seat(pairing: Seat) -> Seat:
    pairing.empty()
    return pairing


def test_profiles_are_made_changed_and_given(seat: Seat) -> None:
    seat.lxc("image", "import", str(images() / "meta.tar.gz"), str(images() / "rootfs.squashfs"), "--alias", "sq")
    seat.lxc("profile", "create", "p1")
    seat.lxc("profile", "set", "p1", "user.a", "1")
    seat.lxc("profile", "device", "add", "p1", "tmp", "disk", "source=/tmp", "path=/host")
    assert seat.lxc("profile", "get", "p1", "user.a") == "1\n"
    seat.lxc("init", "sq", "c1", "-p", "default", "-p", "p1")
    assert yaml.safe_load(seat.lxc("profile", "show", "p1"))["used_by"] == ["/1.0/instances/c1"]
    assert seat.lxc("config", "get", "c1", "user.a", "-e") == "1\n"
    assert "in use" in seat.fails("profile", "delete", "p1")
    seat.lxc("profile", "remove", "c1", "p1")
    seat.lxc("profile", "edit", "p1", stdin=b"config: {user.b: '2'}\ndescription: text\ndevices: {}\n")
    shown = yaml.safe_load(seat.lxc("profile", "show", "p1"))
    assert (shown["config"], shown["description"], shown["devices"]) == ({"user.b": "2"}, "text", {})
    seat.lxc("profile", "copy", "p1", "p2")
    seat.lxc("profile", "rename", "p2", "p3")
    assert seat.lxc("profile", "list", "-f", "csv").splitlines() == [
        "default,Default LXD profile,1",
        "p1,text,0",
        "p3,text,0",
    ]
    seat.lxc("profile", "assign", "c1", "default,p3")
    assert yaml.safe_load(seat.lxc("config", "show", "c1"))["profiles"] == ["default", "p3"]
    seat.lxc("profile", "delete", "p1")


def test_pools_are_made_and_removed(seat: Seat) -> None:
    seat.lxc("storage", "create", "extra", "dir")
    shown = yaml.safe_load(seat.lxc("storage", "show", "extra"))
    assert (shown["driver"], shown["status"], shown["used_by"]) == ("dir", "Created", [])
    assert "extra" in seat.lxc("storage", "list", "-f", "csv")
    assert "space used" in seat.lxc("storage", "info", "extra")
    seat.lxc("storage", "set", "extra", "user.note", "x")
    assert seat.lxc("storage", "get", "extra", "user.note") == "x\n"
    seat.lxc("image", "import", str(images() / "meta.tar.gz"), str(images() / "rootfs.squashfs"), "--alias", "sq")
    seat.lxc("init", "sq", "c1", "-s", "extra")
    assert "in use" in seat.fails("storage", "delete", "extra")
    seat.lxc("delete", "c1")
    seat.lxc("storage", "delete", "extra")
    assert "not found" in seat.fails("storage", "show", "extra").lower()


def test_settings_are_set_shown_edited_and_unset(seat: Seat) -> None:
    seat.lxc("config", "set", "images.remote_cache_expiry", "3")
    seat.lxc("config", "set", "images.auto_update_interval=12", "images.compression_algorithm=none")
    assert seat.lxc("config", "get", "images.remote_cache_expiry") == "3\n"
    config = yaml.safe_load(seat.lxc("config", "show"))["config"]
    assert config["images.auto_update_interval"] == "12"
    kept = {key: value for key, value in config.items() if key.startswith("core.")}
    seat.lxc("config", "edit", stdin=yaml.safe_dump({"config": {**kept, "images.auto_update_interval": "7"}}).encode())
    config = yaml.safe_load(seat.lxc("config", "show"))["config"]
    assert config["images.auto_update_interval"] == "7"
    assert "images.remote_cache_expiry" not in config
    seat.lxc("config", "unset", "images.auto_update_interval")
    assert seat.lxc("config", "get", "images.auto_update_interval") == "\n"
    assert "invalid integer" in seat.fails("config", "set", "images.remote_cache_expiry", "x")
    assert "unknown key" in seat.fails("config", "set", "images.nosuch", "1")


def test_a_trust_password_is_never_shown(seat: Seat) -> None:
    seat.lxc("config", "set", "core.trust_password", "secret words")
    assert seat.lxc("config", "get", "core.trust_password") == "true\n"
    assert "secret words" not in seat.lxc("config", "show")
    seat.lxc("config", "unset", "core.trust_password")


def test_devices_and_metadata_of_a_container_are_changed(seat: Seat) -> None:
    seat.lxc("image", "import", str(images() / "meta.tar.gz"), str(images() / "rootfs.squashfs"), "--alias", "sq")
    seat.lxc("init", "sq", "c1")
    seat.lxc("config", "device", "add", "c1", "tmp", "disk", "source=/tmp", "path=/host")
    seat.lxc("config", "device", "set", "c1", "tmp", "readonly", "true")
    assert seat.lxc("config", "device", "get", "c1", "tmp", "readonly") == "true\n"
    seat.lxc("config", "device", "unset", "c1", "tmp", "readonly")
    assert yaml.safe_load(seat.lxc("config", "device", "show", "c1"))["tmp"] == {
        "source": "/tmp",
        "path": "/host",
        "type": "disk",
    }
    seat.lxc("config", "device", "remove", "c1", "tmp")
    assert seat.lxc("config", "template", "list", "c1", "-f", "csv") == "hostname.tpl\n"
    seat.lxc("config", "template", "edit", "c1", "hostname.tpl", stdin=b"x-{{ container.name }}\n")
    assert yaml.safe_load(seat.lxc("config", "metadata", "show", "c1"))["architecture"] == "x86_64"
    seat.lxc("start", "c1")
    assert seat.lxc("exec", "c1", "--", "cat", "/etc/hostname") == "x-c1\n"


def without_use(text: str) -> str:
    return re.sub(r"(Free|Used): .*", r"\1", text)


def test_the_servers_hardware_is_told_as_by_lxd(real: RealLxd, ours: Daemon) -> None:
    go, our = seat_at(real, GO_LXC, "go-hardware"), seat_at(real, OUR_LXC, "our-hardware")
    assert without_use(our.lxc("info", "--resources")) == without_use(go.lxc("info", "--resources"))
    said = seat_at(ours, GO_LXC, "go-hardware-ours").lxc("info", "--resources")
    assert "CPU (" in said
    assert without_use(said) == without_use(seat_at(ours, OUR_LXC, "our-hardware-ours").lxc("info", "--resources"))
