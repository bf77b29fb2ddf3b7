"""What leaves when an image is exported: the very bytes its fingerprint is computed from."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from azekura.errors import NotFound, StorageFailed
from azekura.model.image import Image, ImageFile, ImageType, SplitFiles, UnifiedFiles
from azekura.services.depot import Depot


@dataclass(frozen=True, slots=True)
class ExportFile:
    """``field`` is the form field of a split export; ``filename`` is made of our own data alone."""

    field: str
    filename: str
    file: ImageFile
    path: Path | None


def export_files(depot: Depot, image: Image) -> list[ExportFile]:
    """One file for a unified image, metadata and rootfs for a split one.

    Raises:
        StorageFailed: a file is missing from the store, which ``lxd check`` explains.
    """
    fingerprint = image.fingerprint.value
    match image.files:
        case UnifiedFiles(tarball):
            named = [("unified", f"{fingerprint}{tarball.extension}", tarball)]
        case SplitFiles(metadata, rootfs):
            field = "rootfs.img" if image.type is ImageType.VIRTUAL_MACHINE else "rootfs"
            named = [
                ("metadata", f"meta-{fingerprint}{metadata.extension}", metadata),
                (field, f"{fingerprint}{rootfs.extension}", rootfs),
            ]
    try:
        return [ExportFile(field, name, file, depot.blobs.path(file.sha256)) for field, name, file in named]
    except NotFound as exc:
        raise StorageFailed(
            f"A file of image {fingerprint} is missing from the store", hint="run: lxd check --repair"
        ) from exc
