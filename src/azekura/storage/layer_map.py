"""User namespaces that say how the ids of a mount are mapped.

A layer's map is the container's (``0 BASE COUNT``) and one line more, ``4294967294 0 1``: the host's root, who mounts
the overlay and writes through it, needs a place in the map. Without it overlayfs can't make its work folder
(EOVERFLOW) and quietly mounts read-only. On disk, what the host's root makes for itself (whiteouts, the work folder)
belongs to that id, the last one there is. It is the same in every map, so that a volume that was mounted with one map
can be mounted with any other: what an id outside the map owns can't even be deleted.
"""

from __future__ import annotations

import os
import subprocess
import threading
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from azekura.storage.port import IdMap, Kind

_MOST_KEPT = 64
_HOST_ROOT = 2**32 - 2


class LayerMaps:
    """One namespace per distinct map, made when first needed (about 3 ms) and kept."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._kept: OrderedDict[IdMap, int] = OrderedDict()

    @contextmanager
    def namespace(self, idmap: IdMap) -> Iterator[int]:
        """A descriptor of the namespace, to be used within the block.

        Raises:
            OSError: no user namespaces here, or the map is refused.
        """
        with self._lock:
            kept = self._kept.get(idmap)
            if kept is None:
                kept = self._kept[idmap] = _new_namespace(idmap)
                if len(self._kept) > _MOST_KEPT:
                    os.close(self._kept.popitem(last=False)[1])
            self._kept.move_to_end(idmap)
            descriptor = os.dup(kept)
        try:
            yield descriptor
        finally:
            os.close(descriptor)

    def close(self) -> None:
        """Let all namespaces go; mounts that were made with them keep theirs."""
        with self._lock:
            while self._kept:
                os.close(self._kept.popitem()[1])


def _new_namespace(idmap: IdMap) -> int:
    """Make a namespace without forking this process, which may be big and has threads: two small programs do it.

    ``cat`` answers once ``unshare`` has become it, inside the new namespace, and ends when its input does.
    """
    with subprocess.Popen(
        ["unshare", "--user", "cat"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env={"PATH": "/usr/bin:/bin"},
        cwd="/",
        bufsize=0,
    ) as child:
        assert child.stdin is not None
        assert child.stdout is not None
        with suppress(BrokenPipeError):
            child.stdin.write(b"\n")
        if child.stdout.read(1) != b"\n":
            raise OSError(None, "can't make a user namespace")
        kinds: tuple[Kind, Kind] = ("u", "g")
        for kind in kinds:
            lines = "".join(f"{inside} {outside} {count}\n" for inside, outside, count in idmap.lines(kind))
            path = Path(f"/proc/{child.pid}/{kind}id_map")
            path.write_text(f"{lines}{_HOST_ROOT} 0 1\n", encoding="ascii")
        return os.open(f"/proc/{child.pid}/ns/user", os.O_RDONLY | os.O_CLOEXEC)
