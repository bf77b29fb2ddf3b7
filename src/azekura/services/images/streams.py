"""This server as a simplestreams server: what anybody may see, computed from the catalog and kept nowhere else."""

from __future__ import annotations

import gzip
import hashlib
import logging
import threading
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from azekura.catalog import Catalog
from azekura.errors import NotFound, Unsupported
from azekura.model.image import EPOCH
from azekura.services.depot import Depot
from azekura.services.images.lookup import ANONYMOUS
from azekura.services.images.stream_products import products_of
from azekura.wire.simplestreams import index_to_json, products_to_json
from azekura.wire.simplestreams_items import file_name, parse_file_name, stream_documents

log = logging.getLogger("azekura.streams")

# Clients keep an index for an hour, and ask for files by it: those of an image deleted since then are still given out
INDEX_LIFE = timedelta(hours=2)
_GZIP_FROM = 1024  # bytes


class StreamDocument:
    """A JSON document as it goes out. ``etag`` (unquoted) is of its bytes."""

    def __init__(self, body: bytes, made_at: datetime) -> None:
        self.body = body
        self.etag = hashlib.sha256(body).hexdigest()[:32]
        self.made_at = made_at.replace(microsecond=0)  # HTTP dates are in seconds
        self._packed: bytes | None = None
        self._packing = threading.Lock()

    def packed(self) -> bytes | None:
        """The body compressed by gzip, where that is worth it. It takes a while the first time."""
        if len(self.body) < _GZIP_FROM:
            return None
        with self._packing:
            if self._packed is None:
                self._packed = gzip.compress(self.body, 6, mtime=0)
            return self._packed


@dataclass(frozen=True, slots=True)
class StreamView:
    """Index and products of one state of the catalog."""

    index: StreamDocument
    images: StreamDocument


class Streams:
    """Keeps the view of the catalog's present state, so that it is computed once for each."""

    def __init__(self, depot: Depot) -> None:
        self._depot = depot
        self._making = threading.Lock()
        self._known: tuple[int, StreamView] | None = None

    def present(self) -> StreamView | None:
        """The view, if nothing has changed since it was computed. Doesn't block."""
        known = self._known
        return known[1] if known is not None and known[0] == _state(self._depot.catalog) else None

    def view(self) -> StreamView:
        """The view, computed where it must be."""
        with self._making:
            view = self.present()
            if view is None:
                state = _state(self._depot.catalog)  # asked for first: a change that comes now makes the view outdated
                view = self._compute()
                self._known = (state, view)
            return view

    def _compute(self) -> StreamView:
        with self._depot.catalog.read() as tx:
            images = [image for image in tx.images.list(public_only=True) if ANONYMOUS.sees(image)]
        products, left_out = products_of(images)
        for one in left_out:
            what = f"alias {one.alias!r} of image" if one.alias else "image"
            log.info("%s %s is not offered over simplestreams: %s", what, one.fingerprint[:12], one.reason)
        updated = max((image.uploaded_at for image in images), default=EPOCH)
        index, file = stream_documents(products, updated)
        now = self._depot.clock()
        known = self._known[1] if self._known is not None else None
        return StreamView(
            _document(index_to_json(index, compact=True), known.index if known else None, now),
            _document(products_to_json(file, compact=True), known.images if known else None, now),
        )


def _document(body: bytes, known: StreamDocument | None, now: datetime) -> StreamDocument:
    """The document that is known already where its bytes stayed the same: with its date, and compressed."""
    return known if known is not None and known.body == body else StreamDocument(body, now)


def _state(catalog: Catalog) -> int:
    return catalog.changes("images", "aliases")


def stream_file(depot: Depot, name: str) -> Path:
    """The file that a stream names ``name``: of a public image, or of one that was public when it was deleted lately.

    Raises:
        NotFound: there is none, or it isn't for everybody.
        Unsupported: the blobs of this server are not local files.
    """
    parsed = parse_file_name(name)
    if parsed is not None:
        with depot.catalog.read() as tx:
            file = tx.images.public_file(parsed[0], depot.clock() - INDEX_LIFE)
        if file is not None and file_name(file) == name:
            path = depot.blobs.path(file.sha256)
            if path is None:
                raise Unsupported("This server's images can't be sent over simplestreams")
            return path
    raise NotFound("image file", message="not found")
