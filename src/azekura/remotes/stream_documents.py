"""A stream's documents: fetched if they changed, checked, kept; used from the cache while the server is silent."""

from __future__ import annotations

import email.utils
import hashlib
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TypeVar

from azekura.errors import BadAnswer, ConnectionFailed, NotFound, RemoteError
from azekura.remotes import download
from azekura.remotes.coding import gunzipped
from azekura.remotes.document_cache import DocumentCache, Kept
from azekura.remotes.http import Http
from azekura.remotes.policy import DOCUMENT_RETRIES, SignatureRule, SigningPolicy
from azekura.remotes.port import never
from azekura.remotes.signing import verified
from azekura.remotes.stream_catalog import DAMAGED
from azekura.remotes.targets import MemoryTarget
from azekura.remotes.urls import Url
from azekura.wire.simplestreams import (
    IMAGE_DOWNLOADS,
    RawProducts,
    StreamIndex,
    index_from_json,
    raw_products_from_json,
)

T = TypeVar("T", StreamIndex, RawProducts)
INDEX = "streams/v1/index.json"
_INDEX_LIMIT = 16 * 1024**2  # bytes, unpacked
_PRODUCTS_LIMIT = 256 * 1024**2
_FILES = 64  # products files of one index
_JSON = re.compile(r"\.json$")


@dataclass(frozen=True, slots=True)
class Document:
    """A document that is kept under ``path``; ``sha256`` is of its (verified) text."""

    path: str
    sha256: str


class StreamDocuments:
    """One look at a server. ``anew`` doesn't ask whether a document changed, but for the document.

    ``current`` raises the errors of the port where neither the server nor the cache has a usable document.
    """

    def __init__(
        self,
        http: Http,
        bases: Sequence[Url],
        cache: DocumentCache,
        signing: SigningPolicy,
        warn: Callable[[str], None],
        *,
        anew: bool,
    ) -> None:
        self._http = http
        self._bases = bases
        self._cache = cache
        self._signing = signing
        self._warn = warn
        self._anew = anew
        self._parsed: dict[str, StreamIndex | RawProducts] = {}
        self._silent = False  # the server could not be reached a moment ago

    def current(self) -> list[Document]:
        """The products files that the index names now."""
        signed, index_document = self._index()
        index = self._value(index_document, index_from_json)
        # LXD ignores an entry whose list of products is empty: that is how publishers withdraw one
        wanted = [entry for entry in index.entries.values() if entry.datatype == IMAGE_DOWNLOADS and entry.products]
        if len(wanted) > _FILES:
            raise BadAnswer(f"{self._bases[0].shown} names more than {_FILES} products files")
        paths = dict.fromkeys(_JSON.sub(".sjson", entry.path) if signed else entry.path for entry in wanted)
        found = [self._document(path, raw_products_from_json, _PRODUCTS_LIMIT, signed=signed) for path in paths]
        self._cache.forget_others({index_document.path, *paths})
        return found

    def products(self, document: Document) -> RawProducts:
        """The content of a document that ``current`` returned."""
        return self._value(document, raw_products_from_json)

    def _index(self) -> tuple[bool, Document]:
        rule = self._signing.rule
        if rule is not SignatureRule.OFF:
            path = _JSON.sub(".sjson", INDEX)
            try:
                return True, self._document(path, index_from_json, _INDEX_LIMIT, signed=True)
            except NotFound as exc:
                if rule is SignatureRule.REQUIRED:
                    raise BadAnswer(f"{self._bases[0].shown} has no signed index, and one is required") from exc
        return False, self._document(INDEX, index_from_json, _INDEX_LIMIT, signed=False)

    def _value(self, document: Document, parse: Callable[[bytes], T]) -> T:
        if document.path not in self._parsed:
            body = self._cache.body(document.path)
            if body is None:
                self._cache.forget(document.path)
                raise BadAnswer(DAMAGED)
            self._parsed[document.path] = parse(body)
        return self._parsed[document.path]  # type: ignore[return-value]

    def _document(self, path: str, parse: Callable[[bytes], T], limit: int, *, signed: bool) -> Document:
        urls = [base.below(path) for base in self._bases]
        for url in urls[:1]:
            self._http.check(url.origin, secure=False)  # the allow-list holds for the cache as well
        kept = self._cache.head(path)
        if kept and signed and kept.signed_by != self._signing.trusted:
            kept = None
        if kept and self._silent:
            return Document(path, kept.sha256)
        try:
            return self._fetched(path, urls, kept, parse, limit, signed=signed)
        except (RemoteError, NotFound) as exc:
            if kept is None:
                raise
            self._silent = isinstance(exc, ConnectionFailed)
            self._warn(f"Using the kept index of {self._bases[0].shown}: {exc}")
            return Document(path, kept.sha256)

    def _fetched(
        self, path: str, urls: list[Url], kept: Kept | None, parse: Callable[[bytes], T], limit: int, *, signed: bool
    ) -> Document:
        target = MemoryTarget(limit)
        headers = {"Cache-Control": "no-cache"} if self._anew else kept.conditions() if kept else {}
        retries = 0 if kept else min(self._http.policy.retries, DOCUMENT_RETRIES)
        status = download.fetch(
            self._http, urls, target, cancelled=never, headers=headers, accept="gzip", retries=retries
        )
        if status == 304:
            if kept is None:
                raise BadAnswer(f"{urls[0].shown} answers 'not modified' to a question that did not ask for it")
            return Document(path, kept.sha256)
        body = gunzipped(target.body, limit, urls[0].shown)
        if signed:
            body = verified(body, self._signing.keys, urls[0].shown)
        try:
            value = parse(body)
        except BadAnswer as exc:
            raise BadAnswer(f"{urls[0].shown}: {exc}") from exc
        if signed and kept and _moment(value.updated) < _moment(kept.updated):
            raise BadAnswer(f"{urls[0].shown} is signed, but older than the one seen before")
        now = Kept(
            hashlib.sha256(body).hexdigest(),
            target.etag,
            target.last_modified,
            value.updated,
            self._signing.trusted if signed else "",
        )
        self._parsed[path] = value
        self._cache.keep(path, now, body)
        return Document(path, now.sha256)


def _moment(text: str) -> datetime:
    """A document's ``updated``, in either of the usual spellings; the beginning of time if it is neither."""
    for parse in (email.utils.parsedate_to_datetime, datetime.fromisoformat):
        try:
            moment = parse(text)
        except (ValueError, TypeError, IndexError):
            continue
        return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return datetime.min.replace(tzinfo=UTC)
