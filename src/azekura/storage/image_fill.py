"""An image on its way into a pool."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Self

from azekura.errors import StorageFailed


class ImageFill:
    """The :class:`~azekura.storage.port.TreeFill` of pools that lie in a folder."""

    def __init__(self, folder: Path, publish: Callable[[Path, str], None], discard: Callable[[Path], None]) -> None:
        self._folder = folder
        self._publish = publish
        self._discard = discard
        self._open = True

    @property
    def path(self) -> Path:
        return self._folder / "rootfs"

    def commit(self, fingerprint: str) -> None:
        if not self._open:
            raise StorageFailed("This image was committed or given up before")
        self._publish(self._folder, fingerprint)
        self._open = False

    def abort(self) -> None:
        if self._open:
            self._open = False
            self._discard(self._folder)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.abort()
