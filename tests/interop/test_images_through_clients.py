"""The image commands, the same for Debian's client at our daemon, ours at Debian's, and ours at ours."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest
import yaml
from tests.busybox_images import images
from tests.interop.seats import Seat, fingerprint

pytestmark = [pytest.mark.interop, pytest.mark.root]


@pytest.fixture
def seat(pairing: Seat) -> Seat:
    pairing.empty()
    return pairing


def digest(*names: str) -> str:
    return hashlib.sha256(b"".join((images() / name).read_bytes() for name in names)).hexdigest()


@pytest.mark.parametrize(
    "files", [("unified.tar.gz",), ("meta.tar.gz", "rootfs.squashfs"), ("meta.tar.gz", "rootfs.tar.gz")]
)
def test_import_makes_the_fingerprint_that_sha256sum_makes(seat: Seat, files: tuple[str, ...], tmp_path: Path) -> None:
    out = seat.lxc("image", "import", *(str(images() / name) for name in files), "--alias", "one", "--alias", "two")
    assert fingerprint(out) == digest(*files)
    seat.lxc("image", "export", "one", cwd=tmp_path)
    exported = sorted(tmp_path.iterdir(), key=lambda path: not path.name.startswith("meta-"))
    assert b"".join(path.read_bytes() for path in exported) == b"".join((images() / one).read_bytes() for one in files)
    if len(files) == 1:
        assert [path.name for path in exported] == [f"{digest(*files)}.tar.gz"]
        seat.lxc("image", "export", "two", str(tmp_path / "named"))
        assert hashlib.sha256((tmp_path / "named.tar.gz").read_bytes()).hexdigest() == digest(*files)
    else:
        suffix = ".squashfs" if files[1].endswith("squashfs") else ".tar.gz"
        assert [path.name for path in exported] == [f"meta-{digest(*files)}.tar.gz", f"{digest(*files)}{suffix}"]
        seat.lxc("image", "export", "two", str(tmp_path / "named"))
        both = (tmp_path / "named").read_bytes() + (tmp_path / "named.root").read_bytes()
        assert hashlib.sha256(both).hexdigest() == digest(*files)


def test_image_is_listed_in_every_format(seat: Seat) -> None:
    out = seat.lxc("image", "import", str(images() / "unified.tar.gz"), "--alias", "un", "--public", "os=mine", "x=1")
    name = fingerprint(out)
    rows = seat.lxc("image", "list", "-f", "csv", "-c", "lfpdatF").strip()
    assert rows == f"un,{name[:12]},yes,busybox,x86_64,CONTAINER,{name}"
    assert "| un    | " in seat.lxc("image", "list")
    assert seat.lxc("image", "list", "-f", "compact").splitlines()[1].split()[:3] == ["un", name[:12], "yes"]
    (listed,) = json.loads(seat.lxc("image", "list", "-f", "json"))
    assert listed["fingerprint"] == name
    assert listed["properties"] == {
        "os": "mine",
        "x": "1",
        "release": "1",
        "architecture": "amd64",
        "description": "busybox",
    }
    assert listed["aliases"] == [{"name": "un", "description": ""}]
    (listed_again,) = yaml.safe_load(seat.lxc("image", "list", "-f", "yaml"))
    assert listed_again["fingerprint"] == name
    assert listed_again["public"] is True
    for words, found in (
        ((name[:5],), 1),
        (("os=mine",), 1),
        (("os=min",), 0),
        (("type=container",), 1),
        (("nothing",), 0),
    ):
        assert len(json.loads(seat.lxc("image", "list", *words, "-f", "json"))) == found, words


def test_image_is_shown_and_changed(seat: Seat) -> None:
    name = fingerprint(seat.lxc("image", "import", str(images() / "unified.tar.gz"), "--alias", "un"))
    info = seat.lxc("image", "info", "un")
    assert f"Fingerprint: {name}\nSize: " in info
    assert "Created: 2023/11/14 22:13 UTC" in info
    assert "Aliases:\n    - un\nCached: no\nAuto update: disabled\nProfiles:\n    - default\n" in info
    assert seat.lxc("image", "get-property", "un", "os") == "busybox\n"
    seat.lxc("image", "set-property", "un", "os", "other")
    assert seat.lxc("image", "get-property", name[:7], "os") == "other\n"
    seat.lxc("image", "unset-property", "un", "os")
    assert seat.fails("image", "get-property", "un", "os") == "Property not found"
    seat.lxc("image", "edit", "un", stdin=b"auto_update: true\npublic: true\nproperties:\n  a: b\n")
    shown = yaml.safe_load(seat.lxc("image", "show", "un"))
    assert (shown["auto_update"], shown["public"], shown["properties"]) == (True, True, {"a": "b"})
    assert shown["profiles"] == ["default"]
    assert seat.fails("image", "show", "nosuch") == "Image not found"


def test_aliases_come_move_and_go(seat: Seat) -> None:
    name = fingerprint(seat.lxc("image", "import", str(images() / "unified.tar.gz")))
    seat.lxc("image", "alias", "create", "with/slash/es", name[:12])
    seat.lxc("image", "alias", "create", "two", name)
    assert 'lias "two" already exists' in seat.fails("image", "alias", "create", "two", name)
    if seat.at_real:  # whose rename takes ten seconds
        seat.lxc("image", "alias", "delete", "two")
        seat.lxc("image", "alias", "create", "three", name)
    else:
        seat.lxc("image", "alias", "rename", "two", "three")
    listed = seat.lxc("image", "alias", "list", "-f", "csv")
    assert listed == f"three,{name[:12]},CONTAINER,\nwith/slash/es,{name[:12]},CONTAINER,\n"
    assert f"Fingerprint: {name}" in seat.lxc("image", "info", "with/slash/es")
    seat.lxc("image", "alias", "delete", "with/slash/es")
    assert "not found" in seat.fails("image", "alias", "delete", "with/slash/es")
    other = fingerprint(
        seat.lxc("image", "import", str(images() / "meta.tar.gz"), str(images() / "rootfs.tar.gz"), "--alias", "three")
    )
    assert seat.lxc("image", "list", "three", "-f", "csv", "-c", "F").strip() == other, "an import moves its aliases"
    seat.lxc("image", "delete", name, "three")
    assert seat.lxc("image", "list", "-f", "csv") == ""


def test_the_same_image_twice_is_refused_and_the_first_stays(seat: Seat) -> None:
    name = fingerprint(seat.lxc("image", "import", str(images() / "unified.tar.gz"), "--alias", "un"))
    assert (
        seat.fails("image", "import", str(images() / "unified.tar.gz")) == "Image with same fingerprint already exists"
    )
    assert seat.lxc("image", "list", "-f", "csv", "-c", "lF").strip() == f"un,{name}"


def test_requests_can_be_made_by_hand(seat: Seat) -> None:
    name = fingerprint(seat.lxc("image", "import", str(images() / "unified.tar.gz")))
    assert json.loads(seat.lxc("query", "/1.0/images")) == [f"/1.0/images/{name}"]
    assert json.loads(seat.lxc("query", "--raw", f"/1.0/images/{name}"))["status_code"] == 200
    body = json.dumps({"name": "q", "target": name})
    seat.lxc("query", "-X", "POST", "-d", body, "/1.0/images/aliases")
    assert json.loads(seat.lxc("query", "/1.0/images/aliases/q"))["target"] == name
    ended = json.loads(seat.lxc("query", "--wait", "-X", "DELETE", f"/1.0/images/{name}"))
    assert (ended["status"], ended["resources"]) == ("Success", {"images": [f"/1.0/images/{name}"]})
    assert json.loads(seat.lxc("query", "/1.0/images")) == []
