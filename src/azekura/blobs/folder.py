"""Blobs as files: ``<root>/<first two digits>/<sha256>``.

Beside them ``.incoming`` holds ingests and ``.quarantine`` what was taken out of sight; both on the same file system,
so that a rename is all it takes.
"""

from __future__ import annotations

import hashlib
import os
import re
import stat
import time
from collections.abc import Iterator
from contextlib import contextmanager
from io import BufferedReader
from pathlib import Path

from azekura.blobs import folder_ingest
from azekura.blobs.failures import storage_error
from azekura.blobs.folder_ingest import FolderIngest
from azekura.blobs.port import BlobInfo
from azekura.errors import NotFound

_NAME = re.compile(r"[0-9a-f]{64}", re.ASCII)
_SHELF = re.compile(r"[0-9a-f]{2}", re.ASCII)


class FolderBlobs:
    """See :class:`azekura.blobs.port.BlobStore`. ``root`` belongs to the store alone; files in it get mode 0600.

    Raises:
        StorageFailed, NoSpace: the folder can't be made.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self._incoming = root / ".incoming"
        self._quarantine = root / ".quarantine"
        try:
            root.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._incoming.mkdir(mode=0o700, exist_ok=True)
            _fsync_folder(root)  # for shelves whose maker died before it got to this
        except OSError as exc:
            raise storage_error(exc, root, "set up the image store") from exc

    def ingest(self, *, expected_size: int | None = None) -> FolderIngest:
        return FolderIngest(self._incoming, self._publish, expected_size=expected_size)

    def _publish(self, hidden: Path, info: BlobInfo) -> None:
        """Give a sealed file its name. OSError is the ingest's to translate."""
        target = self._file(info.sha256)
        shelf = target.parent
        try:
            shelf.mkdir(mode=0o700)
            _fsync_folder(self.root)
        except FileExistsError:
            pass
        # over one that is there: readers keep what they have open, and one whose bytes went bad on disk is healed
        hidden.rename(target)
        _fsync_folder(shelf)

    def open(self, sha256: str) -> BufferedReader:
        with self._found(sha256, "read an image file") as path:
            return os.fdopen(os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW), "rb")

    def path(self, sha256: str) -> Path:
        with self._found(sha256, "find an image file") as path:
            return path

    def size(self, sha256: str) -> int:
        with self._found(sha256, "find an image file") as path:
            return path.stat(follow_symlinks=False).st_size

    def delete(self, sha256: str) -> None:
        with self._found(sha256, "delete an image file") as path:
            path.unlink()

    def list(self) -> Iterator[BlobInfo]:
        try:
            with os.scandir(self.root) as shelves:
                names = [entry.name for entry in shelves if _SHELF.fullmatch(entry.name)]
            for shelf in names:
                with os.scandir(self.root / shelf) as files:
                    for entry in files:
                        info = _listed(entry, shelf)
                        if info is not None:
                            yield info
        except OSError as exc:
            raise storage_error(exc, self.root, "list the image files") from exc

    def sweep(self) -> int:
        try:
            return folder_ingest.sweep(self._incoming)
        except OSError as exc:
            raise storage_error(exc, self._incoming, "remove unfinished image files") from exc

    def quarantine(self, sha256: str) -> Path:
        with self._found(sha256, "put an image file aside") as path:
            self._quarantine.mkdir(mode=0o700, exist_ok=True)
            aside = self._quarantine / f"{sha256}.{time.time_ns()}"
            path.rename(aside)
            _fsync_folder(self._quarantine)
            return aside

    def verify(self, sha256: str) -> bool:
        with self.open(sha256) as file:
            try:
                return hashlib.file_digest(file, "sha256").hexdigest() == sha256
            except OSError as exc:
                raise storage_error(exc, self.root, "read an image file") from exc

    def _file(self, sha256: str) -> Path:
        return self.root / sha256[:2] / sha256

    @contextmanager
    def _found(self, sha256: str, doing: str) -> Iterator[Path]:
        """The path of a blob that is there; what goes wrong with it inside the block is translated."""
        if not _NAME.fullmatch(sha256):
            raise NotFound("image file", sha256)
        path = self._file(sha256)
        try:
            if _regular_size(path) is None:
                raise NotFound("image file", sha256)
            yield path
        except FileNotFoundError as exc:
            raise NotFound("image file", sha256) from exc
        except OSError as exc:
            raise storage_error(exc, self.root, doing) from exc


def _regular_size(path: Path) -> int | None:
    """Size in bytes of a regular file, None where there is none (a link or a folder is none of ours)."""
    try:
        state = os.lstat(path)
    except FileNotFoundError:
        return None
    return state.st_size if stat.S_ISREG(state.st_mode) else None


def _listed(entry: os.DirEntry[str], shelf: str) -> BlobInfo | None:
    if not (_NAME.fullmatch(entry.name) and entry.name.startswith(shelf) and entry.is_file(follow_symlinks=False)):
        return None
    try:
        return BlobInfo(entry.name, entry.stat(follow_symlinks=False).st_size)
    except FileNotFoundError:
        return None


def _fsync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
