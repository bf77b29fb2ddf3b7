"""The port: what an image server is to the services, whichever protocol it speaks.

Implementations: :mod:`~azekura.remotes.lxd`, :mod:`~azekura.remotes.simplestreams`, :mod:`~azekura.remotes.direct`;
:func:`azekura.remotes.open_server` chooses. ``tests/conformance/test_image_servers.py`` is what all of them promise.

All methods raise, and raise nothing else:

* ``NotFound``: no such image (in the words LXD has for that protocol);
* ``Ambiguous``: a fingerprint prefix fits several images;
* ``Forbidden``: the server wants credentials, or the administrator's allow-list excludes a host;
* ``ConnectionFailed``: no connection, or it broke more often than the policy retries;
* ``BadAnswer``: an answer that breaks the protocol, or a limit of ours;
* ``FingerprintMismatch``: other bytes than were announced;
* ``Unsupported``: the protocol has no such question;
* ``Cancelled``: the caller's ``cancelled()`` said so;
* whatever the caller's sink raises, untouched.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Literal, Protocol, runtime_checkable

from azekura.model.fingerprint import Fingerprint
from azekura.model.image import EPOCH, ImageType
from azekura.model.source import Protocol as Spoken

FileRole = Literal["unified", "metadata", "rootfs", "rootfs.img"]

Progress = Callable[[str, int, "int | None"], None]
"""``progress(role, done, total)`` in bytes of that file; ``total`` None while unknown; ``done`` falls on a restart."""

Cancelled = Callable[[], bool]
"""Asked often, also from another thread of ours while the network is silent: it must be quick and thread-safe."""


def never() -> bool:
    """A ``cancelled`` for what nobody will cancel."""
    return False


BaseRootfs = Callable[[str], "Path | None"]
"""From the fingerprint of an image to the path of its rootfs file, if that is here and may be read; for deltas."""


@dataclass(frozen=True, slots=True)
class RemoteFile:
    """One file of an image on the server. ``location`` is relative to the server's URL, or (direct) a whole URL."""

    role: FileRole
    location: str
    size: int | None = None  # bytes, as announced
    sha256: str | None = None  # 64 lower-case hex digits, as announced


@dataclass(frozen=True, slots=True)
class Delta:
    """A patch (VCDIFF, RFC 3284) that makes this image's rootfs from the rootfs of ``base_fingerprint``."""

    base_fingerprint: str
    location: str
    size: int | None = None  # bytes of the patch
    sha256: str | None = None  # of the patch


@dataclass(frozen=True, slots=True)
class RemoteImage:
    """What a server announces about an image. Nothing of it is proven before ``download`` has returned.

    ``fingerprint`` is never None in what ``resolve`` and ``list`` return. ``files`` is empty where only the transfer
    shows whether the image is unified or split (LXD). ``type`` and ``architecture`` of a direct image are known from
    its metadata alone: they are ``container`` and empty here. Dates are UTC; ``EPOCH`` where there is none.
    """

    fingerprint: Fingerprint | None
    type: ImageType
    architecture: str
    properties: Mapping[str, str] = field(default_factory=dict)
    created_at: datetime = EPOCH
    expires_at: datetime = EPOCH
    filename: str = ""  # a label, never a path
    size: int = 0  # bytes over all files; 0 where the server does not say
    aliases: tuple[str, ...] = ()
    public: bool = True
    files: tuple[RemoteFile, ...] = ()
    deltas: tuple[Delta, ...] = ()
    record: Mapping[str, Any] = field(default_factory=dict)  # as the server gave it, for what this class leaves out

    @property
    def known_fingerprint(self) -> str:
        """The fingerprint's digits; empty if there is none yet."""
        return self.fingerprint.value if self.fingerprint else ""


@dataclass(frozen=True, slots=True)
class RemoteAlias:
    """A name on the server. ``architecture`` is empty where the protocol's aliases have none (LXD)."""

    name: str
    target: Fingerprint
    type: ImageType = ImageType.CONTAINER
    architecture: str = ""
    description: str = ""


# the port has a method called list, which would hide the type's name inside the class
RemoteImages = list[RemoteImage]
RemoteAliases = list[RemoteAlias]


class PartWriter(Protocol):
    """Takes the bytes of one file in order."""

    @property
    def written(self) -> int:
        """Bytes taken since the start or the last restart."""

    def write(self, data: bytes) -> None:
        """Append. May raise (no space, too large): that ends the download."""

    def restart(self) -> None:
        """Forget all bytes: the file comes again from its beginning."""


class ImageSink(Protocol):
    """Takes the files of an image. Implemented by the services, which hash and store what comes."""

    def part(self, role: FileRole, size: int | None) -> PartWriter:
        """Begin a file of ``size`` bytes (None: not announced). Metadata comes before rootfs, a unified file alone.

        The same role again (a transfer that had to begin anew) supersedes what was written for it.
        """


@runtime_checkable
class HashingWriter(PartWriter, Protocol):
    """A writer that hashes what it takes anyway: its word is taken, and the bytes are hashed once."""

    def received_sha256(self) -> str:
        """Hex digest of the bytes taken since the start or the last restart."""


@runtime_checkable
class HashingSink(ImageSink, Protocol):
    """A sink that computes the fingerprint anyway."""

    def received_fingerprint(self) -> str:
        """sha256 in hex of the unified file, or of metadata followed by rootfs, as far as they have come."""


class ImageServer(Protocol):
    """A place that images come from. Objects hold no connection between calls and need not be closed."""

    @property
    def url(self) -> str:
        """Without credentials."""

    @property
    def protocol(self) -> Spoken: ...

    def resolve(
        self,
        reference: str,
        *,
        type: ImageType | None,  # noqa: A002 - LXD's word
        architectures: Sequence[str],
        cancelled: Cancelled = never,
    ) -> RemoteImage:
        """The image that an alias, a fingerprint or a prefix of one names; an alias wins.

        ``architectures`` (canonical names, preferred first) choose among what one alias stands for.
        """

    def list(self) -> RemoteImages:
        """All images that the server shows us."""

    def aliases(self) -> RemoteAliases:
        """All aliases that the server shows us."""

    def download(
        self,
        image: RemoteImage,
        sink: ImageSink,
        *,
        progress: Progress,
        cancelled: Cancelled,
        base_rootfs: BaseRootfs | None = None,
    ) -> None:
        """Bring the image's files into ``sink``; on return sizes, hashes and fingerprint were what was announced."""
