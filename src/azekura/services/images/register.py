"""Recording a staged image: blobs, references, row and aliases in one transaction."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

from azekura.catalog import ANY, Transaction
from azekura.errors import AlreadyExists, FingerprintMismatch, InUse, NotFound
from azekura.model.fingerprint import Fingerprint
from azekura.model.image import EPOCH, Alias, Image, ImageType
from azekura.model.reference import check_alias_name
from azekura.model.source import ImageSource
from azekura.services.depot import Depot
from azekura.services.images.removal import purge_image
from azekura.services.images.staging import Staged, Staging
from azekura.wire.times import parse_time

ARRIVAL_LIMIT = timedelta(hours=1)  # longer than any commit takes


@dataclass(frozen=True, slots=True)
class AliasWish:
    """An alias that shall point to an image once it is there."""

    name: str
    description: str = ""


@dataclass(frozen=True, slots=True)
class ImageWishes:
    """What whoever brings an image in wants recorded with it.

    ``properties`` are merged over those of ``metadata.yaml`` unless ``replace_properties``. ``expected`` is checked
    against the bytes. ``reuse`` lets aliases that exist move here. ``adopt`` makes an image that is already there a
    success, to which aliases and flags are added.
    """

    public: bool = False
    auto_update: bool = False
    cached: bool = False
    filename: str = ""
    properties: Mapping[str, str] = field(default_factory=dict)
    replace_properties: bool = False
    profiles: tuple[str, ...] | None = None
    aliases: tuple[AliasWish, ...] = ()
    reuse: bool = False
    adopt: bool = False
    created_at: datetime | None = None
    expires_at: datetime | None = None
    last_used_at: datetime | None = None
    expected: Fingerprint | None = None
    source: ImageSource | None = None


def check_wishes(depot: Depot, wishes: ImageWishes) -> None:
    """Refuse what can be refused before any byte has come.

    Raises:
        InvalidRequest: an alias name that can't be.
        AlreadyExists: an alias is taken and ``reuse`` is not wanted.
        NotFound: an unknown profile.
    """
    with depot.catalog.read() as tx:
        _check_aliases(tx, wishes)
        _check_profiles(tx, wishes.profiles)


def _check_aliases(tx: Transaction, wishes: ImageWishes) -> None:
    for wish in wishes.aliases:
        check_alias_name(wish.name)
        if not wishes.reuse and tx.aliases.find(wish.name) is not None:
            raise AlreadyExists("alias", wish.name, message=f"Alias already exists: {wish.name}")


def _check_profiles(tx: Transaction, profiles: tuple[str, ...] | None) -> None:
    for name in profiles or ():
        try:
            tx.profiles.get(name)
        except NotFound:
            raise NotFound("profile", name, message=f"Profile '{name}' doesn't exist") from None


def register(depot: Depot, staging: Staging, staged: Staged, wishes: ImageWishes) -> Image:
    """Make a staged image visible, in one step.

    Raises:
        FingerprintMismatch: the bytes are not the expected ones; nothing is kept.
        AlreadyExists: the image or one of the aliases is there already.
    """
    if wishes.expected is not None and wishes.expected != staged.fingerprint:
        raise FingerprintMismatch(
            expected=wishes.expected.value,
            actual=staged.fingerprint.value,
            message=f"fingerprints don't match, got {staged.fingerprint} expected {wishes.expected}",
        )
    image = _image(depot, staged, wishes)
    with depot.image_locks.hold(image.fingerprint.value):
        if (present := _adopt(depot, image, wishes)) is not None:
            return present
        staging.commit_tree(staged.fingerprint)
        _announce(depot, image)
        try:
            _record(depot, staging, staged, image, wishes)
        except BaseException:
            _withdraw(depot, image)
            raise
    depot.events.lifecycle("image-created", f"/1.0/images/{image.fingerprint}", {"type": image.type.value})
    with depot.catalog.read() as tx:
        return tx.images.get(image.fingerprint)


def _record(depot: Depot, staging: Staging, staged: Staged, image: Image, wishes: ImageWishes) -> None:
    with depot.catalog.write() as tx:
        _check_aliases(tx, wishes)
        _check_profiles(tx, wishes.profiles)
        tx.images.create(image, metadata_yaml=staged.metadata_yaml, templates=staged.templates)
        for file in image.files.all:
            tx.blobs.record(file.sha256, file.size)
            tx.blobs.add_reference(file.sha256, "image", image.fingerprint.value)
            tx.blobs.drop_reference(file.sha256, "arriving", image.fingerprint.value)
        staging.commit_blobs()
        point_aliases(tx, image.fingerprint, image.type, wishes.aliases, reason="import")


def _announce(depot: Depot, image: Image) -> None:
    """Tell the catalog which blobs are about to appear: if we die between files and record, the collector finds them.

    A blob that the catalog never heard of is left alone for ``lxd check``: it may be all that a lost database left.
    """
    with depot.catalog.write(durable=False) as tx:
        for file in image.files.all:
            tx.blobs.record(file.sha256, file.size)
            tx.blobs.add_reference(
                file.sha256, "arriving", image.fingerprint.value, expires_at=depot.clock() + ARRIVAL_LIMIT
            )


def _withdraw(depot: Depot, image: Image) -> None:
    """Take back what :func:`_announce` said: the image isn't coming after all."""
    with depot.catalog.write(durable=False) as tx:
        for file in image.files.all:
            tx.blobs.drop_reference(file.sha256, "arriving", image.fingerprint.value)
            try:
                depot.blobs.size(file.sha256)
            except NotFound:
                with contextlib.suppress(InUse, NotFound):
                    tx.blobs.forget(file.sha256)


