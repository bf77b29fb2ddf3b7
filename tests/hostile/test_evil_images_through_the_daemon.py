"""Every evil image through the daemon's doors: refused with its reason, nothing kept, nothing written outside."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from tests.daemon_process import Daemon, running_daemon
from tests.hostile.evil_images import CASES, Case, canary, check_canary, plant_canary
from tests.hostile.tar_builder import file, image

from azekura.client.body import FilePiece, FormFile, file_body, form_body
from azekura.errors import AzekuraError


@pytest.fixture(scope="module")
def daemon() -> Iterator[Daemon]:
    import os

    with running_daemon(driver="overlay" if os.geteuid() == 0 else None) as process:
        yield process


def _upload(daemon: Daemon, files: list[Path]) -> str:
    """Send an image as a client does; the error it gets."""
    server = daemon.server()
    with ExitStack() as stack:
        stack.callback(server.close)
        opened = [stack.enter_context(path.open("rb")) for path in files]
        if len(opened) == 1:
            body = file_body(opened[0])
        else:
            forms = zip(("metadata", "rootfs"), opened, strict=True)
            body = form_body([FormFile(field, "x", FilePiece(raw)) for field, raw in forms])
        try:
            server.run("POST", "images", body=body)
        except AzekuraError as exc:
            return str(exc)
    return ""


def _kept(daemon: Daemon) -> list[str]:
    """Files of the store and trees of the pool."""
    blobs = [str(path) for path in (daemon.folder / "images").rglob("*") if path.is_file()]
    trees = [str(path) for path in (daemon.folder / "storage-pools").glob("*/images/*")]
    return blobs + trees


@pytest.mark.parametrize("case", CASES, ids=str)
def test_an_evil_image_is_refused_at_the_socket(case: Case, daemon: Daemon, tmp_path: Path) -> None:
    tmp_path.chmod(0o711)
    place = tmp_path / "place"
    place.mkdir()
    outside = plant_canary(place)
    said = _upload(daemon, case.make(place))
    check_canary(outside)
    assert said, f"{case.name} was accepted"
    assert case.fragment in said, said
    assert said.count("\n") == 0
    assert len(said) < 2000
    assert _kept(daemon) == []
    assert daemon.server().get("images") == []
    assert daemon.process is not None
    assert daemon.process.poll() is None, "the daemon died"


@pytest.mark.root
def test_the_one_absolute_name_that_lxds_own_image_has_is_below_its_root(tmp_path: Path) -> None:
    """``/rootfs/etc/inittab``, made by LXD's test/deps/import-busybox."""
    place = tmp_path / "place"
    place.mkdir()
    outside = plant_canary(place)
    evil = canary(place) + b"/evil"
    (place / "image.tar").write_bytes(image(file(b"/rootfs" + evil, b"evil")))
    with running_daemon(driver="dir") as daemon:
        assert _upload(daemon, [place / "image.tar"]) == ""
        (url,) = daemon.server().get("images")
        daemon.lxc("init", url.rpartition("/")[2], "c1")
        assert daemon.lxc("file", "pull", f"c1{evil.decode()}", "-") == "evil"
    check_canary(outside)
