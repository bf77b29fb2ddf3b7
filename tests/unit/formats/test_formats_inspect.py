from __future__ import annotations

import gzip
import hashlib
import io
import json
from pathlib import Path

import pytest
from tests.hostile import squashfs_builder as sq
from tests.hostile.evil_images import CASES, METADATA, Case
from tests.hostile.tar_builder import (
    GOOD_YAML,
    file,
    folder,
    header,
    image,
    pax,
    rootfs_parts,
    symlink,
    tarball,
)

from azekura.errors import InvalidRequest, NotFound
from azekura.formats.inspect import inspect_files
from azekura.formats.limits import Limits
from azekura.formats.pair import classify_pair
from azekura.formats.qcow2 import check_qcow2

QCOW2 = (b"QFI\xfb\0\0\0\x03" + bytes(12) + b"\0\0\0\x10" + b"\0\0\0\0\x40\0\0\0").ljust(512, b"\0")


def write(path: Path, data: bytes) -> Path:
    path.write_bytes(data)
    return path


def test_a_good_image_has_nothing_against_it(tmp_path: Path) -> None:
    data = gzip.compress(image(file(b"rootfs/bin/su", b"x" * 7, mode=0o4755)))
    report = inspect_files([write(tmp_path / "image", data)])
    assert report.refused == report.warnings == ()
    assert report.fingerprint == hashlib.sha256(data).hexdigest() == report.files[0].sha256
    assert (report.size, report.type, report.files[0].format, report.files[0].compression) == (
        len(data),
        "container",
        "tar",
        "gzip",
    )
    assert report.metadata is not None
    assert report.metadata.properties == {"os": "Test"}
    assert report.rootfs is not None
    assert report.rootfs.setuid == ("bin/su",)
    assert json.loads(json.dumps(report.to_json()))["rootfs"]["entries"] == 6


def test_everything_that_would_be_refused_is_told(tmp_path: Path) -> None:
    data = image(
        symlink(b"templates", b"/etc"),
        file(b"../x"),
        header(b"rootfs/null", b"3"),
        pax({b"SCHILY.xattr.trusted.overlay.opaque": b"y"}),
        folder(b"rootfs/opaque"),
        symlink(b"backup.yaml", b"/x"),
        metadata=b"architecture: foo\nproperties: {a: [b]}\n",
    )
    whole = "\n".join(inspect_files([write(tmp_path / "image", data)]).refused)
    for fragment in (
        '"templates" is a symbolic link',
        "leads outside",
        "device 0:0",
        "trusted.overlay.opaque",
        '"backup.yaml" is a symbolic link',
        "Architecture isn't supported: foo",
        "Missing creation date",
        'the value of "a" must be text',
    ):
        assert fragment in whole
    cut = "\n".join(inspect_files([write(tmp_path / "image", data[:-1024])]).refused)
    assert "device 0:0" in cut
    assert "truncated" in cut


def test_warnings_tell_what_users_may_regret(tmp_path: Path) -> None:
    data = tarball(
        file(b"metadata.yaml", GOOD_YAML + b"templates: {/x: {when: [create], template: missing.tpl}}\n"),
        file(b"templates/unused.tpl", b"x"),
        file(b"rootfs/f", b"x", uid=b"0300000\0"),
        header(b"rootfs/dev/null", b"3", major=1, minor=3),
    )
    report = inspect_files([write(tmp_path / "image", data)])
    assert report.refused == ()
    assert len(report.warnings) == 5
    assert report.templates == {"unused.tpl": 1}


@pytest.mark.parametrize("swapped", [False, True])
@pytest.mark.parametrize(
    "rootfs",
    [
        tarball(*rootfs_parts(b"./")),
        tarball(symlink(b"./bin", b"usr/bin"), *rootfs_parts(b"./")),
        sq.squashfs(sq.rootfs()),
        QCOW2,
    ],
)
def test_split_images_are_understood_in_either_order(tmp_path: Path, rootfs: bytes, swapped: bool) -> None:
    paths = [write(tmp_path / "a", METADATA), write(tmp_path / "b", rootfs)]
    report = inspect_files(paths[::-1] if swapped else paths)
    assert report.refused == ()
    assert report.fingerprint == hashlib.sha256(METADATA + rootfs).hexdigest()
    assert [(one.path, one.role) for one in report.files] == [(str(paths[0]), "metadata"), (str(paths[1]), "rootfs")]
    assert report.type == ("virtual-machine" if rootfs is QCOW2 else "container")


def test_the_smaller_of_two_alike_is_the_metadata() -> None:
    small, large = io.BytesIO(b"x"), io.BytesIO(b"xx")
    assert classify_pair(large, small) == (small, large)
    assert classify_pair(small, large) == (small, large)
    assert small.tell() == large.tell() == 0


@pytest.mark.parametrize("case", [case for case in CASES if not case.name.startswith("bomb-")], ids=str)
def test_an_inspection_tells_what_an_import_would_say(case: Case, tmp_path: Path) -> None:
    report = inspect_files(case.make(tmp_path))
    if case.name != "metadata-with-a-rootfs":  # sizes and contents make the other file the metadata
        assert case.fragment in "\n".join(report.refused)


def test_faults_are_not_listed_without_end(tmp_path: Path) -> None:
    data = image(*[header(b"rootfs/%d" % number, b"3") for number in range(500)])
    report = inspect_files([write(tmp_path / "image", data)], Limits(issues=20))
    assert 20 <= len(report.refused) <= 22
    assert "the rest was not looked at" in report.refused[-1]


def test_what_is_not_there_or_too_much_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="no such file or directory"):
        inspect_files([tmp_path / "none"])
    with pytest.raises(InvalidRequest):
        inspect_files([])


def test_disks_that_name_other_files_are_refused() -> None:
    assert check_qcow2(QCOW2) == 1 << 30
    with pytest.raises(InvalidRequest, match="backing file"):
        check_qcow2(QCOW2[:15] + b"\x40" + QCOW2[16:])
    with pytest.raises(InvalidRequest, match="external data file"):
        check_qcow2(QCOW2[:79] + b"\x04" + QCOW2[80:])
    for bad in (QCOW2[:50], b"QFI\xfb\0\0\0\x09" + bytes(500)):
        with pytest.raises(InvalidRequest):
            check_qcow2(bad)
