"""Which products the images of this server make in a stream, and which version of one each image is.

Clients give a product's aliases to its newest version. So an image with aliases always is the newest of its product:
images of one kind stand in one product only as far as no alias comes to mean another image by that.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime

from azekura.errors import Unsupported
from azekura.model.image import EPOCH, Image
from azekura.services.images.stream_names import AliasMap, StreamNames, expressible
from azekura.wire.simplestreams import Item, Product, Version
from azekura.wire.simplestreams_items import items_of

_REQUIREMENTS = "requirements."
_LONGEST = 64  # characters of one part of a product's name
_NOT_IN_NAMES = re.compile(r"[^A-Za-z0-9._+-]+", re.ASCII)


@dataclass(frozen=True, slots=True)
class LeftOut:
    """What a stream can't say: an image (``alias`` empty), or one of its aliases."""

    fingerprint: str
    alias: str
    reason: str


@dataclass(frozen=True, slots=True)
class _Offered:
    """One image on its way into a product."""

    image: Image
    items: Mapping[str, Item]
    names: StreamNames

    @property
    def made_at(self) -> datetime:
        """When the image was made; when it came, if it doesn't say."""
        return self.image.created_at if self.image.created_at > EPOCH else self.image.uploaded_at


def products_of(images: Iterable[Image]) -> tuple[dict[str, Product], list[LeftOut]]:
    """The products that ``images`` make, by ascending name, and what had to be left out."""
    offered, left_out = _offered(list(images))
    kinds: dict[tuple[str, ...], list[_Offered]] = {}
    for one in offered:
        kinds.setdefault(_kind(one.image), []).append(one)
    products: dict[str, Product] = {}
    for kind in sorted(kinds):
        for run in _runs(kinds[kind]):
            product = _product(run)
            parts = [_part(product.os), _part(product.release), product.arch, _part(product.variant, "default")]
            head = run[0].image.fingerprint
            names = (":".join([*parts, *more]) for more in ([], [head.short], [head.value]))
            products[next(name for name in names if name not in products)] = product
    return dict(sorted(products.items())), left_out


def _offered(images: list[Image]) -> tuple[list[_Offered], list[LeftOut]]:
    aliases = AliasMap(images)
    offered: list[_Offered] = []
    left_out: list[LeftOut] = []
    for image in images:
        try:
            offered.append(_Offered(image, items_of(image), aliases.names_of(image)))
        except Unsupported as exc:
            left_out.append(LeftOut(image.fingerprint.value, "", exc.message))
            continue
        left_out += [
            LeftOut(image.fingerprint.value, alias.name, "a list of aliases has commas and no blanks at their ends")
            for alias in image.aliases
            if not expressible(alias.name)
        ]
    return offered, left_out


def _kind(image: Image) -> tuple[str, ...]:
    """Images of one kind differ by their age only, as far as clients can see."""
    properties = image.properties
    requirements = [part for pair in sorted(_requirements(properties).items()) for part in pair]
    said = [properties.get(key, "") for key in ("os", "release", "variant", "version")]
    return (*said, image.architecture, image.type.value, *requirements)


def _requirements(properties: Mapping[str, str]) -> dict[str, str]:
    return {
        key.removeprefix(_REQUIREMENTS): value for key, value in properties.items() if key.startswith(_REQUIREMENTS)
    }


def _runs(kind: list[_Offered]) -> Iterator[list[_Offered]]:
    """The images of a kind, newest first, cut before each that has aliases."""
    run: list[_Offered] = []
    newest_first = sorted(
        kind, key=lambda one: (one.made_at, bool(one.names.aliases), one.image.fingerprint), reverse=True
    )
    for one in newest_first:
        if one.names.aliases and run:
            yield run
            run = []
        run.append(one)
    yield run


def _product(run: list[_Offered]) -> Product:
    """The product whose versions are ``run``, newest first."""
    head = run[0]
    properties = head.image.properties
    title = ("release_title", "release", *(() if properties.get("os") else ("description",)))
    titles = [properties.get(key, "") for key in title] + list(head.names.aliases[:1])
    expires = head.image.expires_at
    return Product(
        arch=head.names.architecture,
        versions=dict(zip(_serials(run), map(_version, reversed(run)), strict=True)),
        aliases=head.names.aliases,
        os=properties.get("os", ""),
        release=properties.get("release", ""),
        release_title=next(filter(None, titles), ""),
        variant=properties.get("variant", ""),
        version=properties.get("version", ""),
        support_eol=expires.date().isoformat() if expires > EPOCH else "",
        requirements=_requirements(properties),
    )


def _version(one: _Offered) -> Version:
    return Version(one.items, label=one.image.properties.get("label", ""))


def _serials(run: list[_Offered]) -> list[str]:
    """A version's key for each image of ``run``, oldest first: they ascend as text, which is how clients compare them.

    ``YYYYMMDD_HHMM``, and a number where several images were made in that minute.
    """
    serials: list[str] = []
    previous, count = "", 1
    for one in reversed(run):
        serial = f"{one.made_at:%Y%m%d_%H%M}"  # %Y has four digits from 1000 on; the earliest here is 1970
        count = count + 1 if serial == previous else 1
        serials.append(serial if count == 1 else f"{serial}_{count:05}")
        previous = serial
    return serials


def _part(text: str, otherwise: str = "unknown") -> str:
    """A part of a product's name. Names are looked at by people and by no client that installs images."""
    return _NOT_IN_NAMES.sub("-", text)[:_LONGEST].strip("-") or otherwise
