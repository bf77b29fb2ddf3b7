"""What a scan found out about an image. All of it is data: nothing refers to the files any more."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from azekura.model.image import ImageType
from azekura.model.metadata import ImageMetadata

_NO_TEMPLATES: Mapping[str, bytes] = MappingProxyType({})
LISTED = 1000  # most paths kept in each list of a RootfsSummary


@dataclass(frozen=True, slots=True)
class RootfsSummary:
    """A root file system in numbers. Paths are text for people, unprintable characters escaped.

    ``unpacked_bytes`` counts data, not holes. ``setuid`` has set-user-id and set-group-id programs;
    ``capabilities`` and ``devices`` are lines such as ``usr/bin/ping cap_net_raw=ep`` and ``dev/null c 1:3``;
    the lists end after :data:`LISTED`, the counts don't. ``highest_id`` is the highest user or group id that owns
    something. ``dropped_xattrs``: attributes of security modules that were not kept.
    """

    entries: int = 0
    unpacked_bytes: int = 0
    setuid: tuple[str, ...] = ()
    capabilities: tuple[str, ...] = ()
    devices: tuple[str, ...] = ()
    has_init: bool = False
    highest_id: int = 0
    dropped_xattrs: int = 0


@dataclass(frozen=True, slots=True)
class ScannedMetadata:
    """A metadata tarball. ``templates`` maps a plain file name to content."""

    metadata: ImageMetadata
    metadata_yaml: bytes
    templates: Mapping[str, bytes] = field(default_factory=lambda: _NO_TEMPLATES)


@dataclass(frozen=True, slots=True)
class ScannedRootfs:
    """The rootfs file of a split image. For a virtual machine's disk, ``rootfs`` has only ``unpacked_bytes``."""

    rootfs: RootfsSummary
    type: ImageType = ImageType.CONTAINER


@dataclass(frozen=True, slots=True)
class ScannedImage:
    """A unified tarball."""

    metadata: ImageMetadata
    metadata_yaml: bytes
    templates: Mapping[str, bytes]
    rootfs: RootfsSummary
    type: ImageType
