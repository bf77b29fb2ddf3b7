from __future__ import annotations

import io
import struct

import pytest
from tests.hostile.tar_builder import (
    GOOD_YAML,
    file,
    folder,
    hardlink,
    header,
    image,
    pax,
    rootfs_parts,
    symlink,
    tarball,
)

from azekura.errors import AzekuraError, InvalidRequest, TooLarge
from azekura.formats.capabilities import describe_capability
from azekura.formats.entry import Content, Entry, shown
from azekura.formats.limits import Limits
from azekura.formats.rules import clean_path
from azekura.formats.scan import scan_metadata, scan_rootfs_tar, scan_unified
from azekura.formats.scanned import ScannedImage
from azekura.model.image import ImageType

NET_RAW = struct.pack("<5I", 0x02000001, 1 << 13, 0, 0, 0)


class Collect:
    """An entry sink that remembers."""

    def __init__(self) -> None:
        self.entries: list[tuple[Entry, bytes]] = []
        self.finished = False

    def add(self, entry: Entry, content: Content) -> None:
        self.entries.append((entry, b"".join(piece for _, piece in content)))

    def finish(self) -> None:
        self.finished = True


def scan(data: bytes, sink: Collect | None = None, limits: Limits = Limits()) -> ScannedImage:  # noqa: B008 - frozen
    return scan_unified(io.BytesIO(data), sink, limits)


def test_a_unified_image_is_described() -> None:
    sink = Collect()
    got = scan(
        image(
            folder(b"templates/"),
            file(b"templates/hosts.tpl", b"127.0.0.1 {{ container.name }}"),
            file(b"rootfs/bin/su", b"x" * 10, mode=0o4755),
            pax({b"SCHILY.xattr.security.capability": NET_RAW, b"SCHILY.xattr.security.selinux": b"label"}),
            file(b"rootfs/bin/ping", b"y" * 5, mode=0o755),
            header(b"rootfs/dev/null", b"3", major=1, minor=3),
            hardlink(b"rootfs/bin/su2", b"./rootfs/bin/su"),
            header(b"rootfs/home/u", b"5", uid=b"0200000\0"),
        ),
        sink,
    )
    assert got.metadata.architecture == "x86_64"
    assert got.metadata_yaml == GOOD_YAML
    assert got.templates == {"hosts.tpl": b"127.0.0.1 {{ container.name }}"}
    assert got.type is ImageType.CONTAINER
    assert got.rootfs.setuid == ("bin/su",)
    assert got.rootfs.capabilities == ("bin/ping cap_net_raw=ep",)
    assert got.rootfs.devices == ("dev/null c 1:3",)
    assert (got.rootfs.has_init, got.rootfs.highest_id, got.rootfs.dropped_xattrs) == (True, 65536, 1)
    assert got.rootfs.entries == len(sink.entries) == 10
    assert sink.finished
    assert sink.entries[0][0].path == b""
    assert sink.entries[-2][0].target == b"bin/su"
    assert all(entry.path.split(b"/")[0] != b"rootfs" for entry, _ in sink.entries)


@pytest.mark.parametrize("prefix", [b"", b"./", b".//./"])
def test_leading_dots_make_no_difference(prefix: bytes) -> None:
    data = tarball(folder(b"./"), file(prefix + b"metadata.yaml", GOOD_YAML), *rootfs_parts(prefix + b"rootfs/"))
    assert scan(data).rootfs.entries == 5


def test_metadata_may_come_last() -> None:
    assert scan(tarball(*rootfs_parts(b"rootfs/"), file(b"metadata.yaml", GOOD_YAML))).rootfs.has_init


def test_parents_may_be_left_out_or_come_late() -> None:
    sink = Collect()
    scan(
        tarball(file(b"metadata.yaml", GOOD_YAML), file(b"rootfs/a/b/c"), folder(b"rootfs/a/b"), folder(b"rootfs")),
        sink,
    )
    assert [entry.path for entry, _ in sink.entries] == [b"a/b/c", b"a/b", b""]


def test_a_virtual_machine_is_told_by_its_disk() -> None:
    got = scan(tarball(file(b"metadata.yaml", GOOD_YAML), file(b"rootfs.img", b"QFI" + bytes(100))))
    assert got.type is ImageType.VIRTUAL_MACHINE
    assert got.rootfs.unpacked_bytes == 103


