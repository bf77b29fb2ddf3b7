"""simplestreams servers: an index, products files, and image files beside them, over plain HTTPS.

What LXD's own client does with them was measured. Where it is careless (plain HTTP first, no size limits, a bad delta
is the end, no signatures), this one is not.
"""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TypeVar

from azekura.errors import AzekuraError, BadAnswer, Cancelled, FingerprintMismatch, NotFound
from azekura.model.image import ImageType
from azekura.model.source import Protocol
from azekura.remotes import delta, port
from azekura.remotes.document_cache import DocumentCache
from azekura.remotes.download import Target, fetch
from azekura.remotes.http import Http
from azekura.remotes.policy import DownloadPolicy, SigningPolicy
from azekura.remotes.stream_catalog import DAMAGED, StreamCatalog
from azekura.remotes.stream_documents import StreamDocuments
from azekura.remotes.targets import FileTarget
from azekura.remotes.trust import Trust
from azekura.remotes.urls import Url
from azekura.wire.simplestreams_images import Unusable

T = TypeVar("T")
_UBUNTU = "https://cloud-images.ubuntu.com"


class SimplestreamsServer:
    """One stream, at one or several base URLs that hold the same (``mirrors``: tried in turn)."""

    protocol = Protocol.SIMPLESTREAMS

    def __init__(
        self,
        url: Url,
        trust: Trust,
        policy: DownloadPolicy,
        user_agent: str,
        *,
        architectures: Sequence[str],
        mirrors: Sequence[Url] = (),
        cache_dir: Path | None = None,
        signing: SigningPolicy | None = None,
        warn: Callable[[str], None] | None = None,
    ) -> None:
        self.url = url.shown.rstrip("/")
        self._bases = (url, *mirrors)
        self._trust = trust
        self._policy = policy
        self._user_agent = user_agent
        self._architectures = tuple(architectures)
        self._signing = signing or SigningPolicy()
        folder = cache_dir / hashlib.sha256(self.url.encode()).hexdigest()[:32] if cache_dir else None
        self._cache = DocumentCache(folder)
        self._warn = warn or (lambda _: None)
        self._strip = "ubuntu/" if self.url.startswith(_UBUNTU) else ""

    def resolve(
        self,
        reference: str,
        *,
        type: ImageType | None,  # noqa: A002 - LXD's word
        architectures: Sequence[str],
        cancelled: port.Cancelled = port.never,
    ) -> port.RemoteImage:
        return self._ask(
            lambda catalog: catalog.resolve(reference or "default", type, architectures), cancelled=cancelled
        )

    def aliases(self) -> port.RemoteAliases:
        return self._ask(lambda catalog: catalog.aliases(self._architectures))

    def list(self) -> port.RemoteImages:
        return self._ask(lambda catalog: catalog.images(self._architectures))

    def unusable(self) -> Sequence[Unusable]:
        """What the stream holds that makes no image, and why."""
        return self._ask(StreamCatalog.unusable)

    def download(
        self,
        image: port.RemoteImage,
        sink: port.ImageSink,
        *,
        progress: port.Progress,
        cancelled: port.Cancelled,
        base_rootfs: port.BaseRootfs | None = None,
    ) -> None:
        with self._open() as http:
            try:
                self._download(http, image, sink, progress, cancelled, base_rootfs)
            except (NotFound, FingerprintMismatch, BadAnswer) as exc:
                # the index we had may be older than the files: look once more, at the server's own
                fresh = self._renewed(image.known_fingerprint, cancelled)
                if fresh is None or fresh.files == image.files:
                    raise
                self._warn(f"The index of {self.url} was out of date: {exc}")
                self._download(http, fresh, sink, progress, cancelled, base_rootfs)

    def _renewed(self, fingerprint: str, cancelled: port.Cancelled) -> port.RemoteImage | None:
        try:
            return self._ask(
                lambda catalog: catalog.find(fingerprint, self._architectures), anew=True, cancelled=cancelled
            )
        except Cancelled:
            raise
        except AzekuraError:
            return None

    def _open(self) -> Http:
        return Http((self._bases[0].origin,), self._trust, self._policy, self._user_agent, roam=True)

    def _ask(
        self, question: Callable[[StreamCatalog], T], *, anew: bool = False, cancelled: port.Cancelled = port.never
    ) -> T:
        with self._open() as http, http.watching(cancelled):
            try:
                with self._catalog(http, anew=anew) as catalog:
                    return question(catalog)
            except BadAnswer as exc:
                if exc.message != DAMAGED:
                    raise
            with self._catalog(http, anew=True) as catalog:
                return question(catalog)

    def _catalog(self, http: Http, *, anew: bool) -> StreamCatalog:
        documents = StreamDocuments(http, self._bases, self._cache, self._signing, self._warn, anew=anew)
        found = documents.current()

        digest = hashlib.sha256("\n".join([self._strip, *(document.sha256 for document in found)]).encode())
        return StreamCatalog.open(
            self._cache.folder,
            digest.hexdigest(),
            lambda: [documents.products(document) for document in found],
            strip_prefix=self._strip,
            anew=anew,
        )

    def _download(
        self,
        http: Http,
        image: port.RemoteImage,
        sink: port.ImageSink,
        progress: port.Progress,
        cancelled: port.Cancelled,
        base_rootfs: port.BaseRootfs | None,
    ) -> None:
        # a unified image's fingerprint is its file's own sha256, which is checked anyway
        unified = len(image.files) == 1
        whole = None if unified or isinstance(sink, port.HashingSink) else hashlib.sha256()
        for file in image.files:
            target = self._target(file, sink, progress, whole)
            if not (
                file.role.startswith("rootfs")
                and base_rootfs is not None
                and self._by_delta(http, image, target, progress, cancelled, base_rootfs)
            ):
                if target.done:
                    target.restart()
                self._fetch(http, file.location, target, file.size, cancelled)
            whole = target.fingerprint
        if unified:
            actual = image.files[0].sha256 or ""
        else:
            actual = (
                sink.received_fingerprint()
                if isinstance(sink, port.HashingSink)
                else whole.hexdigest()
                if whole
                else ""
            )
        if actual != image.known_fingerprint:
            raise FingerprintMismatch(expected=image.known_fingerprint, actual=actual)

    def _target(
        self, file: port.RemoteFile, sink: port.ImageSink, progress: port.Progress, whole: object
    ) -> FileTarget:
        return FileTarget(
            sink,
            file.role,
            progress,
            limit=self._policy.max_size,
            size=file.size,
            sha256=file.sha256,
            fingerprint=whole,
        )

    def _fetch(self, http: Http, location: str, target: Target, size: int | None, cancelled: port.Cancelled) -> None:
        urls = [base.below(location) for base in self._bases]
        fetch(http, urls, target, cancelled=cancelled, size=size, hashed=True)

    def _by_delta(
        self,
        http: Http,
        image: port.RemoteImage,
        target: FileTarget,
        progress: port.Progress,
        cancelled: port.Cancelled,
        base_rootfs: port.BaseRootfs,
    ) -> bool:
        """Whether the rootfs could be made from one that is here. Any failure only means: fetch the whole file."""
        xdelta3 = delta.program()
        if xdelta3 is None:
            return False
        for patch in image.deltas:
            if not delta.worth(patch.size, image.files[-1].size):
                continue
            base = base_rootfs(patch.base_fingerprint)
            if base is None:
                continue
            try:
                with ExitStack() as stack:
                    scratch = tempfile.TemporaryDirectory(prefix="azekura-delta-", dir=self._scratch())
                    folder = Path(stack.enter_context(scratch))
                    received = _FolderSink(folder / "patch")
                    stack.callback(received.close)
                    file = port.RemoteFile(image.files[-1].role, patch.location, patch.size, patch.sha256)
                    self._fetch(
                        http, patch.location, self._target(file, received, progress, None), patch.size, cancelled
                    )
                    received.close()
                    target.start(patch.location)
                    delta.apply(xdelta3, base, folder / "patch", target, cancelled=cancelled)
                return True
            except Cancelled:
                raise
            except delta.FAILURES as exc:
                self._warn(f"A delta of {self.url} was of no use ({exc}); fetching the whole file")
                return False
        return False

    def _scratch(self) -> Path | None:
        folder = self._cache.folder
        return folder if folder is not None and folder.is_dir() else None


class _FolderSink:
    """A sink for one patch: a plain file."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("wb")
        self.written = 0

    def part(self, role: port.FileRole, size: int | None) -> port.PartWriter:  # noqa: ARG002
        return self

    def write(self, data: bytes) -> None:
        self._file.write(data)
        self.written += len(data)

    def restart(self) -> None:
        self._file.seek(0)
        self._file.truncate()
        self.written = 0

    def close(self) -> None:
        self._file.close()
