"""What a stream says of one image: the items of its version, and the document around the products.

Rules: LXD's and Incus's ``shared/simplestreams``. Each reads the items with its own name only, so both are written,
with one path. An ``ftype`` is a label: what a file is, its first bytes say, so ``root.tar.xz`` stands for every tarball
and ``lxd.tar.xz`` for every compression.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from email.utils import format_datetime

from azekura.errors import Unsupported
from azekura.model.image import Image, ImageFile, ImageType, SplitFiles, UnifiedFiles
from azekura.wire.simplestreams import IndexEntry, Item, Product, ProductFile, StreamIndex

INDEX_PATH = "streams/v1/index.json"
PRODUCTS_PATH = "streams/v1/images.json"
FILES_PATH = "streams/v1/files"  # ours; the format leaves it open

# extension of a rootfs → (type of image, name and ftype of its item, fields of the metadata item with the fingerprint)
_SQUASHFS = (ImageType.CONTAINER, "root.squashfs", "squashfs", ("combined_squashfs_sha256",))
_TARBALL = (ImageType.CONTAINER, "root.tar.xz", "root.tar.xz", ("combined_rootxz_sha256", "combined_sha256"))
_DISK = (ImageType.VIRTUAL_MACHINE, "disk.qcow2", "disk-kvm.img", ("combined_disk-kvm-img_sha256",))

_FILE_NAME = re.compile(r"([0-9a-f]{64})(\.[a-z0-9]{1,10}(?:\.[a-z0-9]{1,10})?)", re.ASCII)


def file_name(file: ImageFile) -> str:
    """The last part of a file's path: its sha256 and extension, nothing that a stranger wrote."""
    return f"{file.sha256}{file.extension}"


def parse_file_name(name: str) -> tuple[str, str] | None:
    """The sha256 and extension in what may be a :func:`file_name`, else None."""
    found = _FILE_NAME.fullmatch(name)
    return (found[1], found[2]) if found else None


def items_of(image: Image) -> Mapping[str, Item]:
    """The items of a version that is ``image``.

    Raises:
        Unsupported: the format has no words for such an image.
    """
    fingerprint = image.fingerprint.value
    match image.files:
        case UnifiedFiles(tarball):
            if image.type is ImageType.VIRTUAL_MACHINE:  # LXD would take it for a container
                machine = {"combined_type": image.type.value}
                return {"incus_combined.tar.gz": _item("incus_combined.tar.gz", tarball, machine)}
            return {name: _item(name, tarball) for name in ("lxd_combined.tar.gz", "incus_combined.tar.gz")}
        case SplitFiles(metadata, rootfs):
            type_, name, ftype, fields = _rootfs(rootfs)
            if type_ is not image.type:
                raise Unsupported(
                    f"simplestreams has no {image.type.value} whose root is a {rootfs.extension[1:]} file"
                )
            combined = dict.fromkeys(fields, fingerprint)
            flavours = {name: _item(name, metadata, combined) for name in ("lxd.tar.xz", "incus.tar.xz")}
            return {**flavours, name: _item(ftype, rootfs)}


def _rootfs(file: ImageFile) -> tuple[ImageType, str, str, tuple[str, ...]]:
    match file.extension:
        case ".squashfs":
            return _SQUASHFS
        case ".qcow2":
            return _DISK
        case _:
            return _TARBALL


def _item(ftype: str, file: ImageFile, combined: Mapping[str, str] | None = None) -> Item:
    return Item(ftype, f"{FILES_PATH}/{file_name(file)}", file.size, file.sha256, combined=combined or {})


def stream_documents(products: Mapping[str, Product], updated: datetime) -> tuple[StreamIndex, ProductFile]:
    """The index and the one products file of a server; ``updated``: when the newest of its images came."""
    date = format_datetime(updated)
    entry = IndexEntry(PRODUCTS_PATH, tuple(products), updated=date)
    return StreamIndex({"images": entry}, updated=date), ProductFile(products, content_id="images", updated=date)
