"""Whether this kernel can mount a squashfs as the lower layer of unprivileged containers, by trying it.

Mounting alone isn't enough: squashfs can be idmapped from Linux 6.2 on, and Debian 12 has 6.1. Without that its files
would belong to nobody in the container, so such images are unpacked.
"""

from __future__ import annotations

import base64
import errno
import os
import tempfile
from functools import cache
from pathlib import Path

from azekura.storage.kernel.loop import loop_device
from azekura.storage.kernel.mounts import NODEV, RDONLY, new_mount, set_attributes
from azekura.storage.layer_map import LayerMaps
from azekura.storage.port import IdMap

# A squashfs of one empty folder, as mksquashfs made it.
_EMPTY_SQUASHFS = base64.b64decode(
    "aHNxcwEAAAAAAAAAAAACAAAAAAABABEAwAABAAQAAAAAAAAAAAAAAJcAAAAAAAAAjwAAAAAAAAD//////////2AAAAAAAAAAdwAAAAAAAAB3AAAA"
    "AAAAAIEAAAAAAAAAFQB42mNkeMvIAAUwBhMQM0NpABxvAPgIgAAAAAAAAAAAdwAAAAAAAAAEgAAAAACJAAAAAAAAAA=="
)
_TRIAL_MAP = IdMap(base=1_000_000, count=65536)


@cache
def why_not_mounted() -> str:
    """The reason in a few words, empty when it works. Tried once: a running kernel doesn't change its mind."""
    maps = LayerMaps()
    try:
        with tempfile.TemporaryDirectory(prefix="azekura-probe-") as folder, maps.namespace(_TRIAL_MAP) as namespace:
            image = Path(folder) / "empty.squashfs"
            image.write_bytes(_EMPTY_SQUASHFS.ljust(4096, b"\0"))
            with loop_device(image, read_only=True) as device:
                return _try(device, namespace)
    except OSError as error:
        return error.strerror or str(error)
    finally:
        maps.close()


def _try(device: str, namespace: int) -> str:
    descriptor = new_mount("squashfs", (("source", device), ("ro", None)), RDONLY | NODEV)
    try:
        set_attributes(descriptor, 0, namespace)
    except OSError as error:
        if error.errno != errno.EINVAL:
            raise
        return "this kernel can't map their ids, Linux 6.2 can"
    finally:
        os.close(descriptor)
    return ""
