"""A blob on its way into a folder: a hidden file, locked for as long as its process lives."""

from __future__ import annotations

import fcntl
import os
import secrets
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

from azekura.blobs.beside import HashBeside
from azekura.blobs.failures import available_bytes, storage_error
from azekura.blobs.port import BlobInfo
from azekura.blobs.reservation import reserve
from azekura.blobs.write_back import begin_write_back
from azekura.errors import FingerprintMismatch, NoSpace, StorageFailed

_DOING = "write an image file"


class FolderIngest:
    """See :class:`azekura.blobs.port.Ingest`. ``publish`` moves the sealed file to its name, durably."""

    def __init__(
        self, hidden: Path, publish: Callable[[Path, BlobInfo], None], *, expected_size: int | None = None
    ) -> None:
        self.size = 0
        self._publish = publish
        self._expected_size = expected_size
        self._hash = HashBeside()
        self._sealed: BlobInfo | None = None
        self._committed = False
        self._refuse_if_full(hidden)
        try:
            self._file, self._path = _create_locked(hidden)
        except OSError as exc:
            raise storage_error(exc, hidden, _DOING, needed=expected_size) from exc
        if expected_size:
            try:
                reserve(self._file, expected_size)
            except OSError as exc:
                self.abort()
                raise storage_error(exc, hidden, _DOING, needed=expected_size) from exc

    def _refuse_if_full(self, hidden: Path) -> None:
        available = available_bytes(hidden)
        if self._expected_size and available is not None and available < self._expected_size:
            raise NoSpace(path=str(hidden.parent), needed=self._expected_size, available=available)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.abort()

    def write(self, data: bytes | memoryview) -> None:
        if self._file < 0 or self._sealed is not None:
            raise StorageFailed("This image file takes no more bytes: it was sealed or discarded")
        rest = memoryview(data).cast("B")
        before = self.size
        if isinstance(data, bytes):
            self._hash.update(data)
        try:
            while rest:
                written = os.write(self._file, rest)
                if not isinstance(data, bytes):
                    self._hash.update(rest[:written])
                self.size += written
                rest = rest[written:]
            begin_write_back(self._file, before, self.size)
        except OSError as exc:
            needed = max(self._expected_size or 0, self.size + len(rest))
            self.abort()
            raise storage_error(exc, self._path.parent, _DOING, needed=needed) from exc

    def seal(self) -> BlobInfo:
        if self._sealed is not None:
            return self._sealed
        if self._file < 0:
            raise StorageFailed("This image file was discarded")
        try:
            if self._expected_size and self._expected_size > self.size:
                os.ftruncate(self._file, self.size)  # gives back what was reserved and not used
            os.fsync(self._file)
        except OSError as exc:
            self.abort()
            raise storage_error(exc, self._path.parent, _DOING, needed=self.size) from exc
        self._sealed = BlobInfo(self._hash.hexdigest(), self.size)
        return self._sealed

    def path(self) -> Path | None:
        return self._path if self._sealed is not None and self._file >= 0 else None

    def commit(self, expected: str | None = None) -> BlobInfo:
        info = self.seal()
        if self._committed:
            return info
        if self._file < 0:
            raise StorageFailed("This image file was discarded")
        if expected is not None and expected != info.sha256:
            self.abort()
            raise FingerprintMismatch(expected=expected, actual=info.sha256)
        try:
            self._publish(self._path, info)
        except OSError as exc:
            self.abort()
            raise storage_error(exc, self._path.parent.parent, "keep an image file", needed=info.size) from exc
        self._committed = True
        self._close()
        return info

    def abort(self) -> None:
        if self._file < 0 or self._committed:
            return
        with suppress(OSError):  # what can't be removed now is swept at the next start
            self._path.unlink()
        self._close()

    def _close(self) -> None:
        self._hash.close()
        descriptor, self._file = self._file, -1
        with suppress(OSError):  # everything that matters was fsynced
            os.close(descriptor)


def _create_locked(folder: Path) -> tuple[int, Path]:
    """A new file in ``folder``, with a lock that dies with this process: by it sweepers tell the living."""
    while True:
        path = folder / secrets.token_hex(16)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            # a sweeper may have come between open and flock
            if os.fstat(descriptor).st_nlink == 1:
                return descriptor, path
        except BaseException:
            os.close(descriptor)
            raise
        os.close(descriptor)


def sweep(folder: Path) -> int:
    """Remove the files in ``folder`` whose process is dead; how many.

    Raises:
        OSError: the folder can't be read or written.
    """
    removed = 0
    with os.scandir(folder) as entries:
        for entry in entries:
            if not entry.is_file(follow_symlinks=False):
                continue
            try:
                descriptor = os.open(entry.path, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
            except FileNotFoundError:
                continue
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                Path(entry.path).unlink()
                removed += 1
            except (BlockingIOError, FileNotFoundError):
                pass  # its process lives, or has just removed or committed it
            finally:
                os.close(descriptor)
    return removed
