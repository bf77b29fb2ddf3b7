"""Sending an image to another server that gave us a secret for it (copy in push mode)."""

from __future__ import annotations

import time
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from azekura.client.address import quote
from azekura.client.body import FilePiece, FormFile, file_body, form_body
from azekura.client.server import Server
from azekura.errors import InvalidRequest, RemoteError
from azekura.model.image import Image
from azekura.services.depot import Depot
from azekura.services.images.export import export_files
from azekura.services.images.sources import proxies
from azekura.services.operations import Running
from azekura.services.settings import Settings
from azekura.wire.fields import Body

_WAIT = 5  # seconds between two looks at whether we were cancelled


@dataclass(frozen=True, slots=True)
class PushRequest:
    target: str  # URL
    secret: str
    certificate: str  # PEM of the target's certificate


def push_request(raw: Any) -> PushRequest:
    """Read ImageExportPost.

    Raises:
        InvalidRequest: it names no target or secret.
    """
    body = Body(raw, "image export")
    target = body.text("target")
    if not target or not body.text("secret"):
        raise InvalidRequest("Pushing an image takes a target and a secret")
    if not target.startswith("https://"):
        target = f"https://{target.removeprefix('https://')}"
    return PushRequest(target, body.text("secret"), body.text("certificate"))


def push_image(depot: Depot, image: Image, request: PushRequest, running: Running) -> None:
    """Send the files and wait until the other server has taken them in.

    Raises:
        RemoteError and its kin: the target can't be reached or refuses; Cancelled.
    """
    headers: Mapping[str, str] = {
        "X-LXD-secret": request.secret,
        "X-LXD-fingerprint": image.fingerprint.value,
        "X-LXD-filename": image.filename,
        "X-LXD-properties": urlencode(dict(image.properties)),
    }
    started = time.monotonic()

    def progress(done: int, total: int | None) -> None:
        running.check()
        speed = done / max(time.monotonic() - started, 0.001)
        running.progress("download_progress", "", done, total, speed)

    server = Server(
        request.target,
        server_certificate=request.certificate or None,
        proxies=proxies(Settings(depot.catalog)),
    )
    with ExitStack() as stack:
        stack.callback(server.close)
        files = export_files(depot, image)
        opened = [stack.enter_context(depot.blobs.open(one.file.sha256)) for one in files]
        if len(files) == 1:
            body = file_body(opened[0], progress)
        else:
            forms = [FormFile(one.field, one.filename, FilePiece(raw)) for one, raw in zip(files, opened, strict=True)]
            body = form_body(forms, progress)
        envelope, _ = server.envelope("POST", "images", headers=dict(headers), body=body)
        _await_registration(server, envelope.get("metadata"), running)


def _await_registration(server: Server, operation: Any, running: Running) -> None:
    """Until the target's own operation has ended: its secret lets us wait for it as a stranger.

    Raises:
        RemoteError: it failed there.
    """
    body = Body(operation if isinstance(operation, dict) else {}, "operation")
    secret = body.body("metadata").text("secret")
    while secret:
        query = {"secret": secret, "timeout": str(_WAIT)}
        state = Body(server.get(f"operations/{quote(body.text('id'))}/wait", query), "operation")
        running.check()
        if state.number("status_code") == 200:
            return
        if state.number("status_code") in (400, 401):
            raise RemoteError(state.text("err") or "The target server didn't take the image")
