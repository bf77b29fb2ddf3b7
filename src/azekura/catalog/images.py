"""Images: records, the metadata and templates that came with them, deletion with a way back."""

from __future__ import annotations

import builtins
import gc
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from azekura.catalog.alias_rows import ALIAS_COLUMNS, release_aliases, restore_aliases
from azekura.catalog.columns import to_moment
from azekura.catalog.image_rows import IMAGE_COLUMNS, image_from_row, mutable_values, new_values
from azekura.catalog.schema import aliases, blobs, image_metadata, image_secrets, image_templates, images
from azekura.catalog.session import Row, Session
from azekura.errors import AlreadyExists, Ambiguous, NotFound
from azekura.model.fingerprint import Fingerprint, is_prefix
from azekura.model.image import Image, ImageFile
from azekura.model.source import Protocol

CANDIDATES = 100  # named in an Ambiguous error at the most

_ONE = images.c.fingerprint == sa.bindparam("wanted")
_PRESENT = images.c.deleted_at.is_(None)
_SELECT = sa.select(*IMAGE_COLUMNS)
_GET = _SELECT.where(_ONE)
# A range, not LIKE: served by the primary key, and no character means anything but itself. 'g' comes after every digit.
_IN_RANGE = (images.c.fingerprint >= sa.bindparam("first"), images.c.fingerprint < sa.bindparam("end"))
_MATCHING = sa.select(images.c.fingerprint).where(*_IN_RANGE, _PRESENT).order_by(images.c.fingerprint).limit(CANDIDATES)
_FILE_COLUMNS = (
    *(images.c.metadata_sha256, images.c.metadata_size, images.c.metadata_extension),
    *(images.c.rootfs_sha256, images.c.rootfs_size, images.c.rootfs_extension),
)
_ALIASES = sa.select(*ALIAS_COLUMNS).where(aliases.c.fingerprint == sa.bindparam("wanted")).order_by(aliases.c.name)


def image_not_found(fingerprint: str) -> NotFound:
    return NotFound("image", fingerprint, message="Image not found")


