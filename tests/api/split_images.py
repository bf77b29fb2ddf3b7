"""Small split images."""

from __future__ import annotations

import io
import tarfile


def _tar(name: str, content: bytes) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as archive:
        entry = tarfile.TarInfo(name)
        entry.size = len(content)
        archive.addfile(entry, io.BytesIO(content))
    return out.getvalue()


def split_pair(number: int) -> tuple[bytes, bytes]:
    """metadata.tar and rootfs.tar, another pair for another ``number``."""
    metadata = f"architecture: x86_64\ncreation_date: {1600000000 + number}\n".encode()
    return _tar("metadata.yaml", metadata), _tar("etc-issue", f"rootfs {number}\n".encode())
