"""Under which names a stream offers an image, so that clients find by them what the server's own aliases mean.

Clients read a product's aliases for its architecture only, and make ``NAME/ARCHITECTURE`` of each ``NAME`` themselves.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from azekura.model.architecture import ALIASES
from azekura.model.image import Image


@dataclass(frozen=True, slots=True)
class StreamNames:
    """``architecture`` as the product spells it, and the aliases it lists."""

    architecture: str
    aliases: tuple[str, ...]


class AliasMap:
    """All aliases of the offered images: which image each means."""

    def __init__(self, images: Iterable[Image]) -> None:
        self._owners = {alias.name: image for image in images for alias in image.aliases}

    def names_of(self, image: Image) -> StreamNames:
        """What to list for ``image``; its architecture as Debian spells it, unless a client would then make another
        image's alias of one of these.
        """
        aliases = [alias.name for alias in image.aliases if expressible(alias.name)]
        spellings = _spellings(image.architecture)
        for spelling in spellings:
            names = self._listed(image, aliases, f"/{spelling}")
            if all(self._owners.get(f"{name}/{spelling}", image) is image for name in names):
                return StreamNames(spelling, names)
        return StreamNames(spellings[0], self._listed(image, aliases, f"/{spellings[0]}"))

    def _listed(self, image: Image, aliases: list[str], suffix: str) -> tuple[str, ...]:
        """``debian/12/arm64`` is listed as ``debian/12``: on other architectures that stays what it was."""
        listed: dict[str, None] = {}
        for name in aliases:
            base = name.removesuffix(suffix)
            if base and base != name and self._is_free(base, image):
                listed[base] = None
            else:
                listed[name] = None
        return tuple(listed)

    def _is_free(self, name: str, image: Image) -> bool:
        """Whether ``name`` on this architecture would be nobody else's."""
        owner = self._owners.get(name, image)
        return owner is image or (owner.type is image.type and owner.architecture != image.architecture)


def expressible(alias: str) -> bool:
    """Whether it can stand in a list that is separated by commas, and that some clients strip of blanks."""
    return "," not in alias and alias == alias.strip()


def _spellings(architecture: str) -> tuple[str, ...]:
    """Debian's first, then LXD's, then what else clients understand."""
    others = ALIASES.get(architecture, ())
    return (*others[:1], architecture, *others[1:])
