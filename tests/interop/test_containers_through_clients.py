"""Containers from creation to deletion, and back into an image, through each client at each daemon."""

from __future__ import annotations

import io
import subprocess
import tarfile
from pathlib import Path

import pytest
import yaml
from tests.busybox_images import images
from tests.interop.seats import Seat, fingerprint

pytestmark = [pytest.mark.interop, pytest.mark.root]

# cap_net_raw=ep as the kernel keeps it (version 2, effective, bit 13)
CAPABILITY = bytes.fromhex("0100000200200000000000000000000000000000")

ZSTD = b"\x28\xb5\x2f\xfd"


@pytest.fixture
def seat(pairing: Seat) -> Seat:
    """With the image ``sq`` and nothing else."""
    pairing.empty()
    pairing.lxc("image", "import", str(images() / "meta.tar.gz"), str(images() / "rootfs.squashfs"), "--alias", "sq")
    return pairing


def states(seat: Seat) -> dict[str, str]:
    rows = seat.lxc("list", "-f", "csv", "-c", "ns").split()
    return dict(row.split(",") for row in rows)


def test_container_is_made_started_stopped_and_deleted(seat: Seat) -> None:
    assert "Creating c1" in seat.lxc("init", "sq", "c1", "-c", "user.a=1")
    assert states(seat) == {"c1": "STOPPED"}
    seat.lxc("start", "c1")
    assert states(seat) == {"c1": "RUNNING"}
    first = seat.lxc("exec", "c1", "--", "cat", "/proc/sys/kernel/random/boot_id", "/etc/hostname")
    assert first.endswith("\nc1\n")
    assert "running" in seat.fails("delete", "c1")
    seat.lxc("restart", "-f", "c1")
    assert states(seat) == {"c1": "RUNNING"}
    seat.lxc("pause", "c1")
    assert states(seat) == {"c1": "FROZEN"}
    seat.lxc("start", "c1")
    seat.lxc("stop", "-f", "c1")
    assert states(seat) == {"c1": "STOPPED"}
    assert seat.fails("exec", "c1", "--", "true") == "Instance is not running"
    seat.lxc("delete", "c1")
    assert states(seat) == {}


def test_container_stops_cleanly_when_its_init_does(seat: Seat) -> None:
    seat.lxc("launch", "sq", "c1")
    seat.lxc("stop", "c1", "--timeout", "20")
    assert states(seat) == {"c1": "STOPPED"}


def test_several_are_deleted_at_once_and_an_ephemeral_one_by_itself(seat: Seat) -> None:
    for name in ("c1", "c2"):
        seat.lxc("init", "sq", name)
    seat.lxc("launch", "sq", "c3", "-e")
    assert seat.lxc("list", "c3", "-f", "csv", "-c", "t").strip() == "CONTAINER (EPHEMERAL)"
    seat.lxc("stop", "-f", "c3")
    assert states(seat) == {"c1": "STOPPED", "c2": "STOPPED"}
    seat.lxc("delete", "c1", "c2")
    assert states(seat) == {}


@pytest.mark.parametrize(
    ("words", "error"),
    [
        (("init", "nosuch", "c1"), "Image not found"),
        (("start", "nosuch"), "Instance not found"),
        (("init", "sq", "0bad"), "Invalid instance name"),
        (("init", "sq", "c1", "-p", "nosuch"), 'profile "nosuch" doesn\'t exist'),
        (("init", "sq", "c1", "-s", "nosuch"), "Storage pool not found"),
    ],
)
def test_what_cannot_be_is_refused_and_leaves_nothing(seat: Seat, words: tuple[str, ...], error: str) -> None:
    assert error in seat.fails(*words)
    assert states(seat) == {}


def test_snapshots_bring_back_files_and_settings(seat: Seat) -> None:
    seat.lxc("init", "sq", "c1", "-c", "user.a=1")
    seat.lxc("file", "push", "-", "c1/root/mark", stdin=b"before\n")
    seat.lxc("snapshot", "c1", "one")
    seat.lxc("snapshot", "c1")
    seat.lxc("file", "push", "-", "c1/root/mark", stdin=b"after\n")
    seat.lxc("config", "set", "c1", "user.a", "2")
    assert seat.lxc("list", "c1", "-f", "csv", "-c", "S").strip() == "2"
    assert "one" in seat.lxc("info", "c1")
    seat.lxc("restore", "c1", "one")
    assert seat.lxc("file", "pull", "c1/root/mark", "-") == "before\n"
    assert seat.lxc("config", "get", "c1", "user.a") == "1\n"
    seat.lxc("delete", "c1/one")
    seat.lxc("copy", "c1/snap0", "c2")
    seat.lxc("copy", "c1", "c3")
    seat.lxc("rename", "c2", "c4")
    assert seat.lxc("file", "pull", "c4/root/mark", "-") == "before\n"
    assert sorted(states(seat)) == ["c1", "c3", "c4"]
    assert seat.lxc("list", "-f", "csv", "-c", "nS").split() == ["c1,1", "c3,1", "c4,0"]
    seat.lxc("start", "c4")
    assert seat.lxc("exec", "c4", "--", "cat", "/etc/hostname") == "c4\n"


