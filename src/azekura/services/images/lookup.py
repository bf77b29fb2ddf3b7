"""Finding images: by fingerprint, prefix or alias, and only what the caller may see."""

from __future__ import annotations

import fnmatch
from dataclasses import dataclass

from azekura.catalog import Catalog
from azekura.errors import Ambiguous, NotFound
from azekura.model.fingerprint import is_prefix
from azekura.model.image import Alias, Image


@dataclass(frozen=True, slots=True)
class Viewer:
    """Who asks. ``scope`` (shell pattern over aliases) widens what an otherwise anonymous caller may see."""

    everything: bool = True
    scope: str = ""

    def sees(self, image: Image) -> bool:
        if self.everything or image.public:
            return True
        return bool(self.scope) and any(fnmatch.fnmatchcase(alias.name, self.scope) for alias in image.aliases)


ADMIN = Viewer()
ANONYMOUS = Viewer(everything=False)


def _not_found() -> NotFound:
    # One text for "isn't there" and "you may not see it": nothing tells a private image from an absent one.
    return NotFound("image", message="Image not found")


def get_image(catalog: Catalog, reference: str, viewer: Viewer = ADMIN) -> Image:
    """The image whose fingerprint is or begins with ``reference``.

    Raises:
        NotFound: there is none that ``viewer`` may see.
        Ambiguous: several, in LXD's words.
    """
    if not is_prefix(reference):
        raise _not_found()
    with catalog.read() as tx:
        if viewer.everything:
            return tx.images.resolve(reference)
        if not viewer.scope:
            return tx.images.resolve(reference, public_only=True)
        matches = [one for one in tx.images.list() if one.fingerprint.value.startswith(reference) and viewer.sees(one)]
    if not matches:
        raise _not_found()
    if len(matches) > 1:
        raise Ambiguous("More than one image matches", candidates=tuple(one.fingerprint.value for one in matches))
    return matches[0]


def find_image(catalog: Catalog, reference: str, viewer: Viewer = ADMIN) -> Image:
    """The image that ``reference`` names: an alias first, else a fingerprint or the beginning of one.

    Raises:
        NotFound, Ambiguous: as :func:`get_image`.
    """
    with catalog.read() as tx:
        alias = tx.aliases.find(reference)
        if alias is not None:
            image = tx.images.get(alias.target)
            if viewer.sees(image):
                return image
    return get_image(catalog, reference, viewer)


def get_alias(catalog: Catalog, name: str, viewer: Viewer = ADMIN) -> Alias:
    """The alias ``name``.

    Raises:
        NotFound: there is none, or ``viewer`` may not see its image.
    """
    with catalog.read() as tx:
        alias = tx.aliases.get(name)
        if not viewer.everything and not viewer.sees(tx.images.get(alias.target)):
            raise NotFound("image alias", name, message="Image alias not found")
        return alias


def list_images(catalog: Catalog, viewer: Viewer = ADMIN, *, deleted: bool = False) -> list[Image]:
    """All images the viewer may see, by ascending fingerprint; ``deleted``: those that can be brought back."""
    with catalog.read() as tx:
        if deleted:
            return tx.images.list(deleted=True) if viewer.everything else []
        images = tx.images.list(public_only=not viewer.everything and not viewer.scope)
    return images if viewer.everything else [image for image in images if viewer.sees(image)]
