"""The header of a virtual machine's disk (format: QEMU's ``docs/interop/qcow2``). Disks are served here, never run."""

from __future__ import annotations

import struct

from azekura.errors import InvalidRequest

_HEADER = struct.Struct(">4sIQIIQ")
_EXTERNAL_DATA = 1 << 2


def check_qcow2(head: bytes) -> int:
    """Return the disk's virtual size in bytes; ``head`` is the file's first 512 bytes.

    Raises:
        InvalidRequest: no qcow2, or one that names another file: whoever converts or runs it would read that file
            of their host.
    """
    if len(head) < 104 or head[:4] != b"QFI\xfb":
        raise InvalidRequest("The disk image is damaged: it has no qcow2 header")
    _, version, backing, _, _, size = _HEADER.unpack(head[: _HEADER.size])
    if version not in (2, 3):
        raise InvalidRequest(f"The disk image has the qcow2 version {version}; 2 and 3 are known")
    if backing:
        raise InvalidRequest(
            "The disk image names a backing file, which isn't accepted",
            hint="make it stand alone: qemu-img convert -O qcow2 OLD NEW",
        )
    if version == 3 and int.from_bytes(head[72:80], "big") & _EXTERNAL_DATA:
        raise InvalidRequest(
            "The disk image names an external data file, which isn't accepted",
            hint="make it stand alone: qemu-img convert -O qcow2 OLD NEW",
        )
    return int(size)
