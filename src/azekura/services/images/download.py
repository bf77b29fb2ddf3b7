"""Images from other servers: resolved, downloaded once however many ask, verified, recorded with their source."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from azekura.errors import AlreadyExists, Ambiguous, AzekuraError, Cancelled, InvalidRequest, NotFound, RemoteError
from azekura.model.fingerprint import Fingerprint, is_prefix
from azekura.model.image import EPOCH, Image, ImageType, SplitFiles
from azekura.model.source import ImageSource, Origin, Protocol
from azekura.remotes.port import ImageServer, RemoteImage
from azekura.services.depot import Depot
from azekura.services.images.arriving import StagingSink
from azekura.services.images.register import ImageWishes, adopt_present, check_wishes, register
from azekura.services.images.sources import RemoteReference, keep_credentials, server_for, without_credentials
from azekura.services.images.staging import Staging
from azekura.services.operations import Running
from azekura.services.settings import Settings

log = logging.getLogger("azekura.download")

_SURE = 12  # digits of a fingerprint that nobody takes for an alias
# with an image to fall back to: for the question whether there is a newer one, and for that newer one
ASKING: Mapping[str, Any] = {"retries": 0, "connect_timeout": 3.0, "stall_timeout": 3.0}
FETCHING: Mapping[str, Any] = {"retries": 2, "stall_timeout": 10.0}


def download_image(
    depot: Depot,
    reference: RemoteReference,
    wishes: ImageWishes,
    running: Running,
    *,
    prefer_cached: bool = False,
) -> Image:
    """Bring an image here unless it is here already; several who want the same one share one download.

    ``prefer_cached`` (launches): an image that came from the same alias before is used though the server has a newer
    one, as long as auto-update brings that soon; and, with a warning, when the server can't be asked.

    Raises:
        NotFound, RemoteError and its kin, InvalidRequest, NoSpace, Cancelled: one reason; nothing is left behind.
    """
    check_wishes(depot, wishes)
    reference = without_credentials(reference)
    source = ImageSource(
        server=reference.server,
        protocol=reference.protocol,
        alias=reference.reference,
        certificate=reference.certificate,
        image_type=reference.image_type,
    )
    if is_prefix(reference.reference) and len(reference.reference) == 64:
        present = _present(depot, Fingerprint.parse(reference.reference), wishes)
        if present is not None:
            return present  # asked for by fingerprint: the bytes can't be any others, no need to ask the server
    known = _cached(depot, source) if prefer_cached else None
    troubles: list[str] = []

    def warn(text: str) -> None:
        troubles.append(text)
        running.update({"warning": text})

    server = server_for(depot, reference, warn, None if known is None else ASKING)
    try:
        remote = _resolve(depot, server, reference, running)
    except (NotFound, Cancelled):
        raise
    except AzekuraError as exc:
        if known is None:
            raise
        return _kept_instead(known, reference, exc, running)
    if known is not None and remote.fingerprint != known.fingerprint and _is_kept_fresh(depot, known):
        return known
    if known is not None and not troubles:
        server = server_for(depot, reference, warn, FETCHING)  # it answers: a newer image is worth some patience
    try:
        return _bring(depot, server, reference, remote, wishes, source, running)
    except NotFound:
        # between the two questions the alias moved on, and the older image went
        again = _resolve(depot, server, reference, running)
        if again.fingerprint == remote.fingerprint:
            raise
        return _bring(depot, server, reference, again, wishes, source, running)
    except RemoteError as exc:
        if known is None:
            raise
        return _kept_instead(known, reference, exc, running)


def _resolve(depot: Depot, server: ImageServer, reference: RemoteReference, running: Running) -> RemoteImage:
    image = server.resolve(
        reference.reference,
        type=_wanted_type(reference.image_type),
        architectures=reference.architectures,
        cancelled=running.cancelled,
    )
    keep_credentials(depot, reference)
    return image


def _kept_instead(known: Image, reference: RemoteReference, exc: AzekuraError, running: Running) -> Image:
    """The image that came from there before, and a word about why it is not a fresh one."""
    log.warning("can't check %s for a newer image, using the cached one: %s", reference.server, exc)
    running.update({"warning": f"Couldn't check for a newer image ({exc}); using the cached one"})
    return known


def _bring(
    depot: Depot,
    server: ImageServer,
    reference: RemoteReference,
    remote: RemoteImage,
    wishes: ImageWishes,
    source: ImageSource,
    running: Running,
) -> Image:
    """Have ``remote`` here: it may be here already, or on its way for somebody else."""
    if remote.fingerprint is None:
        raise InvalidRequest("The server doesn't say which image it would send")
    by_fingerprint = remote.fingerprint.value.startswith(reference.reference) and is_prefix(reference.reference)
    recorded = wishes if by_fingerprint else replace(wishes, source=source)
    if by_fingerprint:
        recorded = replace(recorded, auto_update=False)  # a fingerprint never becomes another image
    running.update({"fingerprint": remote.fingerprint.value})
    with depot.image_locks.hold(f"download:{remote.fingerprint.value}", running.check):
        running.check()
        present = _present(depot, remote.fingerprint, recorded)
        if present is not None:
            return present
        return _fetch(depot, server, remote, recorded, running)


def _wanted_type(text: str) -> ImageType | None:
    return ImageType(text) if text in list(ImageType) else None


def _present(depot: Depot, fingerprint: Fingerprint, wishes: ImageWishes) -> Image | None:
    with depot.catalog.write() as tx:
        try:
            image = tx.images.get(fingerprint)
        except NotFound:
            return None
        if not wishes.cached:
            return adopt_present(tx, image, wishes)
        if image.cached and image.source is None and wishes.source is not None:
            # it came by its fingerprint: from now on it is found by this alias, also without a network
            tx.images.replace(replace(image, source=wishes.source))
        return image


def _cached(depot: Depot, source: ImageSource) -> Image | None:
    """What came from there before, or is by its fingerprint what is asked for."""
    with depot.catalog.read() as tx:
        found = tx.images.by_source(source.server, source.protocol, source.alias)
        if found is None and is_prefix(source.alias) and len(source.alias) >= _SURE:
            with suppress(NotFound, Ambiguous):
                return tx.images.resolve(source.alias)
        return found


def _is_kept_fresh(depot: Depot, image: Image) -> bool:
    return image.auto_update and Settings(depot.catalog).number("images.auto_update_interval") > 0


def _fetch(depot: Depot, server: ImageServer, remote: RemoteImage, wishes: ImageWishes, running: Running) -> Image:
    assert remote.fingerprint is not None
    size_limit = Settings(depot.catalog).get("images.size_limit")
    limit = int(size_limit) if size_limit else 0
    with Staging(depot, Origin.NETWORK, size_limit=limit) as staging, StagingSink(staging) as sink:
        started = time.monotonic()

        def progress(role: str, done: int, total: int | None) -> None:
            speed = done / max(time.monotonic() - started, 0.001)
            stage = "" if role == "unified" else role
            running.progress("download_progress", stage, done, total, speed)

        server.download(
            remote,
            sink,
            progress=progress,
            cancelled=running.cancelled,
            base_rootfs=lambda fingerprint: _base_rootfs(depot, fingerprint),
        )
        running.check()
        sink.flush()
        staged = staging.finish()
        merged: Mapping[str, str] = {**remote.properties, **wishes.properties}
        wishes = replace(
            wishes,
            expected=remote.fingerprint,
            properties=merged,
            replace_properties=bool(remote.properties),
            filename=wishes.filename or remote.filename,
            created_at=remote.created_at if remote.created_at != EPOCH else None,
            expires_at=wishes.expires_at or (remote.expires_at if remote.expires_at != EPOCH else None),
            last_used_at=depot.clock() if wishes.cached else None,
            adopt=True,
        )
        return register(depot, staging, staged, wishes)


def _base_rootfs(depot: Depot, fingerprint: str) -> Path | None:
    """The rootfs file of an image that is here, for deltas."""
    try:
        with depot.catalog.read() as tx:
            image = tx.images.get(Fingerprint.parse(fingerprint))
        if isinstance(image.files, SplitFiles):
            return depot.blobs.path(image.files.rootfs.sha256)
    except AzekuraError:
        pass
    return None


def import_from_url(depot: Depot, url: str, wishes: ImageWishes, running: Running) -> Image:
    """``lxc image import https://…``: a plain web server with LXD's two headers.

    Raises:
        AlreadyExists: the image is here already, in LXD's words; else as :func:`download_image`.
    """
    reference = without_credentials(RemoteReference(url, Protocol.DIRECT, ""))
    server = server_for(depot, reference)
    remote = _resolve(depot, server, reference, running)
    if remote.fingerprint is None:
        raise InvalidRequest("Missing LXD-Image-Hash header")
    running.update({"fingerprint": remote.fingerprint.value})
    with depot.image_locks.hold(f"download:{remote.fingerprint.value}", running.check):
        with depot.catalog.read() as tx:
            try:
                tx.images.get(remote.fingerprint)
            except NotFound:
                pass
            else:
                raise AlreadyExists(
                    "image", remote.fingerprint.value, message="Image with same fingerprint already exists"
                )
        return _fetch(depot, server, remote, wishes, running)
