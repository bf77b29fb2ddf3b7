"""Which blobs there are, and who refers to them (docs/design.md, promise 3)."""

from __future__ import annotations

import builtins
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa

from azekura.catalog.columns import from_moment_or_none, to_moment, to_moment_or_none
from azekura.catalog.schema import blob_references, blobs, images
from azekura.catalog.session import Session
from azekura.errors import InUse, NotFound

_ONE = blobs.c.sha256 == sa.bindparam("wanted")
_NAMED_BY_IMAGE = sa.exists().where(
    sa.or_(images.c.metadata_sha256 == blobs.c.sha256, images.c.rootfs_sha256 == blobs.c.sha256)
)


@dataclass(frozen=True, slots=True)
class BlobReference:
    """``kind`` (image, deleted, download, instance, pin …) and ``owner`` say who; past ``expires_at`` it is void."""

    sha256: str
    kind: str
    owner: str
    expires_at: datetime | None = None


class Blobs:
    """A blob is kept while a reference that hasn't expired, or an image (deleted or not), names it."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def record(self, sha256: str, size: int) -> None:
        """Put a blob down, idle from now on until somebody refers to it. One that is known starts to idle anew."""
        values = {"sha256": sha256, "size": size, "idle_since": to_moment(self._session.clock())}
        if not self._session.insert_absent(blobs, values):
            self._session.change(blobs.update().where(_ONE), {"wanted": sha256, **values})

    def known(self, sha256: str) -> bool:
        return self._session.row(sa.select(blobs.c.sha256).where(_ONE), {"wanted": sha256}) is not None

    def add_reference(self, sha256: str, kind: str, owner: str, expires_at: datetime | None = None) -> None:
        """Keep the blob for ``owner``; a reference that is there gets the new ``expires_at``.

        Raises:
            NotFound: the blob was never recorded, or is forgotten.
        """
        if not self.known(sha256):
            raise NotFound("image file", sha256)
        self.drop_reference(sha256, kind, owner)
        self._session.change(
            blob_references.insert(),
            {"sha256": sha256, "kind": kind, "owner": owner, "expires_at": to_moment_or_none(expires_at)},
        )

    def drop_reference(self, sha256: str, kind: str, owner: str) -> None:
        """Let go of the blob, which idles from now on if it was the last. A reference that isn't there is no error."""
        dropped = self._session.change(
            blob_references.delete().where(
                blob_references.c.sha256 == sha256, blob_references.c.kind == kind, blob_references.c.owner == owner
            )
        )
        if dropped:
            now = to_moment(self._session.clock())
            self._session.change(blobs.update().where(_ONE), {"wanted": sha256, "idle_since": now})

    def references(self, sha256: str) -> builtins.list[BlobReference]:
        """Who refers to the blob: the references put down, expired ones too, and the images that name it."""
        found = {
            (kind, owner): BlobReference(sha256, kind, owner, from_moment_or_none(expires_at))
            for kind, owner, expires_at in self._session.rows(
                sa.select(blob_references.c.kind, blob_references.c.owner, blob_references.c.expires_at).where(
                    blob_references.c.sha256 == sha256
                )
            )
        }
        named = sa.or_(images.c.metadata_sha256 == sha256, images.c.rootfs_sha256 == sha256)
        for fingerprint, deleted_at in self._session.rows(
            sa.select(images.c.fingerprint, images.c.deleted_at).where(named)
        ):
            kind = "image" if deleted_at is None else "deleted"
            found.setdefault((kind, fingerprint), BlobReference(sha256, kind, fingerprint))
        return [found[key] for key in sorted(found)]

    def unreferenced(self, before: datetime) -> builtins.list[tuple[str, int]]:
        """Sha256 and size of the blobs that nobody has referred to since ``before``, those idle longest in front.

        Delete the files and :meth:`forget` them inside the same write transaction: whoever wants to keep a blob
        refers to it in one of their own before they commit its bytes (docs/catalog.md, blobs).
        """
        moment = to_moment(before)
        rows = self._session.rows(
            sa.select(blobs.c.sha256, blobs.c.size)
            .where(blobs.c.idle_since <= moment, ~self._referred_to(moment), ~_NAMED_BY_IMAGE)
            .order_by(blobs.c.idle_since, blobs.c.sha256)
        )
        return [(sha256, size) for sha256, size in rows]

    def forget(self, sha256: str) -> None:
        """Strike a blob off, with its expired references.

        Raises:
            InUse: somebody refers to it.
            NotFound: it isn't known.
        """
        now = to_moment(self._session.clock())
        statement = blobs.delete().where(_ONE, ~self._referred_to(now), ~_NAMED_BY_IMAGE)
        if self._session.change(statement, {"wanted": sha256}) == 0:
            if self.known(sha256):
                raise InUse("The image file is in use")
            raise NotFound("image file", sha256)

    def list(self) -> list[tuple[str, int]]:
        """Sha256 and size in bytes of all blobs, by sha256."""
        rows = self._session.rows(sa.select(blobs.c.sha256, blobs.c.size).order_by(blobs.c.sha256))
        return [(sha256, size) for sha256, size in rows]

    def total_size(self) -> int:
        """Bytes of all blobs."""
        row = self._session.row(sa.select(sa.func.coalesce(sa.func.sum(blobs.c.size), 0)))
        return 0 if row is None else int(row[0])

    @staticmethod
    def _referred_to(moment: int) -> sa.Exists:
        return sa.exists().where(
            blob_references.c.sha256 == blobs.c.sha256,
            sa.or_(blob_references.c.expires_at.is_(None), blob_references.c.expires_at > moment),
        )
