"""Making one overlay out of layers: by descriptors, or the older way where the kernel is older.

1. **Descriptors** (Linux 6.13): the layers are mounts that nobody can see, handed to overlayfs as descriptors.
2. **Attached layers** (Linux 5.19, the first with idmapped layers): the same mounts are attached inside a private
   folder for the moment of mounting, since older kernels take only layers that are mounted somewhere. overlayfs keeps
   clones of its own, so they can be taken away at once.
"""

from __future__ import annotations

import errno
import os
import secrets
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from azekura.storage.kernel.mounts import NODEV, NOEXEC, NOSUID, RDONLY, clone_mount, new_mount, show_mount, unmount

# A copied upper layer must stay usable: no index and no metadata-only copies, whatever the kernel's defaults are.
_OPTIONS = (("index", "off"), ("metacopy", "off"))
# What kernels before 6.13 say, which don't take layers as descriptors: EOPNOTSUPP where overlayfs takes no descriptors
# at all (seen on 6.1), EBADF where fsconfig takes none of a mount (seen on 6.12), else EINVAL.
_NO_DESCRIPTORS = (errno.EINVAL, errno.EOPNOTSUPP, errno.EBADF)
_DIRECTORY = os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


class LayerWay(Enum):
    """How layers are given to overlayfs; see the module's text."""

    DESCRIPTORS = "descriptors"
    ATTACHED = "attached"


@dataclass(frozen=True, slots=True)
class Layers:
    """``lowers``, topmost first, are read only. ``writable`` holds the folders ``u`` (upper) and ``w`` (work)."""

    lowers: tuple[Path, ...]
    writable: Path | None = None


class OverlayMounter:
    """Makes overlays; remembers which way worked on this kernel. ``scratch`` is a folder only root can enter."""

    def __init__(self, scratch: Path, way: LayerWay | None = None) -> None:
        self._scratch = scratch
        self._way = way

    def mount(self, layers: Layers, label: str, map_namespace: int | None) -> int:
        """Return a descriptor of the overlay, not yet shown anywhere, always ``nodev``.

        ``label`` is what ``/proc/mounts`` shows as its source. Without ``writable`` it is for reading only: no
        set-uid programs run from it either.

        Raises:
            OSError: EINVAL where layers can't be idmapped; EROFS when overlayfs would not write.
        """
        if self._way is None:
            try:
                descriptor = self._by_descriptors(layers, label, map_namespace)
            except OSError as error:
                if error.errno not in _NO_DESCRIPTORS:
                    raise
                descriptor = self._attached(layers, label, map_namespace)
                self._way = LayerWay.ATTACHED
            else:
                self._way = LayerWay.DESCRIPTORS
            return descriptor
        if self._way is LayerWay.DESCRIPTORS:
            return self._by_descriptors(layers, label, map_namespace)
        return self._attached(layers, label, map_namespace)

    def _by_descriptors(self, layers: Layers, label: str, map_namespace: int | None) -> int:
        with ExitStack() as opened:
            options: list[tuple[str, str | int | None]] = []
            for lower in layers.lowers:
                clone = clone_mount(lower, NODEV, map_namespace)
                opened.callback(os.close, clone)
                options.append(("lowerdir+", clone))
            if layers.writable is not None:
                clone = clone_mount(layers.writable, NODEV, map_namespace)
                opened.callback(os.close, clone)
                for key, folder in (("upperdir", "u"), ("workdir", "w")):
                    descriptor = os.open(folder, _DIRECTORY, dir_fd=clone)
                    opened.callback(os.close, descriptor)
                    options.append((key, descriptor))
            return _overlay(options, label, layers.writable is not None)

    def _attached(self, layers: Layers, label: str, map_namespace: int | None) -> int:
        with ExitStack() as opened:
            # Paths go to overlayfs as /proc/self/fd/N: no colon or backslash of a real path needs quoting.
            lowers = [self._attach(lower, map_namespace, opened) for lower in layers.lowers]
            options: list[tuple[str, str | int | None]] = [
                ("lowerdir", ":".join(f"/proc/self/fd/{fd}" for fd in lowers))
            ]
            if layers.writable is not None:
                base = self._attach(layers.writable, map_namespace, opened)
                for key, folder in (("upperdir", "u"), ("workdir", "w")):
                    descriptor = os.open(folder, _DIRECTORY, dir_fd=base)
                    opened.callback(os.close, descriptor)
                    options.append((key, f"/proc/self/fd/{descriptor}"))
            return _overlay(options, label, layers.writable is not None)

    def _attach(self, folder: Path, map_namespace: int | None, opened: ExitStack) -> int:
        point = self._scratch / secrets.token_hex(6)
        point.mkdir(mode=0o700)
        opened.callback(point.rmdir)
        clone = clone_mount(folder, NODEV, map_namespace)
        try:
            show_mount(clone, point)
        finally:
            os.close(clone)
        opened.callback(unmount, point, detach=True)
        descriptor = os.open(point, _DIRECTORY)
        opened.callback(os.close, descriptor)
        return descriptor


def _overlay(layers: list[tuple[str, str | int | None]], label: str, writable: bool) -> int:
    # redirect_dir=on lets a container rename folders of its image; without an upper layer it can only be followed.
    redirect = ("redirect_dir", "on" if writable else "follow")
    attributes = NODEV if writable else NODEV | NOSUID | NOEXEC | RDONLY
    descriptor = new_mount("overlay", [("source", label), *_OPTIONS, redirect, *layers], attributes)
    if writable and os.fstatvfs(descriptor).f_flag & os.ST_RDONLY:
        with suppress(OSError):
            os.close(descriptor)
        raise OSError(errno.EROFS, "overlayfs could not make its work folder and would be read-only")
    return descriptor
