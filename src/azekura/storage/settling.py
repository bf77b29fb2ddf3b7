"""Getting unpacked images to the disk without anybody waiting for it.

An image's tree is thousands of files. Were it synced before it becomes visible, the first launch would wait for the
disk; were it never synced, a power loss could leave files empty for ever. So it is marked with the boot it was
unpacked in, synced in the background, and the mark taken away. A mark of an earlier boot means that the machine went
down in between: the image is removed and unpacked again from its blob.
"""

from __future__ import annotations

import threading
from contextlib import suppress
from pathlib import Path

from azekura.storage.kernel.paths import sync_file_system

_MARK = "unsynced"
PATIENCE = 1.0  # seconds: whoever brought the image records it first, and would wait for the disk behind a sync


class Settling:
    """The background syncs of one pool."""

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._threads: list[threading.Thread] = []
        self._hurry = threading.Event()

    def mark(self, folder: Path) -> None:
        """Note that ``folder`` is not on the disk yet."""
        (folder / _MARK).write_text(_boot_id())

    def survived(self, folder: Path) -> bool:
        """Whether all of ``folder`` is what was written: synced, or written since the machine was started."""
        try:
            return (folder / _MARK).read_text() == _boot_id()
        except FileNotFoundError:
            return True

    def begin(self, folder: Path) -> None:
        """Sync in the background, if ``folder`` is marked; then take the mark away."""
        if not (folder / _MARK).exists():
            return
        thread = threading.Thread(target=self._settle, args=(folder,), name="storage-settling", daemon=True)
        with self._guard:
            self._threads = [other for other in self._threads if other.is_alive()]
            self._threads.append(thread)
            thread.start()

    def wait(self) -> None:
        """Return when all that was begun is done."""
        with self._guard:
            threads = list(self._threads)
            self._hurry.set()
        for thread in threads:
            thread.join()
        self._hurry.clear()

    def _settle(self, folder: Path) -> None:
        self._hurry.wait(PATIENCE)
        # After any failure, or when the image was removed meanwhile, the mark just stays.
        with suppress(OSError):
            sync_file_system(folder)
            (folder / _MARK).unlink()


def _boot_id() -> str:
    return Path("/proc/sys/kernel/random/boot_id").read_text()
