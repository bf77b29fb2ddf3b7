"""Images on servers that don't speak LXD's API (simplestreams), for the commands that only read. Through
:mod:`azekura.remotes`, which is imported here and nowhere else in the client."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

from azekura.cli.image.export import Files, Standard, keep
from azekura.cli.invocation import Invocation
from azekura.errors import HostError, InvalidRequest
from azekura.model.image import ImageType
from azekura.model.source import Protocol
from azekura.remotes import open_server
from azekura.remotes.port import FileRole, ImageServer, PartWriter, RemoteImage

Record = dict[str, Any]


def architectures() -> list[str]:
    """What this machine runs, its own architecture first."""
    machine = os.uname().machine
    return [machine, *({"x86_64": ["i686"], "aarch64": ["armv7l"]}.get(machine, []))]


def open_remote(call: Invocation, name: str) -> ImageServer:
    """The remote's server, whose certificate may be pinned as an LXD server's, with the credentials kept for it; its
    index is asked for once, and then only whether it changed.

    Raises:
        NotFound, InvalidRequest: no such remote, or one with an unusable URL.
        HostError: the certificate or the credentials can't be read.
    """
    config = call.config
    remote = config.remote(name)
    credentials = None
    if os.path.exists(f"{config.folder}/credentials.json"):
        from azekura.cli.remote.credentials import store_of

        store = store_of(config)
        credentials = store.load(name) or store.load(remote.addr.rstrip("/"))
    return open_server(
        remote.addr,
        Protocol.SIMPLESTREAMS,
        credentials=credentials,
        certificate_pem=config.file(f"servercerts/{name}.crt"),
        architectures=architectures(),
        cache_dir=cache_folder(),
        warn=lambda text: None if call.quiet else _warn(text),
    )


def cache_folder() -> Path | None:
    """Where indexes are kept between commands: in the user's cache folder, or in ``$LXD_CONF`` where that is set."""
    if folder := os.environ.get("LXD_CONF"):
        return Path(folder) / "cache"
    folder = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    return Path(folder) / "azekura" if folder.startswith("/") else None


def _warn(text: str) -> None:
    sys.stderr.write(f"Warning: {text}\n")


def as_record(image: RemoteImage) -> Record:
    """As LXD's API shows an image."""
    created = _stamp(image.created_at)
    return {
        "auto_update": False,
        "properties": dict(image.properties),
        "public": image.public,
        "expires_at": _stamp(image.expires_at),
        "profiles": None,
        "aliases": [{"name": name, "description": ""} for name in image.aliases],
        "architecture": image.architecture,
        "cached": False,
        "filename": image.filename,
        "fingerprint": image.known_fingerprint,
        "size": image.size,
        "type": image.type.value,
        "created_at": created,
        "last_used_at": "0001-01-01T00:00:00Z",
        "uploaded_at": created,
    }


def _stamp(moment: Any) -> str:
    return str(moment.isoformat()).replace("+00:00", "Z")


def list_images(call: Invocation, remote: str) -> list[Record]:
    """Every image of the remote."""
    return [as_record(image) for image in open_remote(call, remote).list()]


def list_aliases(call: Invocation, remote: str) -> list[Record]:
    """Every alias of the remote."""
    return [
        {"description": alias.description, "target": alias.target.value, "name": alias.name, "type": alias.type.value}
        for alias in open_remote(call, remote).aliases()
    ]


def find_image(call: Invocation, remote: str, name: str, *, kind: str = "") -> Record:
    """The image that an alias or a fingerprint names.

    Raises:
        NotFound, Ambiguous: none, or several.
    """
    return as_record(_resolve(call, remote, name, kind))


def _resolve(call: Invocation, remote: str, name: str, kind: str) -> RemoteImage:
    wanted = ImageType(kind) if kind else None
    return open_remote(call, remote).resolve(name or "default", type=wanted, architectures=architectures())


class _Writer:
    """One file of a download, over the sink of ``lxc image export``."""

    def __init__(self, sink: _Sink) -> None:
        self._sink = sink
        self.written = 0

    def write(self, data: bytes) -> None:
        self._sink.take(data)
        self.written += len(data)

    def restart(self) -> None:
        raise InvalidRequest("The server's file changed while it was being read; try again")


class _Sink:
    def __init__(self, out: Files | Standard) -> None:
        self._out = out

    def part(self, role: FileRole, size: int | None) -> PartWriter:
        self._out.begin("" if role == "unified" else role, "", size)
        return _Writer(self)

    def take(self, data: bytes) -> None:
        self._out.write(data)


def export_image(call: Invocation, remote: str, name: str, target: str, *, kind: str = "") -> None:
    """Write an image of the remote to files; see :mod:`azekura.cli.image.export`."""
    image = _resolve(call, remote, name, kind)
    server = open_remote(call, remote)
    if target == "-":
        server.download(image, _Sink(Standard(sys.stdout.buffer)), progress=_silent, cancelled=_never)
        return
    progress = call.progress("Exporting the image: %s")
    folder = (target or ".") if os.path.isdir(target or ".") else os.path.dirname(target) or "."
    files = Files(folder, target or folder, image.size, progress)
    try:
        server.download(image, _Sink(files), progress=_silent, cancelled=_never)
        keep(files, target, image.known_fingerprint)
    except OSError as exc:
        raise HostError(f"Can't write to {folder}: {exc.strerror or exc}") from exc
    finally:
        if progress is not None:
            progress.done()
        for part in files.parts:
            part.discard()
    call.say("Image exported successfully!")


def _silent(role: str, done: int, total: int | None) -> None:
    """Progress is told by the files as they are written."""


def _never() -> bool:
    return False
