"""Which images a stream offers, and under which names: LXD's rules (``shared/simplestreams``), as measured.

Pure: from :class:`ProductFile` values to :class:`StreamImage` values in LXD's order of preference.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Literal

from azekura.errors import InvalidRequest
from azekura.model.architecture import canonical
from azekura.model.image import EPOCH, ImageType
from azekura.wire.simplestreams import Item, Product, ProductFile, Version

_SHA256 = re.compile(r"[0-9a-f]{64}", re.ASCII)

# ftype of a rootfs → (fields of the metadata item that may hold the fingerprint, type); order = preference
_ROOTFS: Mapping[str, tuple[tuple[str, ...], ImageType]] = {
    "squashfs": (("combined_squashfs_sha256",), ImageType.CONTAINER),
    "root.tar.xz": (("combined_rootxz_sha256", "combined_sha256"), ImageType.CONTAINER),
    "disk-kvm.img": (("combined_disk-kvm-img_sha256",), ImageType.VIRTUAL_MACHINE),
    "uefi1.img": (("combined_uefi1-img_sha256",), ImageType.VIRTUAL_MACHINE),
    "disk1.img": (("combined_disk1-img_sha256",), ImageType.VIRTUAL_MACHINE),
}
_PREFERENCE = {ftype: rank for rank, ftype in enumerate(_ROOTFS)}
_METADATA = ("lxd.tar.xz", "incus.tar.xz")
_UNIFIED = ("lxd_combined.tar.gz", "incus_combined.tar.gz")
_DELTAS = {"squashfs": "squashfs.vcdiff", "disk-kvm.img": "disk-kvm.img.vcdiff"}


@dataclass(frozen=True, slots=True)
class StreamFile:
    """``sha256`` is always announced in a stream; ``size`` (bytes) should be."""

    role: Literal["unified", "metadata", "rootfs", "rootfs.img"]
    path: str
    size: int | None
    sha256: str


@dataclass(frozen=True, slots=True)
class StreamDelta:
    """A patch from the rootfs of ``base`` (a fingerprint) to this image's."""

    base: str
    path: str
    size: int | None
    sha256: str


@dataclass(frozen=True, slots=True)
class StreamImage:
    """One image: a metadata item and one of its rootfs items, or a unified tarball.

    ``short_aliases`` are names that stand for it on machines of its architecture, ``long_aliases`` (with
    ``/architecture``) everywhere. Names that a preferred image took first are in neither.
    """

    fingerprint: str
    type: ImageType
    architecture: str  # canonical name
    serial: str
    created_at: datetime
    expires_at: datetime
    files: tuple[StreamFile, ...]
    properties: Mapping[str, str] = field(default_factory=dict)
    deltas: tuple[StreamDelta, ...] = ()
    short_aliases: tuple[str, ...] = ()
    long_aliases: tuple[str, ...] = ()

    @property
    def size(self) -> int:
        return sum(file.size or 0 for file in self.files)

    @property
    def filename(self) -> str:
        """As LXD has it: the last part of the first file's path."""
        return self.files[0].path.rpartition("/")[2]


@dataclass(frozen=True, slots=True)
class Unusable:
    """Why a product, version or item of a stream makes no image."""

    product: str
    version: str
    reason: str


@dataclass(frozen=True, slots=True)
class StreamImages:
    """``images`` in order of preference, each fingerprint once."""

    images: tuple[StreamImage, ...]
    unusable: tuple[Unusable, ...] = ()


@dataclass(frozen=True, slots=True)
class _Found:
    image: StreamImage
    key: tuple[str, str, str, str]
    rank: tuple[str, int]
    aliases: tuple[str, ...]
    architecture: str  # as the stream spells it


def images_of(files: Iterable[ProductFile], *, strip_prefix: str = "") -> StreamImages:
    """All images of the merged ``files``; ``strip_prefix`` (``ubuntu/``) is taken off alias names."""
    return images_of_products(
        ((name, product) for file in files for name, product in file.products.items()), strip_prefix=strip_prefix
    )


def images_of_products(products: Iterable[tuple[str, Product]], *, strip_prefix: str = "") -> StreamImages:
    """As :func:`images_of`, of products with their keys."""
    found: list[_Found] = []
    unusable: list[Unusable] = []
    for name, product in products:
        found += _product_images(name, product, unusable)
    # LXD's order: os, release, variant; the newest serial; architecture; the preferred kind of rootfs
    found.sort(key=lambda entry: entry.rank)
    found.sort(key=lambda entry: entry.key[3], reverse=True)
    found.sort(key=lambda entry: entry.key[:3])
    taken: set[tuple[str, ImageType, str]] = set()
    images: dict[str, StreamImage] = {}
    for entry in found:
        # LXD chokes on one fingerprint in two places ("more than one match"); for us the preferred place counts,
        # and has the names of both
        image = images.setdefault(entry.image.fingerprint, entry.image)
        short, long = _names_won(entry, taken, strip_prefix)
        if short or long:
            images[image.fingerprint] = replace(
                image, short_aliases=(*image.short_aliases, *short), long_aliases=(*image.long_aliases, *long)
            )
    return StreamImages(tuple(images.values()), tuple(unusable))


def _names_won(entry: _Found, taken: set[tuple[str, ImageType, str]], strip_prefix: str) -> tuple[list[str], list[str]]:
    """The names, short and long, that nothing before ``entry`` has taken."""
    image = entry.image
    won: tuple[list[str], list[str]] = ([], [])
    for alias in entry.aliases:
        for names, name in zip(won, (alias, f"{alias}/{entry.architecture}"), strict=True):
            name = name.removeprefix(strip_prefix)
            claim = (name, image.type, image.architecture)
            if claim not in taken:
                taken.add(claim)
                names.append(name)
    return won


