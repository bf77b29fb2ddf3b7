"""Small images that boot: busybox as init, in every form an image can have."""

from __future__ import annotations

import functools
import gzip
import io
import shutil
import subprocess
import tarfile
import tempfile
from pathlib import Path

APPLETS = (
    "sh cat ls ps id mount sleep true false echo stat find tar head tail env hostname mkdir rm touch chmod chown ln df "
    "tty stty kill pwd printf wc sha256sum reboot poweroff test"
).split()
METADATA = """architecture: x86_64
creation_date: 1700000000
properties: {os: busybox, release: '1', architecture: amd64, description: busybox}
templates:
  /etc/hostname: {when: [create, copy, start], template: hostname.tpl}
"""
TAR = ("tar", "--numeric-owner", "--owner=0", "--group=0", "--sort=name", "--mtime=@1700000000")


@functools.cache
def images() -> Path:
    """A folder with meta.tar.gz, rootfs.tar.gz, rootfs.squashfs and unified.tar.gz, made once for a test run."""
    folder = Path(tempfile.mkdtemp(prefix="azk-images.", dir="/var/tmp"))
    import atexit

    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    root, meta = folder / "root", folder / "meta"
    for name in "bin sbin dev proc sys etc root tmp run var".split():
        (root / name).mkdir(parents=True)
    busybox = shutil.which("busybox")
    assert busybox is not None, "install busybox-static"
    shutil.copy(busybox, root / "bin/busybox")
    for name in APPLETS:
        (root / "bin" / name).symlink_to("busybox")
    (root / "sbin/init").symlink_to("../bin/busybox")
    (root / "etc/inittab").write_text("::sysinit:/bin/true\n::respawn:/bin/sleep 1000000\n")
    (root / "etc/passwd").write_text("root:x:0:0:root:/root:/bin/sh\n")
    (meta / "templates").mkdir(parents=True)
    (meta / "metadata.yaml").write_text(METADATA)
    (meta / "templates/hostname.tpl").write_text("{{ container.name }}\n")
    _run(*TAR, "-C", meta, "-czf", folder / "meta.tar.gz", "metadata.yaml", "templates")
    _run(*TAR, "-C", root, "-czf", folder / "rootfs.tar.gz", ".")
    quiet = ("-all-root", "-noappend", "-quiet", "-no-progress", "-mkfs-time", "1700000000", "-all-time", "1700000000")
    _run("mksquashfs", root, folder / "rootfs.squashfs", *quiet)
    both = folder / "both"
    shutil.copytree(meta, both, symlinks=True)
    shutil.copytree(root, both / "rootfs", symlinks=True)
    _run(*TAR, "-C", both, "-czf", folder / "unified.tar.gz", ".")
    return folder


def _run(*command: str | Path) -> None:
    subprocess.run([str(word) for word in command], check=True, stdout=subprocess.DEVNULL)


def tiny_image(number: int = 0, *, properties: str = "{os: tiny}", metadata: str = "") -> bytes:
    """A unified image of a few hundred bytes that can be stored but not started; another ``number``, another image."""
    text = metadata or f"architecture: x86_64\ncreation_date: {1700000000 + number}\nproperties: {properties}\n"
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as tar:
        data = text.encode()
        entry = tarfile.TarInfo("metadata.yaml")
        entry.size = len(data)
        tar.addfile(entry, io.BytesIO(data))
        folder = tarfile.TarInfo("rootfs")
        folder.type, folder.mode = tarfile.DIRTYPE, 0o755
        tar.addfile(folder)
        content = f"{number}\n".encode()
        entry = tarfile.TarInfo("rootfs/number")
        entry.size = len(content)
        tar.addfile(entry, io.BytesIO(content))
    return gzip.compress(out.getvalue(), mtime=0)