def test_unknown_plain_files_at_the_top_are_passed_over() -> None:
    sink = Collect()
    scan(image(file(b"backup.yaml", b"x"), folder(b"extra"), file(b"extra/y", b"z")), sink)
    assert len(sink.entries) == 5


def test_a_metadata_tarball_alone_is_told_so() -> None:
    with pytest.raises(InvalidRequest, match="Image is missing a rootfs") as caught:
        scan(tarball(file(b"metadata.yaml", GOOD_YAML)))
    assert "together with its rootfs" in (caught.value.hint or "")


def test_a_rootfs_alone_is_missing_its_metadata() -> None:
    with pytest.raises(InvalidRequest, match=r"Metadata tarball is missing metadata\.yaml"):
        scan(tarball(*rootfs_parts(b"./")))


def test_split_images_are_read_in_two() -> None:
    meta = scan_metadata(io.BytesIO(tarball(file(b"metadata.yaml", GOOD_YAML), file(b"templates/a", b"b"))))
    assert meta.templates == {"a": b"b"}
    root = scan_rootfs_tar(io.BytesIO(tarball(*rootfs_parts(b"./"))), None)
    assert root.rootfs.has_init
    with pytest.raises(InvalidRequest, match="has a rootfs in it"):
        scan_metadata(io.BytesIO(image()))


def test_limits_on_templates_and_entries_hold() -> None:
    many = [file(b"templates/%d" % number, b"x" * 100) for number in range(20)]
    for limits in (Limits(templates=10), Limits(templates_bytes=1000), Limits(template_bytes=50), Limits(entries=4)):
        with pytest.raises(TooLarge):
            scan(image(*many), limits=limits)
    with pytest.raises(TooLarge, match="unpacks to more"):
        scan(image(file(b"rootfs/big", bytes(5000))), limits=Limits(expanded_bytes=4000))


def test_all_faults_can_be_collected_instead_of_the_first() -> None:
    faults: list[AzekuraError] = []
    data = image(
        symlink(b"templates", b"/etc"),
        file(b"../x"),
        header(b"rootfs/null", b"3"),
        pax({b"SCHILY.xattr.trusted.overlay.opaque": b"y"}),
        folder(b"rootfs/opaque"),
        file(b"rootfs/fine", b"x"),
    )
    sink = Collect()
    scan_unified(io.BytesIO(data), sink, fault=faults.append)
    assert len(faults) == 4
    assert sink.entries[-1][0].path == b"fine"


@pytest.mark.parametrize(
    ("name", "path"),
    [(b"./", b""), (b".", b""), (b"a/b/", b"a/b"), (b"./a//./b", b"a/b"), (b"...", b"..."), (b"\xff", b"\xff")],
)
def test_names_become_clean_paths(name: bytes, path: bytes) -> None:
    assert clean_path(name, Limits()) == path


@pytest.mark.parametrize(
    "name", [b"", b"/a", b"//a", b"/rootfs/a", b"..", b"a/..", b"./../a", b"a/../b", b"a\0b", b"x" * 256, b"x/" * 2100]
)
def test_names_that_lead_elsewhere_are_refused(name: bytes) -> None:
    with pytest.raises((InvalidRequest, TooLarge)):
        clean_path(name, Limits())


def test_names_are_shown_without_control_characters() -> None:
    assert shown(b"a\x1b[2Jb\xff\n") == "a\\x1b[2Jb\\\\xff\\n"
    assert len(shown(b"x" * 5000)) == 200


def test_capabilities_are_spelled_out() -> None:
    both = struct.pack("<5I", 0x02000000, 1 << 0, 1 << 0 | 1 << 12, 1 << 7, 0)
    assert describe_capability(both, "p") == "cap_chown=ip cap_perfmon,cap_bpf=p cap_net_admin=i".replace(
        "cap_perfmon,cap_bpf", "cap_bpf"
    )
    for bad in (b"", b"\1\0\0\2", NET_RAW + b"x", struct.pack("<6I", 0x03000001, 1, 0, 0, 0, 100000)):
        with pytest.raises(InvalidRequest):
            describe_capability(bad, "p")