def _product_images(name: str, product: Product, unusable: list[Unusable]) -> Iterator[_Found]:
    try:
        architecture = canonical(product.arch)
    except InvalidRequest:
        unusable.append(Unusable(name, "", f"unknown architecture {product.arch[:40]!r}"))
        return
    expires_at = _day(product.support_eol) or EPOCH
    for serial, version in product.versions.items():
        created_at = _day(serial[:8]) if len(serial) >= 8 else None
        if created_at is None:
            unusable.append(Unusable(name, serial, "the version's name does not begin with a date (YYYYMMDD)"))
            continue
        for ftype, fingerprint, type_, files in _candidates(name, serial, version, unusable):
            image = StreamImage(
                fingerprint=fingerprint,
                type=type_,
                architecture=architecture,
                serial=serial,
                created_at=created_at,
                expires_at=expires_at,
                files=files,
                properties=_properties(product, serial, version, ftype),
                deltas=tuple(_deltas(product, version, ftype)) if ftype in _DELTAS else (),
            )
            key = (product.os, product.release, product.variant, serial)
            yield _Found(image, key, (architecture, _PREFERENCE.get(ftype, 0)), product.aliases, product.arch)


def _candidates(
    name: str, serial: str, version: Version, unusable: list[Unusable]
) -> Iterator[tuple[str, str, ImageType, tuple[StreamFile, ...]]]:
    """(ftype of the rootfs, fingerprint, type, files) of each image in a version."""
    by_type: dict[str, Item] = {}
    for item in version.items.values():
        by_type.setdefault(item.ftype, item)
    metadata = next((by_type[ftype] for ftype in _METADATA if ftype in by_type), None)
    for ftype in _UNIFIED:
        if ftype in by_type:
            item = by_type[ftype]
            problem = _problem(item)
            if problem:
                unusable.append(Unusable(name, serial, problem))
                continue
            machine = item.extra.get("combined_type") or item.combined.get("combined_type")
            kind = ImageType.VIRTUAL_MACHINE if machine == "virtual-machine" else ImageType.CONTAINER
            yield "tar.gz", item.sha256, kind, (StreamFile("unified", item.path, item.size, item.sha256),)
    rootfs = [by_type[ftype] for ftype in _ROOTFS if ftype in by_type]
    if metadata is None:
        if rootfs:
            unusable.append(Unusable(name, serial, "no lxd.tar.xz or incus.tar.xz beside its rootfs"))
        return
    for root in rootfs:
        fields, kind = _ROOTFS[root.ftype]
        fingerprint = next((metadata.combined[key] for key in fields if metadata.combined.get(key)), "")
        problem = _problem(metadata) or _problem(root)
        if not problem and not _SHA256.fullmatch(fingerprint):
            problem = f"{metadata.ftype} has no usable {fields[0]}"
        if problem:
            unusable.append(Unusable(name, serial, problem))
            continue
        role: Literal["rootfs", "rootfs.img"] = "rootfs" if kind is ImageType.CONTAINER else "rootfs.img"
        yield (
            root.ftype,
            fingerprint,
            kind,
            (
                StreamFile("metadata", metadata.path, metadata.size, metadata.sha256),
                StreamFile(role, root.path, root.size, root.sha256),
            ),
        )


def _problem(item: Item) -> str:
    if not _SHA256.fullmatch(item.sha256):
        return f"{item.ftype} has no usable sha256"
    parts = item.path.split("/")
    if ".." in parts or "://" in item.path or "\\" in item.path or not item.path.isprintable() or not parts[-1]:
        return f"{item.ftype} has a path that is not relative to the server"
    return ""


def _deltas(product: Product, version: Version, ftype: str) -> Iterator[StreamDelta]:
    for item in version.items.values():
        if item.ftype != _DELTAS[ftype] or item.delta_base not in product.versions or _problem(item):
            continue
        base = product.versions[item.delta_base].items.values()
        for other in base:
            if other.ftype in _METADATA:
                fingerprint = next((other.combined.get(key, "") for key in _ROOTFS[ftype][0]), "")
                if _SHA256.fullmatch(fingerprint):
                    yield StreamDelta(fingerprint, item.path, item.size, item.sha256)
                    break


def _properties(product: Product, serial: str, version: Version, ftype: str) -> dict[str, str]:
    label = f" ({version.label})" if version.label else ""
    title = product.release_title
    properties = {
        "os": product.os,
        "release": product.release,
        "version": product.version,
        "variant": product.variant,
        "architecture": product.arch,
        "label": version.label,
        "serial": serial,
        "description": f"{product.os} {title} {product.arch}{label} ({serial})",
        "type": ftype,
    }
    properties.update({f"requirements.{key}": value for key, value in product.requirements.items()})
    return {key: value for key, value in properties.items() if value}


def _day(text: str) -> datetime | None:
    """Midnight UTC of YYYYMMDD or YYYY-MM-DD."""
    digits = text.replace("-", "") if len(text) == 10 and text[4] == text[7] == "-" else text
    if len(digits) != 8 or not digits.isascii() or not digits.isdigit():
        return None
    try:
        return datetime(int(digits[:4]), int(digits[4:6]), int(digits[6:]), tzinfo=UTC)
    except ValueError:
        return None
