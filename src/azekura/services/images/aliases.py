"""Aliases: names that move in one step and remember where they pointed."""

from __future__ import annotations

from dataclasses import replace

from azekura.catalog import ANY, AliasMove, AnyTarget
from azekura.errors import InvalidRequest, NotFound, StaleETag
from azekura.model.fingerprint import Fingerprint
from azekura.model.image import Alias, ImageType
from azekura.model.reference import check_alias_name
from azekura.services.depot import Depot
from azekura.services.images.lookup import get_image
from azekura.wire.etag import etag_matches
from azekura.wire.images import alias_etag


def _path(name: str) -> str:
    return f"/1.0/images/aliases/{name}"


def create_alias(depot: Depot, name: str, target: str, description: str = "") -> Alias:
    """Point a new alias to the image that ``target`` (fingerprint or prefix) names.

    Raises:
        InvalidRequest: a name that can't be.
        NotFound: no such image.
        AlreadyExists: the name is taken, in LXD's words.
    """
    if not name or not target:
        raise InvalidRequest("name and target are required")
    check_alias_name(name)
    image = get_image(depot.catalog, target)
    alias = Alias(name, image.fingerprint, description, image.type)
    with depot.catalog.write() as tx:
        tx.aliases.create(alias)
    depot.events.lifecycle("image-alias-created", _path(name), {"target": image.fingerprint.value})
    return alias


def delete_alias(depot: Depot, name: str) -> None:
    """Raises:
    NotFound: no such alias.
    """
    with depot.catalog.write() as tx:
        tx.aliases.delete(name, "delete")
    depot.events.lifecycle("image-alias-deleted", _path(name))


def rename_alias(depot: Depot, name: str, new: str) -> None:
    """Raises:
    NotFound, AlreadyExists, InvalidRequest: in LXD's words.
    """
    check_alias_name(new)
    with depot.catalog.write() as tx:
        tx.aliases.rename(name, new)
    depot.events.lifecycle("image-alias-renamed", _path(new), {"old_name": name})


def update_alias(depot: Depot, name: str, *, target: str | None, description: str | None, if_match: str | None) -> None:
    """Change target and description where given.

    Raises:
        NotFound: no such alias or image.
        StaleETag: it changed since it was read.
    """
    with depot.catalog.write() as tx:
        alias = tx.aliases.get(name)
        if if_match and not etag_matches(if_match, alias_etag(alias)):
            raise StaleETag(f"ETag doesn't match: {alias_etag(alias)} vs {if_match.strip().strip(chr(34))}")
        if target is not None:
            image = tx.images.resolve(target)
            if image.fingerprint != alias.target:
                tx.aliases.move(name, image.fingerprint, expect=alias.target, reason="update")
            alias = replace(alias, target=image.fingerprint, type=image.type)
        if description is not None:
            tx.aliases.replace(replace(alias, description=description))
    depot.events.lifecycle("image-alias-updated", _path(name), {"target": alias.target.value})


def move_alias(
    depot: Depot, name: str, target: str, *, expect: Fingerprint | AnyTarget | None = ANY, reason: str = "set"
) -> tuple[Fingerprint | None, Fingerprint]:
    """Point ``name`` to ``target``, creating it where it isn't; ``expect`` is the compare of compare-and-swap.

    Returns the previous and the new target.

    Raises:
        NotFound: no such image.
        StaleETag: the alias doesn't point where ``expect`` says; nothing changed.
    """
    check_alias_name(name)
    image = get_image(depot.catalog, target)
    with depot.catalog.write() as tx:
        previous = tx.aliases.move(name, image.fingerprint, expect=expect, reason=reason)
    depot.events.lifecycle("image-alias-updated", _path(name), {"target": image.fingerprint.value})
    return previous, image.fingerprint


def alias_history(depot: Depot, name: str) -> list[AliasMove]:
    """Where the alias pointed, newest first.

    Raises:
        NotFound: no alias of that name is or was known.
    """
    with depot.catalog.read() as tx:
        history = tx.aliases.history(name)
        if not history and tx.aliases.find(name) is None:
            raise NotFound("image alias", name, message="Image alias not found")
        return history


def rollback_alias(depot: Depot, name: str, steps: int = 1) -> tuple[Fingerprint | None, Fingerprint]:
    """Point the alias back to where it pointed ``steps`` moves ago, as long as that image is still there.

    Raises:
        InvalidRequest: it never moved that often.
        NotFound: the image of that time is gone.
    """
    if steps < 1:
        raise InvalidRequest("An alias is rolled back by one step or more")
    with depot.catalog.write() as tx:
        current = tx.aliases.get(name)
        earlier = _earlier_targets(tx.aliases.history(name), current.target)
        if len(earlier) < steps:
            raise InvalidRequest(
                f'Alias "{name}" can\'t be rolled back by {steps}: it has {len(earlier)} earlier target(s)'
            )
        target = earlier[steps - 1]
        try:
            image = tx.images.get(target)
        except NotFound:
            raise NotFound(
                "image",
                target.value,
                message=f'The image {target.short} that alias "{name}" pointed to is gone',
                hint=f"lxc image undelete {target.short} brings it back if it was deleted a short time ago",
            ) from None
        tx.aliases.move(name, image.fingerprint, expect=current.target, reason="rollback")
    depot.events.lifecycle("image-alias-updated", _path(name), {"target": target.value})
    return current.target, target


def _earlier_targets(history: list[AliasMove], current: Fingerprint) -> list[Fingerprint]:
    """What rolling back goes through, nearest first. What was rolled back is out of the way: twice goes back twice."""
    trail: list[Fingerprint] = []
    for move in reversed(history):
        if move.target is None:
            continue
        if move.reason == "rollback" and move.target in trail:
            while trail[-1] != move.target:
                trail.pop()
        elif not trail or trail[-1] != move.target:
            trail.append(move.target)
    if trail and trail[-1] == current:
        trail.pop()
    return trail[::-1]


def alias_type(text: str) -> ImageType:
    """The ``type`` of an alias in a request."""
    return ImageType.VIRTUAL_MACHINE if text == ImageType.VIRTUAL_MACHINE.value else ImageType.CONTAINER