def test_published_image_keeps_aliases_properties_and_metadata(seat: Seat, tmp_path: Path) -> None:
    seat.lxc("launch", "sq", "c1")
    assert "running" in seat.fails("publish", "c1")
    seat.lxc("stop", "-f", "c1")
    name = fingerprint(seat.lxc("publish", "c1", "--alias", "pub", "--alias", "second", "--public", "os=mine", "x=y"))
    shown = yaml.safe_load(seat.lxc("image", "show", "pub"))
    assert shown["properties"] == {"os": "mine", "x": "y"}
    assert shown["public"] is True
    assert seat.lxc("image", "list", "second", "-f", "csv", "-c", "F").strip() == name
    seat.lxc("image", "export", "pub", str(tmp_path))
    (exported,) = tmp_path.iterdir()
    assert exported.name.startswith(f"{name}.tar")
    assert "already exists" in seat.fails("image", "import", str(exported))
    seat.lxc("delete", "c1")
    seat.lxc("launch", "pub", "c2")
    assert seat.lxc("exec", "c2", "--", "cat", "/etc/hostname") == "c2\n"
    assert seat.lxc("config", "get", "c2", "image.os") == "mine\n"
    assert seat.lxc("config", "get", "c2", "volatile.base_image").strip() == name


def special_image() -> bytes:
    """A unified image with one of everything that a publish must keep."""
    out = io.BytesIO()
    with (
        tarfile.open(images() / "unified.tar.gz") as source,
        tarfile.open(fileobj=out, mode="w:gz", format=tarfile.PAX_FORMAT) as target,
    ):
        for entry in source:
            target.addfile(entry, source.extractfile(entry) if entry.isreg() else None)

        def add(
            name: str, kind: bytes = tarfile.REGTYPE, *, mode: int, uid: int = 0, gid: int = 0, **more: object
        ) -> None:
            entry = tarfile.TarInfo(f"./rootfs/special/{name}".rstrip("/"))
            entry.type, entry.mode, entry.uid, entry.gid, entry.mtime = kind, mode, uid, gid, 1_600_000_000
            for key, value in more.items():
                setattr(entry, key, value)
            data = b"content\n" if kind == tarfile.REGTYPE else b""
            entry.size = len(data)
            target.addfile(entry, io.BytesIO(data))

        add("", tarfile.DIRTYPE, mode=0o1777, uid=3, gid=4)
        add("owned", mode=0o640, uid=1000, gid=65534)
        add("setuid", mode=0o4755)
        add("setgid", mode=0o2711, gid=5)
        add("hard", tarfile.LNKTYPE, mode=0o640, uid=1000, gid=65534, linkname="./rootfs/special/owned")
        add("soft", tarfile.SYMTYPE, mode=0o777, linkname="../etc/nowhere")
        add("fifo", tarfile.FIFOTYPE, mode=0o600)
        add("marked", mode=0o600, pax_headers={"SCHILY.xattr.user.note": "hello"})
        add("able", mode=0o755, pax_headers={"SCHILY.xattr.security.capability": CAPABILITY.decode("latin-1")})
        add("näme ☃", mode=0o600)
    return out.getvalue()


def described(data: bytes) -> dict[str, tuple[object, ...]]:
    """The special entries of an image: name → all that matters of them."""
    if data[:4] == ZSTD:
        data = subprocess.run(["zstd", "-dc"], input=data, capture_output=True, check=True).stdout
    found: dict[str, tuple[object, ...]] = {}
    with tarfile.open(fileobj=io.BytesIO(data)) as tar:
        for entry in tar:
            name = entry.name.removeprefix("./")
            if not name.startswith("rootfs/special"):
                continue
            attributes = {key: value for key, value in entry.pax_headers.items() if "xattr" in key}
            for key, value in attributes.items():  # version 3 adds the owner's root: 0 says what version 2 says
                if key.endswith("capability") and value[3] == "\x03" and value[20:] == "\0" * 4:
                    attributes[key] = f"{value[:3]}\x02{value[4:20]}"
            link = entry.linkname.removeprefix("./")
            found[name] = (entry.type, entry.mode, entry.uid, entry.gid, link, attributes)
    return found


def test_publishing_keeps_owners_modes_links_and_attributes(seat: Seat, tmp_path: Path) -> None:
    (tmp_path / "special.tar.gz").write_bytes(special_image())
    seat.lxc("image", "import", str(tmp_path / "special.tar.gz"), "--alias", "special")
    seat.lxc("launch", "special", "c1")
    seat.lxc("exec", "c1", "--", "touch", "/special/made-inside")
    seat.lxc("exec", "c1", "--", "chown", "12:34", "/special/made-inside")
    seat.lxc("stop", "-f", "c1")
    seat.lxc("publish", "c1", "--alias", "again", "os=special")
    seat.lxc("image", "export", "again", str(tmp_path / "again"))
    (exported,) = tmp_path.glob("again*")
    before, after = described((tmp_path / "special.tar.gz").read_bytes()), described(exported.read_bytes())
    made = after.pop("rootfs/special/made-inside")
    assert made[1:4] == (0o644, 12, 34)
    # which of two hard-linked names comes first in the archive is the packer's choice
    pair = {"rootfs/special/owned", "rootfs/special/hard"}
    linked = [name for name in pair if after[name][0] == tarfile.LNKTYPE]
    assert len(linked) == 1
    assert after[linked[0]][4] in pair
    for name in pair:
        assert after.pop(name)[1:4] == before.pop(name)[1:4]
    assert after == before
    seat.lxc("launch", "again", "c2")
    script = "cd /special; stat -c '%n %a %u %g %h' owned setuid setgid hard made-inside; readlink soft; cat 'näme ☃'"
    listed = seat.lxc("exec", "c2", "--", "/bin/busybox", "sh", "-c", script.replace("readlink", "busybox readlink"))
    assert listed == (
        "owned 640 1000 65534 2\nsetuid 4755 0 0 1\nsetgid 2711 0 5 1\nhard 640 1000 65534 2\n"
        "made-inside 644 12 34 1\n../etc/nowhere\ncontent\n"
    )
