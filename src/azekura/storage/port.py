"""The port that every storage driver implements: root file systems of containers, cloned from images.

A pool holds **images** (one root file system per fingerprint, in the image's own ids, never changed), **volumes**
(one per container, standing on an image or on nothing) and **snapshots** of volumes (``c1/snap0``). On disk all of
them keep image-native ids: 0 is the container's root. The container's id map is applied when a volume is mounted.

Every change is made under a temporary name and becomes visible by one rename. An operation that did not return has
not happened: :meth:`StorageDriver.recover` removes what it left.

Errors: only those of :mod:`azekura.errors`. Any method may raise StorageFailed or NoSpace, and InvalidRequest for a
name that can't be one; others are named at each method. All methods may be called from several threads at once.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from types import TracebackType
from typing import ClassVar, Literal, Protocol, Self

from azekura.errors import InvalidRequest

_ALL_IDS = 2**32 - 1  # the last one means "no id" to the kernel


Kind = Literal["u", "g"]
"""Users or groups, as liblxc's configuration calls them."""


@dataclass(frozen=True, slots=True)
class DirectIds:
    """``count`` ids from ``inside`` on are those of the host from ``outside`` on, for the ``kind`` given."""

    kind: Kind
    inside: int
    outside: int
    count: int = 1


@dataclass(frozen=True, slots=True)
class IdMap:
    """Ids 0 to ``count`` - 1 of a container are ids ``base`` … of the host, for users and groups alike, except for
    what is ``direct``.

    Raises:
        InvalidRequest: ``base`` is not above 0 (the host's root), the range leaves what ids there are, or an id
            would be mapped twice.
    """

    base: int
    count: int
    direct: tuple[DirectIds, ...] = ()

    def __post_init__(self) -> None:
        if not (self.base > 0 and 0 < self.count < _ALL_IDS and self.base + self.count <= _ALL_IDS):
            raise InvalidRequest(f"Invalid id map: container ids 0 to {self.count} at host id {self.base}")
        if not self.direct:
            return
        for one in self.direct:
            if one.outside <= 0 or one.inside < 0 or not 0 < one.count < _ALL_IDS:
                raise InvalidRequest(f"Invalid id map: {one.count} container ids {one.inside} at host id {one.outside}")
        kinds: tuple[Kind, Kind] = ("u", "g")
        for kind in kinds:
            lines = self.lines(kind)
            for place in (0, 1):
                spans = sorted((line[place], line[place] + line[2]) for line in lines)
                if spans[-1][1] > _ALL_IDS - 1 or any(end > start for (_, end), (start, _) in pairwise(spans)):
                    raise InvalidRequest("Invalid id map: an id would be mapped twice, or is none")

    def lines(self, kind: Kind) -> tuple[tuple[int, int, int], ...]:
        """The map as the kernel takes it: (inside, outside, count) each."""
        lines = [(0, self.base, self.count)]
        direct = [(one.inside, one.outside, one.count) for one in self.direct if one.kind == kind]
        for inside, _, count in direct:
            lines = [part for line in lines for part in _without(line, inside, inside + count)]
        return (*lines, *direct)

    def outer(self, kind: Kind, number: int) -> int:
        """The host's id of an id inside. Raises InvalidRequest for one that isn't mapped."""
        for inside, outside, count in self.lines(kind):
            if inside <= number < inside + count:
                return outside + number - inside
        raise InvalidRequest(f"Invalid user or group id {number}: it isn't mapped")


def _without(line: tuple[int, int, int], first: int, end: int) -> Iterator[tuple[int, int, int]]:
    """``line`` less the ids inside from ``first`` to before ``end``."""
    inside, outside, count = line
    if inside < first:
        yield inside, outside, min(count, first - inside)
    if end < inside + count:
        start = max(inside, end)
        yield start, outside + start - inside, inside + count - start


@dataclass(frozen=True, slots=True)
class MountedRootfs:
    """A volume, ready for liblxc.

    ``owner_base`` is the host id that on-path id 0 must be written as through ``path``: ``IdMap.base`` when the
    driver maps ids (but for ``direct``), 0 when the container is privileged or liblxc maps (``liblxc_idmaps``: then
    ``lxc.rootfs.options`` needs ``idmap=container``).
    """

    path: Path
    owner_base: int
    liblxc_idmaps: bool = False
    direct: tuple[DirectIds, ...] = ()


class TreeFill(Protocol):
    """An image being unpacked. Leaving the ``with`` block without :meth:`commit` aborts."""

    @property
    def path(self) -> Path:
        """An empty folder of the pool's file system, to be filled with a root file system in image-native ids.

        Mode and owner of the folder itself are those of the image's ``/``. It must not be replaced by another.
        Only root gets there: a child that gives up its rights must be handed a descriptor, or a mount, of it.
        """

    def commit(self, fingerprint: str) -> None:
        """Make the tree visible as the image ``fingerprint``; if that is there already, discard this one silently."""

    def abort(self) -> None:
        """Remove what was filled. Nothing happens after a commit, or the second time."""

    def __enter__(self) -> Self: ...
    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