class Images:
    """``deleted`` images are those that :meth:`delete` took out of sight and :meth:`undelete` can bring back."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def create(self, image: Image, *, metadata_yaml: bytes, templates: Mapping[str, bytes]) -> None:
        """Record an image; ``image.aliases`` is not looked at. A deleted one of the same fingerprint gives way.

        Raises:
            AlreadyExists: in LXD's words.
        """
        session = self._session
        wanted = image.fingerprint.value
        if not session.insert_absent(images, new_values(image)):
            present = self.get(image.fingerprint, deleted=True)
            if present.deleted_at is None:
                raise AlreadyExists("image", wanted, message="Image with same fingerprint already exists")
            self.purge(image.fingerprint)
            session.change(images.insert(), new_values(image))
        session.change(image_metadata.insert(), {"fingerprint": wanted, "metadata_yaml": metadata_yaml})
        rows = [{"fingerprint": wanted, "name": name, "content": content} for name, content in templates.items()]
        if rows:
            session.change(image_templates.insert(), rows)

    def get(self, fingerprint: Fingerprint, *, deleted: bool = False) -> Image:
        """The image of that fingerprint; ``deleted``: even if it was deleted.

        Raises:
            NotFound: in LXD's words.
        """
        row = self._session.row(_GET, {"wanted": fingerprint.value})
        if row is None or (row.deleted_at is not None and not deleted):
            raise image_not_found(fingerprint.value)
        return self._complete(row)

    def resolve(self, prefix: str, *, public_only: bool = False) -> Image:
        """The image whose fingerprint is ``prefix`` or begins with it.

        Raises:
            NotFound: none does (or only ones that aren't public), in LXD's words.
            Ambiguous: several do; ``candidates`` are their fingerprints, the first hundred.
        """
        if not is_prefix(prefix):
            raise image_not_found(prefix)
        statement = _MATCHING.where(images.c.public) if public_only else _MATCHING
        matches = [row[0] for row in self._session.rows(statement, {"first": prefix, "end": prefix + "g"})]
        if not matches:
            raise image_not_found(prefix)
        if len(matches) > 1:
            raise Ambiguous("More than one image matches", candidates=tuple(matches))
        return self.get(Fingerprint(matches[0]))

    def list(self, *, public_only: bool = False, deleted: bool = False) -> list[Image]:
        """Images by ascending fingerprint; ``deleted``: those that were deleted, instead of the others."""
        conditions: builtins.list[sa.ColumnElement[bool]] = [images.c.deleted_at.is_not(None) if deleted else _PRESENT]
        if public_only:
            conditions.append(images.c.public)
        return self._listed(_SELECT.where(*conditions).order_by(images.c.fingerprint))

    def deleted_before(self, when: datetime) -> builtins.list[Image]:
        """Images that were deleted before ``when``, those deleted first in front."""
        return self._listed(
            _SELECT.where(images.c.deleted_at < to_moment(when)).order_by(images.c.deleted_at, images.c.fingerprint)
        )

    def by_source(self, server: str, protocol: Protocol, alias: str) -> Image | None:
        """The image that was last fetched from there."""
        row = self._session.row(
            _SELECT.where(
                _PRESENT,
                images.c.source_server == server,
                images.c.source_protocol == protocol.value,
                images.c.source_alias == alias,
            ).order_by(images.c.uploaded_at.desc(), images.c.fingerprint)
        )
        return None if row is None else self._complete(row)

    def public_file(self, sha256: str, deleted_since: datetime) -> ImageFile | None:
        """The file of that sha256 if it belongs to a public image: one that is there, or was deleted since then."""
        row = self._session.row(
            sa.select(*_FILE_COLUMNS)
            .where(
                images.c.public,
                sa.or_(images.c.metadata_sha256 == sha256, images.c.rootfs_sha256 == sha256),
                sa.or_(images.c.deleted_at.is_(None), images.c.deleted_at > to_moment(deleted_since)),
            )
            .limit(1)
        )
        if row is None:
            return None
        return ImageFile(*row[:3]) if row[0] == sha256 else ImageFile(*row[3:])

    def count(self) -> int:
        """How many there are, without the deleted ones."""
        row = self._session.row(sa.select(sa.func.count()).select_from(images).where(_PRESENT))
        return 0 if row is None else int(row[0])

    def replace(self, image: Image) -> None:
        """Put down all that may change: flags, dates of expiry and use, filename, origin, properties, profiles, source.

        Raises:
            NotFound: in LXD's words.
        """
        self._change(image.fingerprint, mutable_values(image))

    def mark_used(self, fingerprint: Fingerprint, when: datetime) -> None:
        """Raises:
        NotFound: in LXD's words.
        """
        self._change(fingerprint, {"last_used_at": to_moment(when)}, counted=False)

    def delete(self, fingerprint: Fingerprint, when: datetime) -> None:
        """Take an image out of sight; its aliases and secrets go, and the aliases' history says why.

        Raises:
            NotFound: in LXD's words.
        """
        self._change(fingerprint, {"deleted_at": to_moment(when)})
        release_aliases(self._session, fingerprint, when)
        self._session.change(image_secrets.delete().where(image_secrets.c.fingerprint == fingerprint.value))

    def undelete(self, fingerprint: Fingerprint) -> Image:
        """Bring a deleted image back, with those of its aliases whose names are still free.

        Raises:
            NotFound: no image of that fingerprint is waiting to be brought back.
        """
        row = self._session.row(_GET, {"wanted": fingerprint.value})
        if row is None or row.deleted_at is None:
            raise image_not_found(fingerprint.value)
        self._session.change(images.update().where(_ONE), {"wanted": fingerprint.value, "deleted_at": None})
        restore_aliases(self._session, fingerprint, row.deleted_at)
        return self.get(fingerprint)

    def purge(self, fingerprint: Fingerprint) -> None:
        """Forget an image for good, deleted or not. Its blobs are idle from now on as far as it is concerned.

        Raises:
            NotFound: in LXD's words.
        """
        image = self.get(fingerprint, deleted=True)
        now = self._session.clock()
        release_aliases(self._session, fingerprint, now)
        self._session.change(images.delete().where(_ONE), {"wanted": fingerprint.value})
        self._session.change(
            blobs.update().where(blobs.c.sha256.in_([file.sha256 for file in image.files.all])),
            {"idle_since": to_moment(now)},
        )

    def metadata_yaml(self, fingerprint: Fingerprint) -> bytes:
        """The ``metadata.yaml`` that the image brought, byte for byte; also of a deleted one.

        Raises:
            NotFound: in LXD's words.
        """
        row = self._session.row(
            sa.select(image_metadata.c.metadata_yaml).where(image_metadata.c.fingerprint == fingerprint.value)
        )
        if row is None:
            raise image_not_found(fingerprint.value)
        return bytes(row[0])

    def templates(self, fingerprint: Fingerprint) -> dict[str, bytes]:
        """The image's template files by name; also of a deleted one.

        Raises:
            NotFound: in LXD's words.
        """
        rows = self._session.rows(
            sa.select(image_templates.c.name, image_templates.c.content)
            .where(image_templates.c.fingerprint == fingerprint.value)
            .order_by(image_templates.c.name)
        )
        if not rows:
            self.get(fingerprint, deleted=True)
        return {name: bytes(content) for name, content in rows}

    def _change(self, fingerprint: Fingerprint, values: dict[str, Any], *, counted: bool = True) -> None:
        statement = images.update().where(_ONE, _PRESENT)
        if self._session.change(statement, {"wanted": fingerprint.value, **values}, counted=counted) == 0:
            raise image_not_found(fingerprint.value)

    def _complete(self, row: Row) -> Image:
        rows = self._session.rows(_ALIASES, {"wanted": row.fingerprint})
        return image_from_row(row, rows)

    def _listed(self, statement: sa.Select[Any]) -> builtins.list[Image]:
        """Two queries joined here: half the time of a join that repeats every image for each of its aliases."""
        named: dict[str, builtins.list[Row]] = {}
        with _collector_paused():
            for row in self._session.stream(sa.select(*ALIAS_COLUMNS).order_by(aliases.c.name)):
                named.setdefault(row[1], []).append(row)
            return [image_from_row(row, named.get(row[0], ())) for row in self._session.stream(statement)]


@contextmanager
def _collector_paused() -> Iterator[None]:
    """Spare the garbage collector the walk through ever more objects none of which is garbage.

    For 10,000 images that is a third of the time. Whoever turned it off turns it on: threads don't disturb each other.
    """
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()
