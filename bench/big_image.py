"""A unified image of any size that boots: busybox as init, and big files of which half compresses well."""

from __future__ import annotations

import io
import os
import shutil
import subprocess
import tarfile
from pathlib import Path

GIB = 1 << 30
FILE = 64 << 20  # bytes of each big file

COMPRESSORS = {
    "zstd": ("zstd", "-3", "-T0", "-q", "-c"),
    "gzip": ("gzip", "-1", "-n", "-c"),
    "xz": ("xz", "-0", "-T0", "-c"),
}
EXTENSIONS = {"none": ".tar", "zstd": ".tar.zst", "gzip": ".tar.gz", "xz": ".tar.xz"}


def build(path: Path, size: int) -> None:
    """Write an uncompressed image with about ``size`` bytes of files."""
    busybox = shutil.which("busybox")
    if busybox is None:
        raise RuntimeError("busybox is needed: apt-get install busybox-static")
    with path.open("wb") as raw, tarfile.open(fileobj=raw, mode="w", format=tarfile.PAX_FORMAT) as tar:
        _add(tar, "metadata.yaml", b"architecture: x86_64\ncreation_date: 1767225600\nproperties: {os: big}\n")
        for name in "rootfs rootfs/bin rootfs/sbin rootfs/dev rootfs/proc rootfs/sys rootfs/etc rootfs/data".split():
            entry = tarfile.TarInfo(name)
            entry.type, entry.mode = tarfile.DIRTYPE, 0o755
            tar.addfile(entry)
        _add(tar, "rootfs/bin/busybox", Path(busybox).read_bytes(), mode=0o755)
        _add(tar, "rootfs/etc/inittab", b"::respawn:/bin/busybox sleep 1000000\n")
        init = tarfile.TarInfo("rootfs/sbin/init")
        init.type, init.linkname = tarfile.SYMTYPE, "../bin/busybox"
        tar.addfile(init)
        for number in range(size // FILE):
            _add(tar, f"rootfs/data/{number}", os.urandom(FILE) if number % 2 else _text(number))


def compress(path: Path, how: str) -> Path:
    """The same file compressed, beside it."""
    if how == "none":
        return path
    target = path.with_suffix(EXTENSIONS[how])
    with path.open("rb") as source, target.open("wb") as out:
        subprocess.run(COMPRESSORS[how], stdin=source, stdout=out, check=True)
    return target


def _add(tar: tarfile.TarFile, name: str, data: bytes, *, mode: int = 0o644) -> None:
    entry = tarfile.TarInfo(name)
    entry.size, entry.mode, entry.mtime = len(data), mode, 1767225600
    tar.addfile(entry, io.BytesIO(data))


def _text(seed: int) -> bytes:
    """What logs and sources are like to a compressor: about a quarter is left of it."""
    lines = b"".join(
        b"%d /usr/share/doc/package-%d/changelog: %s\n" % (number, number * 7919 % 9973, os.urandom(6).hex().encode())
        for number in range(seed * 1000, seed * 1000 + 20000)
    )
    return (lines * (FILE // len(lines) + 1))[:FILE]
