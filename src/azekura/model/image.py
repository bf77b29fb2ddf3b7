"""An image as the catalog knows it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from types import MappingProxyType

from azekura.model.fingerprint import Fingerprint
from azekura.model.source import ImageSource, Origin

_EMPTY: Mapping[str, str] = MappingProxyType({})

# LXD's two ways to say "no date": uploads get the epoch, publishes Go's zero time.
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
NEVER = datetime(1, 1, 1, tzinfo=UTC)


class ImageType(StrEnum):
    CONTAINER = "container"
    VIRTUAL_MACHINE = "virtual-machine"


@dataclass(frozen=True, slots=True)
class ImageFile:
    """One file of an image. ``sha256`` (hex) names its blob too; ``extension`` is ``.tar.xz`` and the like."""

    sha256: str
    size: int  # bytes
    extension: str


@dataclass(frozen=True, slots=True)
class UnifiedFiles:
    """One tarball with metadata and rootfs in it."""

    tarball: ImageFile

    @property
    def all(self) -> tuple[ImageFile, ...]:
        return (self.tarball,)


@dataclass(frozen=True, slots=True)
class SplitFiles:
    """A metadata tarball, and a rootfs: tarball, squashfs or (virtual machines) disk image."""

    metadata: ImageFile
    rootfs: ImageFile

    @property
    def all(self) -> tuple[ImageFile, ...]:
        return (self.metadata, self.rootfs)


ImageFiles = UnifiedFiles | SplitFiles


@dataclass(frozen=True, slots=True)
class Alias:
    """A name for an image. ``type`` lets one name stand for a container and a virtual machine."""

    name: str
    target: Fingerprint
    description: str = ""
    type: ImageType = ImageType.CONTAINER


@dataclass(frozen=True, slots=True)
class AliasMove:
    """One entry of an alias's history. ``target`` is where it pointed from then on, None where the name went away."""

    target: Fingerprint | None
    moved_at: datetime
    reason: str


@dataclass(frozen=True, slots=True)
class Image:
    """Everything the catalog says about an image, but for metadata and templates, which are asked for apart.

    Dates are timezone-aware UTC; ``EPOCH`` or ``NEVER`` where there is none. ``size`` is bytes over all files.
    """

    fingerprint: Fingerprint
    type: ImageType
    architecture: str
    files: ImageFiles
    created_at: datetime
    uploaded_at: datetime
    origin: Origin
    filename: str = ""  # a label from the uploader: shown, never opened
    public: bool = False
    auto_update: bool = False
    cached: bool = False
    pinned: bool = False
    expires_at: datetime = EPOCH
    last_used_at: datetime = NEVER
    properties: Mapping[str, str] = field(default_factory=lambda: _EMPTY)
    profiles: tuple[str, ...] = ("default",)
    aliases: tuple[Alias, ...] = ()
    source: ImageSource | None = None
    deleted_at: datetime | None = None  # set between delete and collection; undelete clears it

    @property
    def size(self) -> int:
        return sum(file.size for file in self.files.all)
