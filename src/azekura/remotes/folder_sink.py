"""Downloading an image into a folder: a sink for programs that keep no store."""

from __future__ import annotations

import contextlib
import errno
import os
from pathlib import Path
from types import TracebackType
from typing import BinaryIO

from azekura.errors import AlreadyExists, HostError, NoSpace
from azekura.remotes.port import FileRole


class FolderSink:
    """Writes each file under its role's name: ``unified``, or ``metadata`` and ``rootfs`` (``rootfs.img``, a disk).

    A context manager: files have their names when the block ends well, and are gone when it doesn't. ``files`` says
    where they are, metadata first.

    Raises:
        AlreadyExists: a file of that name is there already.
        NoSpace, HostError: the folder can't be written.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._parts: dict[FileRole, _Part] = {}

    @property
    def files(self) -> list[Path]:
        return [self._folder / role for role in self._parts]

    def part(self, role: FileRole, size: int | None) -> _Part:  # noqa: ARG002 - the port's
        if (old := self._parts.pop(role, None)) is not None:
            old.drop()
        if (self._folder / role).exists():
            raise AlreadyExists("file", str(self._folder / role))
        self._parts[role] = part = _Part(self._folder / f".{role}.{os.getpid()}.part")
        return part

    def __enter__(self) -> FolderSink:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is not None:
            for part in self._parts.values():
                part.drop()
            return
        for role, part in self._parts.items():
            part.keep_as(self._folder / role)


class _Part:
    def __init__(self, path: Path) -> None:
        self._path = path
        self.written = 0
        try:
            self._file: BinaryIO = path.open("wb", buffering=0)
        except OSError as exc:
            raise HostError(f"{path.parent} can't be written: {exc.strerror}") from exc

    def write(self, data: bytes) -> None:
        rest = memoryview(data)
        try:
            while rest:
                rest = rest[self._file.write(rest) :]
        except OSError as exc:
            if exc.errno in (errno.ENOSPC, errno.EDQUOT):
                raise NoSpace(path=str(self._path.parent), needed=len(data)) from exc
            raise HostError(f"{self._path.parent} can't be written: {exc.strerror}") from exc
        self.written += len(data)

    def restart(self) -> None:
        self._file.seek(0)
        self._file.truncate()
        self.written = 0

    def keep_as(self, path: Path) -> None:
        self._file.close()
        self._path.replace(path)

    def drop(self) -> None:
        self._file.close()
        with contextlib.suppress(OSError):
            self._path.unlink()
