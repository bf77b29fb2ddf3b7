"""The images that are measured with: Debian, as scripts/build-image makes it, and variants of it."""

from __future__ import annotations

import io
import itertools
import shutil
import subprocess
import tarfile
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

BUILD = Path(__file__).parent.parent / "scripts" / "build-image"
DEBIAN = Path("/var/tmp/azekura-bench-image")

_numbers = itertools.count(1)


@dataclass(frozen=True, slots=True)
class ImageFiles:
    """A metadata tarball and a root filesystem; a unified tarball where that is None."""

    metadata: Path
    rootfs: Path | None

    @property
    def files(self) -> list[Path]:
        """As ``lxc image import`` takes them."""
        return [self.metadata] if self.rootfs is None else [self.metadata, self.rootfs]


@contextmanager
def scratch(where: Path = Path("/var/tmp")) -> Iterator[Path]:
    """A folder for big files, gone afterwards."""
    folder = Path(tempfile.mkdtemp(prefix="azk-bench-files.", dir=where))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def debian(folder: Path = DEBIAN) -> ImageFiles:
    """Debian with systemd, minimal; built once and kept."""
    subprocess.run([BUILD, folder], check=True, capture_output=True)
    return ImageFiles(folder / "metadata.tar.xz", folder / "rootfs.squashfs")


def as_tarball(image: ImageFiles, folder: Path) -> ImageFiles:
    """The same with its rootfs as a gzip tarball."""
    tree, tarball = folder / "tree", folder / "rootfs.tar.gz"
    subprocess.run(["unsquashfs", "-q", "-n", "-d", tree, str(image.rootfs)], check=True, capture_output=True)
    subprocess.run(["tar", "--xattrs", "--numeric-owner", "-C", tree, "-czf", tarball, "."], check=True)
    shutil.rmtree(tree)
    return ImageFiles(image.metadata, tarball)


def with_new_fingerprint(image: ImageFiles, folder: Path) -> ImageFiles:
    """The same image with other metadata: no server has seen it."""
    number = next(_numbers)
    metadata = folder / f"metadata-{number}.tar"
    with tarfile.open(image.metadata) as source, tarfile.open(metadata, "w") as target:
        for entry in source:
            content = source.extractfile(entry) if entry.isfile() else None
            data = content.read() if content else b""
            if entry.name.removeprefix("./") == "metadata.yaml":
                data += f"# {folder.name} {number}\n".encode()
                entry.size = len(data)
            target.addfile(entry, io.BytesIO(data))
    return ImageFiles(metadata, image.rootfs)