class StorageDriver(Protocol):
    """One pool of one kind."""

    name: ClassVar[str]
    shares_images: ClassVar[bool]
    """Whether volumes stand on their image for as long as they live (overlay), or are whole by themselves."""

    @property
    def mounts_squashfs(self) -> bool:
        """Whether :meth:`adopt_squashfs` is worth a try: the driver has it, and so has this kernel."""

    @property
    def path(self) -> Path:
        """The pool's folder. Everything above it must let the containers' root users through (mode 0711)."""

    def create(self) -> None:
        """Make the pool; after an error nothing of it is left.

        Raises AlreadyExists when the folder is there with something in it; Unsupported when the driver can't work
        there.
        """

    def destroy(self) -> None:
        """Remove the pool and its images; nothing happens when there is no pool. Raises InUse when volumes exist."""

    def recover(self) -> None:
        """After a restart: make the pool usable and remove half-made things. Mounted volumes stay mounted.

        Images whose bytes may not have reached the disk before a power loss are removed: whoever mounts a volume
        asks ``has_image(volume_image(name))`` first and fills the image again when it is gone.

        Raises StorageFailed when the folder is no pool of this driver.
        """

    def fill_image(self) -> TreeFill:
        """Begin to unpack an image."""

    def adopt_squashfs(self, fingerprint: str, file: Path) -> None:
        """Let the image be ``file``, mounted as it is when first needed. The caller may remove ``file`` afterwards.

        Nothing happens when the image is there already. Raises Unsupported unless ``mounts_squashfs``, and when the
        kernel can't mount this file (a compression it doesn't have): it may still be unpacked.
        """

    def has_image(self, fingerprint: str) -> bool:
        """Whether volumes can be made from that image."""

    def images(self) -> list[str]:
        """Fingerprints, sorted."""

    def remove_image(self, fingerprint: str) -> None:
        """Remove an image; nothing happens if it isn't there. Raises InUse when a volume or snapshot stands on it."""

    def create_volume(self, name: str, image: str | None) -> None:
        """Make a volume from an image, or an empty one. Raises NotFound (image), AlreadyExists.

        A power failure may undo it, or leave it without its image's name, until :meth:`settle` has returned.
        """

    def settle(self, name: str) -> None:
        """Return once a new volume survives a power failure. Raises NotFound.

        Drivers whose volumes are whole trees (``shares_images`` is false) leave that to the kernel, as ``cp`` does.
        """

    def volumes(self) -> list[str]:
        """Names of volumes, without snapshots, sorted."""

    def volume_image(self, name: str) -> str | None:
        """The image that a volume or snapshot can't be mounted without; None unless ``shares_images``.

        Raises NotFound.
        """

    def mount(self, name: str, idmap: IdMap | None) -> MountedRootfs:
        """Show a volume at its path, its ids mapped (None: privileged). Never with live device nodes (``nodev``).

        Nothing happens when it is mounted so already; mounted otherwise, it is mounted anew. Raises NotFound (volume
        or its image), InUse (mounted otherwise and needed), Unsupported (no id maps here).
        """

    def unmount(self, name: str) -> None:
        """Hide it again; nothing happens if it isn't mounted. Raises NotFound, InUse."""

    def is_mounted(self, name: str) -> bool:
        """Whether it is mounted, by this process or an earlier one. False for an unknown name."""

    def delete_volume(self, name: str) -> None:
        """Remove a volume and its snapshots, unmounting it first. Raises NotFound, InUse."""

    def rename_volume(self, old: str, new: str) -> None:
        """Rename a volume with its snapshots, unmounting it first. Raises NotFound, AlreadyExists, InUse."""

    def copy_volume(self, source: str, target: str) -> None:
        """Copy a volume or snapshot, without its snapshots, to a new volume or to a new snapshot of a volume.

        A running container's volume should be frozen meanwhile. Raises NotFound, AlreadyExists.
        """

    def view(self, name: str) -> AbstractContextManager[Path]:
        """A volume or snapshot for reading, in image-native ids, as long as the block lasts.

        A container may have made ``c 0:0`` nodes on drivers other than overlay: a new image must not have them.
        Raises NotFound.
        """

    def snapshot(self, name: str, snapshot: str) -> None:
        """Keep the volume's present state. Raises NotFound, AlreadyExists."""

    def restore(self, name: str, snapshot: str) -> None:
        """Put the volume back to a snapshot, unmounting it first, in one step. Raises NotFound, InUse."""

    def delete_snapshot(self, name: str, snapshot: str) -> None:
        """Remove a snapshot. Raises NotFound."""

    def rename_snapshot(self, name: str, old: str, new: str) -> None:
        """Rename a snapshot. Raises NotFound, AlreadyExists."""

    def snapshots(self, name: str) -> list[str]:
        """A volume's snapshots, oldest first. Raises NotFound."""

    def usage(self, name: str) -> int:
        """Bytes that a volume or snapshot takes for itself, without its image. Raises NotFound."""

    def space(self) -> tuple[int, int]:
        """(total, used) bytes of the pool's file system."""

    def close(self) -> None:
        """Wait for background writes and let descriptors go. Mounted volumes stay mounted."""
