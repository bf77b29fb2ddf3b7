"""Choosing a driver: by name, or by what the machine can do."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from azekura.errors import InvalidRequest
from azekura.storage.drivers import DRIVERS, open_driver
from azekura.storage.layer_map import LayerMaps
from azekura.storage.port import IdMap
from azekura.storage.probe import probe


@pytest.fixture
def overlay_root(tmp_path: Path) -> Iterator[Path]:
    """A folder on overlayfs, as the root of an application container is: it can't map ids."""
    for name in ("lower", "upper", "work", "merged"):
        (tmp_path / name).mkdir()
    options = ",".join(f"{key}dir={tmp_path / key}" for key in ("lower", "upper", "work"))
    subprocess.run(["mount", "-t", "overlay", "-o", options, "overlay", tmp_path / "merged"], check=True)
    yield tmp_path / "merged"
    subprocess.run(["umount", tmp_path / "merged"], check=True)


def test_every_driver_opens_by_name(tmp_path: Path) -> None:
    assert list(DRIVERS) == ["overlay", "btrfs", "dir"]
    for name in DRIVERS:
        driver = open_driver(name, tmp_path / name)
        assert driver.name == name
        assert driver.path == tmp_path / name
        assert not driver.path.exists()


def test_unknown_drivers_and_options_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidRequest, match="overlay, btrfs, dir"):
        open_driver("zfs", tmp_path)
    with pytest.raises(InvalidRequest, match="takes no source"):
        open_driver("dir", tmp_path, size=1 << 30)


@pytest.mark.root
def test_probe_finds_what_the_file_system_can_do(tmp_path: Path) -> None:
    found = probe(tmp_path / "pools/default")
    assert found.overlay is not None
    assert found.best == "overlay"
    assert found.idmap
    assert found.squashfs
    assert list(tmp_path.iterdir()) == []


@pytest.mark.root
def test_probe_says_why_not(overlay_root: Path) -> None:
    found = probe(overlay_root)
    assert (found.overlay, found.idmap, found.best) == (None, False, "dir")
    assert any(reason.startswith(f"The file system of {overlay_root} can't map ids") for reason in found.reasons)
    assert any(reason.startswith("No overlay with mapped ids") for reason in found.reasons)


def test_probe_without_root_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    found = probe(tmp_path)
    assert found.best is None
    assert found.reasons == ("Only root can mount the root file systems of containers: this server only serves images",)


@pytest.mark.root
def test_namespace_of_a_map_is_made_once() -> None:
    maps = LayerMaps()
    identities = []
    for _ in range(2):
        with maps.namespace(IdMap(100_000, 65536)) as descriptor:
            identities.append(os.fstat(descriptor).st_ino)
    with maps.namespace(IdMap(200_000, 65536)) as descriptor:
        identities.append(os.fstat(descriptor).st_ino)
    assert identities[0] == identities[1] != identities[2]
    before = len(list(Path("/proc/self/fd").iterdir()))
    maps.close()
    assert len(list(Path("/proc/self/fd").iterdir())) == before - 2


@pytest.mark.parametrize(("base", "count"), [(0, 65536), (-1, 1), (100_000, 0), (2**32 - 100, 100), (1, 2**32 - 1)])
def test_maps_that_reach_the_hosts_root_or_nowhere_are_refused(base: int, count: int) -> None:
    with pytest.raises(InvalidRequest):
        IdMap(base, count)
