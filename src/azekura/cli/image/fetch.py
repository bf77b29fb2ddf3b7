"""Fetching an image file from the web, to look at it: a plain address, or one that names an image in its headers."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from azekura import LXD_VERSION, __version__
from azekura.cli.progress import Progress
from azekura.client.transport import TlsTransport
from azekura.errors import BadAnswer, InvalidRequest, NotFound

REDIRECTS = 5


@contextmanager
def fetched(address: str, progress: Progress | None) -> Iterator[Path]:
    """The file in a temporary one, which is gone afterwards.

    Raises:
        NotFound, BadAnswer, ConnectionFailed: it can't be had.
    """
    with tempfile.NamedTemporaryFile(prefix="lxd_image_") as file:
        for _ in range(REDIRECTS + 1):
            onward = _fetch(address, file, progress)
            if onward is None:
                break
            address = onward
        else:
            raise BadAnswer(f"{address} redirects too often")
        file.flush()
        yield Path(file.name)


def _fetch(address: str, file: IO[bytes], progress: Progress | None) -> str | None:
    """Write the body into ``file``; returns another address when that is where the image is."""
    scheme, _, rest = address.partition("://")
    if scheme != "https":
        raise InvalidRequest(f"{address}: only https:// is followed")
    host, slash, path = rest.partition("/")
    headers = {
        "User-Agent": f"LXD {LXD_VERSION} (Azekura {__version__})",
        "LXD-Server-Architectures": os.uname().machine,
        "LXD-Server-Version": LXD_VERSION,
        "Accept-Encoding": "identity",
    }
    transport = TlsTransport(f"https://{host}")
    try:
        answer = transport.request("GET", f"/{path}" if slash else "/", headers, timeout=60)
        try:
            onward = answer.headers.get("lxd-image-url") or (
                answer.headers.get("location") if answer.status in (301, 302, 303, 307, 308) else None
            )
            if onward:
                return onward if "://" in onward else f"https://{host}{onward}"
            if answer.status != 200:
                raise NotFound("file", address, message=f'Unable to fetch "{address}": status {answer.status}')
            length = answer.headers.get("content-length", "")
            done = 0
            while block := answer.read_some():
                file.write(block)
                done += len(block)
                if progress is not None:
                    progress.transferred(done, int(length) if length.isdigit() else None)
        finally:
            answer.close()
    finally:
        transport.close()
    return None
