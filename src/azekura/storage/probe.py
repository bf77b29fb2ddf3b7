"""What this machine's kernel and the file system below a folder can do for storage pools, by trying it.

Used by ``lxd init`` to choose a driver and to say why another wasn't.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from azekura.storage.faults import explained
from azekura.storage.kernel.mounts import clone_mount
from azekura.storage.kernel.paths import BTRFS_MAGIC, clone_file, file_system_magic
from azekura.storage.layer_map import LayerMaps
from azekura.storage.overlay_mount import Layers, LayerWay, OverlayMounter
from azekura.storage.port import IdMap
from azekura.storage.squashfs_trial import why_not_mounted

_TRIAL_MAP = IdMap(base=1_000_000, count=65536)


@dataclass(frozen=True, slots=True)
class Support:
    """``overlay``: how an overlay with mapped ids can be made, None if it can't. ``idmap``: whether the file system's
    own mounts can map ids. ``best``: the driver to choose, None where no containers can be kept at all.
    ``reasons``: one sentence for each thing that can't be done."""

    overlay: LayerWay | None
    idmap: bool
    reflink: bool
    squashfs: bool
    btrfs: bool
    best: str | None
    reasons: tuple[str, ...] = ()


def probe(path: Path) -> Support:
    """Try everything in a scratch folder on the file system where ``path`` is or would be.

    Raises:
        StorageFailed: no folder can be made there.
        NoSpace: it is full.
    """
    nearest = next(folder for folder in (path.absolute(), *path.absolute().parents) if folder.is_dir())
    if os.geteuid() != 0:
        reason = "Only root can mount the root file systems of containers: this server only serves images"
        return Support(None, False, False, False, False, None, (reason,))
    with explained(f"try out the file system of {nearest}", nearest):
        scratch = Path(tempfile.mkdtemp(prefix=".azekura-probe-", dir=nearest))
        try:
            return _Trial(scratch, nearest).run()
        finally:
            shutil.rmtree(scratch)


class _Trial:
    def __init__(self, scratch: Path, place: Path) -> None:
        self._scratch = scratch
        self._place = place
        self._reasons: list[str] = []
        self._maps = LayerMaps()

    def run(self) -> Support:
        try:
            idmap = self._idmap()
            overlay = self._overlay()
            squashfs = self._squashfs()
            reflink = self._reflink()
            btrfs = file_system_magic(self._scratch) == BTRFS_MAGIC
        finally:
            self._maps.close()
        best = "overlay" if overlay else "btrfs" if btrfs and idmap else "dir"
        return Support(overlay, idmap, reflink, squashfs, btrfs, best, tuple(self._reasons))

    def _idmap(self) -> bool:
        try:
            with self._maps.namespace(_TRIAL_MAP) as namespace:
                os.close(clone_mount(self._scratch, 0, namespace))
        except OSError as error:
            self._say(f"The file system of {self._place} can't map ids", error)
            return False
        return True

    def _overlay(self) -> LayerWay | None:
        failures = []
        for way in LayerWay:
            lower, layer = self._scratch / f"lower-{way.value}", self._scratch / f"layer-{way.value}"
            for folder in (lower, layer, layer / "u", layer / "w"):
                folder.mkdir()
            try:
                with self._maps.namespace(_TRIAL_MAP) as namespace:
                    mounter = OverlayMounter(self._scratch, way)
                    os.close(mounter.mount(Layers((lower,), layer), "azekura/probe", namespace))
            except OSError as error:
                failures.append(error)
            else:
                return way
        self._say(f"No overlay with mapped ids can be made on {self._place}", failures[-1])
        return None

    def _squashfs(self) -> bool:
        reason = why_not_mounted()
        if reason:
            self._reasons.append(f"Squashfs images can't be mounted here, they are unpacked ({reason})")
        return not reason

    def _reflink(self) -> bool:
        source, target = self._scratch / "source", self._scratch / "target"
        source.write_bytes(b"x" * 65536)
        with source.open("rb") as original, target.open("wb") as copy, suppress(OSError):
            if clone_file(original.fileno(), copy.fileno()):
                return True
        self._reasons.append(f"Files on {self._place} can't share blocks: copies take their full size")
        return False

    def _say(self, sentence: str, error: OSError) -> None:
        self._reasons.append(f"{sentence} ({error.strerror or error})")
