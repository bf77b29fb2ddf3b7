"""Indexes kept on disk, so that unchanged ones are not fetched again and a silent server does no harm.

One file per document, header and body in one, replaced by rename: a reader never sees half of it. All of it can be
deleted at any time.
"""

from __future__ import annotations

import hashlib
import json
import os
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

_VERSION = 2
_HEADER = 16 * 1024


@dataclass(frozen=True, slots=True)
class Kept:
    """What is known of a kept document without reading it. ``sha256`` is of the body; empty texts: not known."""

    sha256: str
    etag: str = ""
    last_modified: str = ""
    updated: str = ""  # the document's own date
    signed_by: str = ""  # SigningPolicy.trusted of the keys that its signature was checked with

    def conditions(self) -> dict[str, str]:
        """Headers that ask for the document only if it changed."""
        if self.etag:
            return {"If-None-Match": self.etag}
        return {"If-Modified-Since": self.last_modified} if self.last_modified else {}


class DocumentCache:
    """Documents of one server, by path. Trouble with the disk is no error: it just keeps nothing (None: keeps none)."""

    def __init__(self, folder: Path | None) -> None:
        self.folder = folder
        self._memory: dict[str, tuple[Kept, bytes]] = {}

    def _file(self, path: str) -> Path | None:
        return self.folder / f"{hashlib.sha256(path.encode()).hexdigest()[:32]}.doc" if self.folder else None

    def head(self, path: str) -> Kept | None:
        """What is kept for ``path``, if anything."""
        if path in self._memory:
            return self._memory[path][0]
        file = self._file(path)
        if file is None:
            return None
        try:
            with file.open("rb") as stream:
                return _header(stream.readline(_HEADER))
        except (OSError, ValueError, TypeError, KeyError):
            return None

    def body(self, path: str) -> bytes | None:
        """The kept document, if it is undamaged."""
        if path in self._memory:
            return self._memory[path][1]
        file = self._file(path)
        if file is None:
            return None
        try:
            with file.open("rb") as stream:
                kept = _header(stream.readline(_HEADER))
                body = stream.read()
        except (OSError, ValueError, TypeError, KeyError):
            return None
        return body if hashlib.sha256(body).hexdigest() == kept.sha256 else None

    def keep(self, path: str, kept: Kept, body: bytes) -> None:
        """Keep ``body`` in place of what was there."""
        file = self._file(path)
        if file is None:
            self._memory[path] = (kept, body)
            return
        header = json.dumps({"version": _VERSION, **asdict(kept)}).encode()
        if len(header) < _HEADER:
            replace_file(file, header + b"\n" + body)

    def forget(self, path: str) -> None:
        """Drop what is kept for ``path``."""
        self._memory.pop(path, None)
        file = self._file(path)
        if file is not None:
            with suppress(OSError):
                file.unlink()

    def forget_others(self, paths: set[str]) -> None:
        """Drop documents that the index no longer names."""
        if self.folder is None:
            return
        wanted = {file.name for path in paths if (file := self._file(path))}
        with suppress(OSError):
            for file in self.folder.glob("*.doc"):
                if file.name not in wanted:
                    file.unlink(missing_ok=True)


def replace_file(file: Path, content: bytes) -> None:
    """Write ``content`` under a hidden name, then rename. Failing is silent: this is a cache."""
    draft = file.with_name(f".{file.name}.{os.getpid()}.{os.urandom(4).hex()}")
    try:
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        draft.write_bytes(content)
        draft.replace(file)
    except OSError:
        with suppress(OSError):
            draft.unlink()


def _header(line: bytes) -> Kept:
    raw = json.loads(line)
    if raw.pop("version") != _VERSION:
        raise ValueError("other version")
    return Kept(**raw)
