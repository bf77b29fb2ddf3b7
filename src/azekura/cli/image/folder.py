"""Importing a directory: a pair of image files in it, or an image laid out in it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from subprocess import PIPE, Popen

from azekura.client.body import BLOCK, Body
from azekura.errors import InvalidRequest

_METADATA_NAMES = ("lxd.tar", "incus.tar", "metadata.tar", "meta.tar", "meta-")
_ROOTFS_NAMES = ("rootfs.", "root.tar", "root.squashfs", "disk")
_LAYOUT = ("metadata.yaml", "rootfs", "templates")


def pair_in(folder: str) -> tuple[str, str] | None:
    """The metadata tarball and the root file system in a directory; None when an image is laid out in it instead.

    Raises:
        InvalidRequest: neither, or more than one of a kind.
    """
    if os.path.isfile(f"{folder}/metadata.yaml") and os.path.isdir(f"{folder}/rootfs"):
        return None
    names = sorted(name for name in os.listdir(folder) if os.path.isfile(f"{folder}/{name}"))
    metadata = [name for name in names if name.startswith(_METADATA_NAMES)]
    # an exported image: meta-FINGERPRINT.tar.gz beside FINGERPRINT.squashfs
    stems = {name.removeprefix("meta-").partition(".")[0] for name in metadata if name.startswith("meta-")}
    rootfs = [
        name
        for name in names
        if name not in metadata and (name.startswith(_ROOTFS_NAMES) or name.partition(".")[0] in stems)
    ]
    if len(metadata) == 1 and len(rootfs) == 1:
        return f"{folder}/{metadata[0]}", f"{folder}/{rootfs[0]}"
    if not metadata and not rootfs:
        raise InvalidRequest(
            f"{folder} holds no image: neither metadata.yaml and rootfs, nor a metadata tarball and a root file system"
        )
    raise InvalidRequest(
        f"{folder} doesn't hold exactly one metadata tarball and one root file system: "
        f"found {', '.join(metadata + rootfs)}; name the two files instead"
    )


@contextmanager
def pack(folder: str) -> Iterator[Body]:
    """The image laid out in a directory as a tarball, packed while it is sent.

    Raises:
        InvalidRequest: not root, or tar failed.
    """
    if os.geteuid() != 0:
        raise InvalidRequest("Must run as root to import from directory")
    import zstandard

    names = [name for name in _LAYOUT if os.path.lexists(f"{folder}/{name}")]
    command = [
        "tar",
        "-C",
        folder,
        "--numeric-owner",
        "--xattrs",
        "--xattrs-include=*",
        "--sort=name",
        "-cf",
        "-",
        *names,
    ]
    with Popen(command, stdout=PIPE, stderr=PIPE) as tar:
        assert tar.stdout is not None
        assert tar.stderr is not None
        stdout, stderr = tar.stdout, tar.stderr

        def compressed() -> Iterator[bytes]:
            compressor = zstandard.ZstdCompressor(level=3, threads=-1).compressobj()
            while block := stdout.read(BLOCK):
                if packed := compressor.compress(block):
                    yield packed
            message = stderr.read().decode(errors="replace").strip()
            if tar.wait() != 0:
                raise InvalidRequest(
                    f"Failed to pack {folder}: {message.splitlines()[-1] if message else 'tar failed'}"
                )
            yield compressor.flush()

        try:
            yield Body(compressed(), length=None)
        finally:
            if tar.poll() is None:
                tar.kill()
