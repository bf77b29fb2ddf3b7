"""A plain HTTPS web server that names an image in two headers (LXD's image handling document, "remote web server").

``HEAD URL`` says where the image is (``LXD-Image-URL``) and what it is (``LXD-Image-Hash``). The hash came over HTTPS
and is a fingerprint or nothing; the URL is only ever fetched, and only where the policy lets it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NoReturn

from azekura.errors import BadAnswer, InvalidRequest, NotFound, Unsupported
from azekura.model.fingerprint import Fingerprint
from azekura.model.image import ImageType
from azekura.model.source import Protocol
from azekura.remotes import download, port
from azekura.remotes.http import Http
from azekura.remotes.policy import DownloadPolicy
from azekura.remotes.targets import FileTarget
from azekura.remotes.trust import Trust
from azekura.remotes.urls import Url

_HEAD_ATTEMPTS = 2


class DirectServer:
    """One image behind one URL. ``resolve`` takes an empty reference, or the URL itself."""

    protocol = Protocol.DIRECT

    def __init__(
        self,
        url: Url,
        trust: Trust,
        policy: DownloadPolicy,
        user_agent: str,
        *,
        server_version: str,
        architectures: Sequence[str],
    ) -> None:
        self.url = url.shown
        self._entry = url
        self._trust = trust
        self._policy = policy
        self._user_agent = user_agent
        self._server_version = server_version
        self._architectures = tuple(architectures)

    def resolve(
        self,
        reference: str,
        *,
        type: ImageType | None,  # noqa: A002, ARG002 - the image's metadata alone says what it is
        architectures: Sequence[str],
        cancelled: port.Cancelled = port.never,
    ) -> port.RemoteImage:
        if reference not in ("", self.url, self._entry.full):
            raise NotFound("image", reference, message="Image not found")
        headers = {
            "LXD-Server-Architectures": ", ".join(architectures or self._architectures),
            "LXD-Server-Version": self._server_version,
        }
        with (
            self._open() as http,
            http.watching(cancelled),
            download.head(http, self._entry, headers, attempts=_HEAD_ATTEMPTS) as response,
        ):
            # LXD does not look at the status, and servers rely on that: the headers are the answer
            digest = response.header("LXD-Image-Hash")
            location = response.header("LXD-Image-URL")
            answered = response.url
        if not digest:
            raise BadAnswer("Missing LXD-Image-Hash header")
        if not location:
            raise BadAnswer("Missing LXD-Image-URL header")
        try:
            fingerprint = Fingerprint.parse(digest)
        except InvalidRequest as exc:
            raise BadAnswer(f"{self.url} sent an LXD-Image-Hash that is no sha256 in hex") from exc
        target = answered.join(location)
        http.check(target.origin, secure=True)
        return port.RemoteImage(
            fingerprint=fingerprint,
            type=ImageType.CONTAINER,
            architecture="",
            files=(port.RemoteFile("unified", target.full, None, fingerprint.value),),
            record={"LXD-Image-Hash": digest, "LXD-Image-URL": location},
        )

    def list(self) -> NoReturn:
        raise Unsupported("A direct URL holds one image: it can't be listed")

    def aliases(self) -> NoReturn:
        raise Unsupported("A direct URL has no aliases")

    def download(
        self,
        image: port.RemoteImage,
        sink: port.ImageSink,
        *,
        progress: port.Progress,
        cancelled: port.Cancelled,
        base_rootfs: port.BaseRootfs | None = None,  # noqa: ARG002 - deltas are simplestreams'
    ) -> None:
        file = image.files[0]
        url = Url.parse(file.location)
        target = FileTarget(
            sink, "unified", progress, limit=self._policy.max_size, size=file.size, sha256=image.known_fingerprint
        )
        with self._open() as http:
            http.check(url.origin, secure=True)
            download.fetch(http, [url], target, cancelled=cancelled, size=file.size, hashed=True)

    def _open(self) -> Http:
        return Http((self._entry.origin,), self._trust, self._policy, self._user_agent, roam=False)