def _adopt(depot: Depot, image: Image, wishes: ImageWishes) -> Image | None:
    """The image if it is there already and that is fine; None if it isn't there."""
    with depot.catalog.write() as tx:
        try:
            present = tx.images.get(image.fingerprint, deleted=True)
        except NotFound:
            return None
        if present.deleted_at is not None:
            purge_image(tx, present)  # its bytes just came in again: the new record replaces the deleted one
            return None
        if not wishes.adopt:
            raise AlreadyExists("image", image.fingerprint.value, message="Image with same fingerprint already exists")
        return adopt_present(tx, present, wishes)


def adopt_present(tx: Transaction, present: Image, wishes: ImageWishes) -> Image:
    """Apply wishes to an image that is there. Only what was asked for changes: no flag is ever taken away."""
    _check_aliases(tx, wishes)
    changed = replace(
        present,
        public=present.public or wishes.public,
        auto_update=present.auto_update or wishes.auto_update,
        cached=present.cached and wishes.cached,  # an explicit copy must not expire like a cached one
        properties={**present.properties, **wishes.properties},
        source=wishes.source or present.source,
    )
    tx.images.replace(changed)
    point_aliases(tx, present.fingerprint, present.type, wishes.aliases, reason="copy")
    return tx.images.get(present.fingerprint)


def point_aliases(
    tx: Transaction, target: Fingerprint, kind: ImageType, wishes: tuple[AliasWish, ...], *, reason: str
) -> None:
    """Create or move aliases. Readers see the old target or the new one, never none."""
    for wish in wishes:
        if tx.aliases.find(wish.name) is None:
            tx.aliases.create(Alias(wish.name, target, wish.description, kind))
        else:
            tx.aliases.move(wish.name, target, expect=ANY, reason=reason)


def _image(depot: Depot, staged: Staged, wishes: ImageWishes) -> Image:
    metadata = staged.metadata
    properties = {} if wishes.replace_properties else dict(metadata.properties)
    properties.update(wishes.properties)
    return Image(
        fingerprint=staged.fingerprint,
        type=staged.type,
        architecture=metadata.architecture,
        files=staged.files,
        created_at=wishes.created_at or _epoch(metadata.creation_date),
        uploaded_at=depot.clock(),
        origin=staged.origin,
        filename=wishes.filename,
        public=wishes.public,
        auto_update=wishes.auto_update,
        cached=wishes.cached,
        expires_at=wishes.expires_at or (_epoch(metadata.expiry_date) if metadata.expiry_date else EPOCH),
        last_used_at=wishes.last_used_at or parse_time(""),
        properties={key: value for key, value in properties.items() if value},
        profiles=wishes.profiles if wishes.profiles is not None else ("default",),
        source=wishes.source,
    )


def _epoch(seconds: int) -> datetime:
    """``seconds`` since 1970, kept within what a date can hold."""
    return datetime.fromtimestamp(max(0, min(seconds, 253402300799)), UTC)
