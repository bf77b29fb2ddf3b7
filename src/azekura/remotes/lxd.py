"""LXD's own protocol: ``/1.0/images`` of another server, public or private."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any, NoReturn
from urllib.parse import quote, urlencode

from azekura.errors import (
    Ambiguous,
    AzekuraError,
    BadAnswer,
    Cancelled,
    FingerprintMismatch,
    Forbidden,
    InvalidRequest,
    NotFound,
)
from azekura.model.fingerprint import Fingerprint, is_prefix
from azekura.model.image import EPOCH, ImageType
from azekura.model.source import Protocol
from azekura.remotes import download, port
from azekura.remotes.http import Http, Response
from azekura.remotes.multipart import MultipartParser, boundary_of
from azekura.remotes.policy import DOCUMENT_RETRIES, DownloadPolicy
from azekura.remotes.targets import FileTarget, MemoryTarget
from azekura.remotes.trust import Trust
from azekura.remotes.urls import Url
from azekura.wire.times import parse_time

_RECORD_LIMIT = 4 * 1024**2  # bytes of JSON about one image
_LIST_LIMIT = 256 * 1024**2
_ERROR_LIMIT = 64 * 1024


class LxdServer:
    """One LXD server, or several addresses of the same one (``addresses``: tried in turn when one can't be reached).

    ``secret`` opens one private image: the server accepts it for one transfer.
    """

    protocol = Protocol.LXD

    def __init__(
        self,
        url: Url,
        trust: Trust,
        policy: DownloadPolicy,
        user_agent: str,
        *,
        addresses: Sequence[Url] = (),
        secret: str | None = None,
        project: str | None = None,
    ) -> None:
        self.url = url.shown.rstrip("/")
        self._bases = (url, *addresses)
        self._trust = trust
        self._policy = policy
        self._user_agent = user_agent
        self._query = {key: value for key, value in (("project", project), ("secret", secret)) if value}

    def resolve(
        self,
        reference: str,
        *,
        type: ImageType | None,  # noqa: A002 - LXD's word
        architectures: Sequence[str],  # noqa: ARG002 - an alias of LXD's stands for one image
        cancelled: port.Cancelled = port.never,
    ) -> port.RemoteImage:
        reference = reference or "default"
        with self._open() as http, http.watching(cancelled):
            target = None if is_prefix(reference) and len(reference) == 64 else self._alias(http, reference, type)
            if target is None and not is_prefix(reference):
                raise _image_not_found(reference)
            return self._image(http, target or reference)

    def list(self) -> port.RemoteImages:
        with self._open() as http:
            return self._list(http)

    def aliases(self) -> port.RemoteAliases:
        with self._open() as http:
            try:
                raw = self._get(http, "images/aliases", {"recursion": "1"}, limit=_LIST_LIMIT)
            except Forbidden:
                # guests may not list aliases, but see them in the images' records
                return [
                    port.RemoteAlias(name, image.fingerprint, image.type)
                    for image in self._list(http)
                    for name in image.aliases
                    if image.fingerprint
                ]
            if not isinstance(raw, list):
                self._nonsense("its aliases are no list")
            return [self._remote_alias(entry) for entry in raw]

    def download(
        self,
        image: port.RemoteImage,
        sink: port.ImageSink,
        *,
        progress: port.Progress,
        cancelled: port.Cancelled,
        base_rootfs: port.BaseRootfs | None = None,  # noqa: ARG002 - deltas are simplestreams'
    ) -> None:
        target = _ExportTarget(image, sink, progress, self._policy.max_size)
        urls = [self._url(base, f"images/{image.known_fingerprint}/export", {}) for base in self._bases]
        with self._open() as http:
            download.fetch(http, urls, target, cancelled=cancelled, refused=_refused)

    def _open(self) -> Http:
        origins = tuple(base.origin for base in self._bases)
        return Http(origins, self._trust, self._policy, self._user_agent, roam=True)

    def _url(self, base: Url, path: str, query: Mapping[str, str]) -> Url:
        return Url(base.origin, f"{base.path.rstrip('/')}/1.0/{path}", urlencode({**query, **self._query}))

    def _get(self, http: Http, path: str, query: Mapping[str, str], *, limit: int) -> Any:
        target = MemoryTarget(limit)
        urls = [self._url(base, path, query) for base in self._bases]
        retries = min(self._policy.retries, DOCUMENT_RETRIES)
        download.fetch(http, urls, target, cancelled=port.never, accept="gzip", refused=_refused, retries=retries)
        try:
            envelope = json.loads(target.body)
        except (ValueError, RecursionError) as exc:
            raise BadAnswer(f"{self.url} is no LXD server: its answer is not JSON") from exc
        if not isinstance(envelope, dict) or envelope.get("type") != "sync":
            self._nonsense("its answer is no result")
        return envelope.get("metadata")

    def _alias(self, http: Http, name: str, type: ImageType | None) -> str | None:  # noqa: A002
        """The fingerprint that an alias stands for; None if there is no such alias."""
        if any(part in ("", ".", "..") for part in name.split("/")) or not name.isprintable():
            return None  # no server can have it, and clients rewrite such paths
        try:
            alias = self._remote_alias(
                self._get(http, f"images/aliases/{quote(name, safe='')}", {}, limit=_RECORD_LIMIT)
            )
        except (NotFound, Forbidden):
            return None
        if type is not None and alias.type != type:
            return None
        return alias.target.value

    def _image(self, http: Http, reference: str) -> port.RemoteImage:
        try:
            raw = self._get(http, f"images/{reference}", {}, limit=_RECORD_LIMIT)
        except NotFound as exc:
            raise _image_not_found(reference) from exc
        image = self._remote_image(raw)
        if not image.known_fingerprint.startswith(reference):
            raise FingerprintMismatch(expected=reference, actual=image.known_fingerprint)
        return image

    def _list(self, http: Http) -> port.RemoteImages:
        raw = self._get(http, "images", {"recursion": "1"}, limit=_LIST_LIMIT)
        if not isinstance(raw, list):
            self._nonsense("its images are no list")
        return [self._remote_image(entry) for entry in raw]

    def _remote_image(self, raw: Any) -> port.RemoteImage:
        try:
            return image_from_record(raw)
        except (InvalidRequest, KeyError, TypeError, ValueError, AttributeError) as exc:
            raise BadAnswer(f"{self.url} describes an image in a way that makes no sense") from exc

    def _remote_alias(self, raw: Any) -> port.RemoteAlias:
        try:
            return port.RemoteAlias(
                name=str(raw["name"]),
                target=Fingerprint.parse(raw["target"]),
                type=ImageType(raw.get("type") or "container"),
                description=str(raw.get("description") or ""),
            )
        except (InvalidRequest, KeyError, TypeError, ValueError, AttributeError) as exc:
            raise BadAnswer(f"{self.url} describes an alias in a way that makes no sense") from exc

    def _nonsense(self, what: str) -> NoReturn:
        raise BadAnswer(f"{self.url} does not answer as an LXD server: {what}")


def image_from_record(raw: Mapping[str, Any]) -> port.RemoteImage:
    """An image from its record in LXD's JSON (``shared/api/image.go``; LXD 2.0's lacks the type).

    Raises:
        InvalidRequest, KeyError, TypeError, ValueError, AttributeError: it isn't one.
    """
    size = raw.get("size") or 0
    if not isinstance(size, int) or size < 0:
        raise ValueError("size")
    expires = parse_time(raw.get("expires_at") or "")
    created = parse_time(raw.get("created_at") or "")
    return port.RemoteImage(
        fingerprint=Fingerprint.parse(raw["fingerprint"]),
        type=ImageType(raw.get("type") or "container"),
        architecture=str(raw.get("architecture") or ""),
        properties={str(key): str(value) for key, value in (raw.get("properties") or {}).items()},
        created_at=created if created.year > 1 else EPOCH,
        expires_at=expires if expires.year > 1 else EPOCH,
        filename=str(raw.get("filename") or ""),
        size=size,
        aliases=tuple(str(alias["name"]) for alias in raw.get("aliases") or ()),
        public=bool(raw.get("public")),
        record=raw,
    )


class _ExportTarget:
    """Takes ``/export`` as it comes, unified or split, and recomputes the fingerprint over it."""

    def __init__(self, image: port.RemoteImage, sink: port.ImageSink, progress: port.Progress, limit: int) -> None:
        self._image = image
        self._sink = sink
        self._progress = progress
        self._limit = image.size or limit
        self._whole = self._new_hash()
        self._file: FileTarget | None = None
        self._parser: MultipartParser | None = None
        self._earlier = 0
        self._shown = ""

    def _new_hash(self) -> Any:
        return None if isinstance(self._sink, port.HashingSink) else hashlib.sha256()

    def begin(self, response: Response) -> None:
        self._shown = response.url.shown
        boundary = boundary_of(response.header("Content-Type"))
        if boundary is None:
            self._parser = None
            self._start("unified")
        else:
            self._parser = MultipartParser(boundary, self)

    def _start(self, role: port.FileRole) -> None:
        size = self._image.size or None if role == "unified" else None
        self._file = FileTarget(
            self._sink,
            role,
            self._progress,
            limit=self._limit - self._earlier,
            size=size,
            fingerprint=self._whole,
        )
        self._file.start(self._shown, self._image.size - self._earlier if self._earlier and self._image.size else None)

    def part_begins(self, name: str, filename: str) -> None:  # noqa: ARG002 - a name from a header opens nothing
        self._start(name)  # type: ignore[arg-type]

    def part_data(self, data: bytes) -> None:
        assert self._file is not None
        self._file.feed(data)

    def part_ends(self) -> None:
        assert self._file is not None
        self._whole = self._file.fingerprint
        self._earlier += self._file.done

    def feed(self, data: bytes) -> None:
        if self._parser is None:
            self.part_data(data)
        else:
            self._parser.feed(data)

    def restart(self) -> None:
        if self._file is not None:
            self._file.restart()
        self._file = None
        self._earlier = 0
        self._whole = self._new_hash()

    def finish(self) -> None:
        if self._parser is None:
            self.part_ends()
        else:
            self._parser.finish()
        actual = (
            self._sink.received_fingerprint() if isinstance(self._sink, port.HashingSink) else self._whole.hexdigest()
        )
        if actual != self._image.known_fingerprint:
            raise FingerprintMismatch(expected=self._image.known_fingerprint, actual=actual)


def _image_not_found(reference: str) -> NotFound:
    return NotFound("image", reference, message="Image not found")


def _refused(response: Response) -> AzekuraError:
    """LXD's error envelope as an error of ours. Only its sentence is taken, shortened; the rest is a stranger's."""
    body = b""
    try:
        while len(body) < _ERROR_LIMIT and (data := response.read()):
            body += data
        said = json.loads(body[:_ERROR_LIMIT]).get("error")
    except (AzekuraError, ValueError, AttributeError, RecursionError):
        said = None
    if not isinstance(said, str) or not said or not said.isprintable():
        if response.status in (401, 403):
            return download.refusal(response)
        return BadAnswer(f"{response.url.shown} does not answer as an LXD server: HTTP status {response.status}")
    said = said[:300]
    match response.status:
        case 401 | 403:
            return Forbidden(said)
        case 404:
            return NotFound("image", message=said)
        case _ if said == "More than one image matches":
            return Ambiguous(said)
        case 499:
            return Cancelled(said)
        case _:
            return BadAnswer(f"{response.url.origin} answered: {said}")
