"""Every evil image is refused by the right words, and nothing outside is touched, by each way of reading it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.hostile import squashfs_builder as sq
from tests.hostile.evil_images import CASES, METADATA, Case, check_canary, plant_canary
from tests.hostile.tar_builder import image, rootfs_parts, tarball

from azekura.errors import AzekuraError, InvalidRequest, TooLarge, Unsupported
from azekura.formats.compression import Decompressed, open_reader
from azekura.formats.confined import ConfinedScan, scan_squashfs_confined, unpack_squashfs_confined
from azekura.formats.entry import EntrySink
from azekura.formats.magic import Container, sniff
from azekura.formats.scan import scan_metadata, scan_rootfs_tar, scan_unified
from azekura.formats.squashfs import scan_rootfs_squashfs
from azekura.formats.tree_writer import TreeWriter

REFUSALS = (InvalidRequest, TooLarge, Unsupported)


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Path]:
    """Where the image's files are made; a canary lies beside it, and must outlive the test unharmed."""
    folder = tmp_path / "files"
    folder.mkdir()
    outside = plant_canary(folder)
    yield folder
    check_canary(outside)


def opened(path: Path, raw: object) -> Decompressed:
    kind = sniff(path.read_bytes()[:512])
    assert kind.container is Container.TAR
    return open_reader(raw, kind.compression)  # type: ignore[arg-type]


def read_here(files: list[Path], sink: EntrySink | None) -> None:
    """As the library reads images."""
    with files[0].open("rb") as raw:
        if len(files) == 1:
            scan_unified(opened(files[0], raw), sink)
            return
        scan_metadata(opened(files[0], raw))
    with files[1].open("rb") as raw:
        if sniff(raw.read(512)).container is Container.SQUASHFS:
            scan_rootfs_squashfs(raw, sink=sink)
        else:
            raw.seek(0)
            scan_rootfs_tar(opened(files[1], raw), sink)


def read_confined(files: list[Path], target: Path | None) -> None:
    """As the daemon reads images."""
    if len(files) == 2:
        with files[0].open("rb") as raw:
            scan_metadata(opened(files[0], raw))
        if files[1].suffix == ".squashfs":
            if target is None:
                scan_squashfs_confined(files[1])
            else:
                unpack_squashfs_confined(files[1], target)
            return
    with ConfinedScan("unified" if len(files) == 1 else "rootfs", target) as scan, files[-1].open("rb") as raw:
        while data := raw.read(1 << 20):
            scan.write(data)
        scan.finish()


def refusal(error: AzekuraError) -> str:
    return "\n".join([error.message, *getattr(error, "issues", ())])


@pytest.mark.parametrize("case", CASES, ids=str)
def test_an_evil_image_is_refused_by_a_scan(case: Case, place: Path) -> None:
    files = case.make(place)
    with pytest.raises(REFUSALS) as caught:
        read_here(files, None)
    assert case.fragment in refusal(caught.value)


@pytest.mark.root
@pytest.mark.parametrize("case", CASES, ids=str)
def test_an_evil_image_writes_nothing_outside_even_without_confinement(case: Case, place: Path) -> None:
    target = place / "tree"
    target.mkdir()
    root = os.open(target, os.O_DIRECTORY)
    try:
        with TreeWriter(root, "tree") as writer, pytest.raises(REFUSALS):
            read_here(case.make(place), writer)
    finally:
        os.close(root)


@pytest.mark.root
@pytest.mark.slow
@pytest.mark.parametrize("case", CASES, ids=str)
def test_an_evil_image_is_refused_by_the_confined_child(case: Case, place: Path) -> None:
    target = place / "tree"
    target.mkdir()
    with pytest.raises(REFUSALS) as caught:
        read_confined(case.make(place), target)
    assert case.fragment in refusal(caught.value)


@pytest.mark.root
def test_the_good_images_that_the_evil_ones_are_made_of_are_accepted(place: Path) -> None:
    (place / "unified.tar").write_bytes(image())
    (place / "meta.tar").write_bytes(METADATA)
    (place / "root.tar").write_bytes(tarball(*rootfs_parts(b"./")))
    (place / "root.squashfs").write_bytes(
        sq.squashfs(sq.rootfs((b"f", sq.file(b"x" * 9000)), (b"l", sq.symlink(b"f"))))
    )
    for number, names in enumerate((["unified.tar"], ["meta.tar", "root.tar"], ["meta.tar", "root.squashfs"])):
        files = [place / name for name in names]
        read_here(files, None)
        target = place / f"tree{number}"
        target.mkdir()
        read_confined(files, target)
        assert (target / "etc" / "hostname").read_text() == "box\n"
    assert (place / "tree2" / "f").read_bytes() == b"x" * 9000
