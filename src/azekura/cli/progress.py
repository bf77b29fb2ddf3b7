"""One line on the terminal that tells how far something is; rewritten in place."""

from __future__ import annotations

import shutil
import sys
import time

from azekura.client.operations import Watcher

TYPE_CHECKING = False
if TYPE_CHECKING:
    from azekura.client.envelope import Record

INTERVAL = 0.1  # seconds between two rewritings


class Progress(Watcher):
    """``title`` holds a ``%s`` for the state: ``Retrieving image: %s``."""

    def __init__(self, title: str) -> None:
        self.title = title
        self._shown = 0
        self._last = 0.0
        self._silent_until = 0.0
        self._started = time.monotonic()

    def progress(self, operation: Record) -> None:
        """Show the operation's own words: every key of its metadata that ends in ``_progress``."""
        metadata = operation.get("metadata") or {}
        for key, value in metadata.items():
            if key.endswith("_progress") and isinstance(value, str):
                self.show(value)
                return

    def transferred(self, done: int, total: int | None) -> None:
        """Show bytes that we move ourselves: percent, rate, time left."""
        now = time.monotonic()
        if now - self._last < INTERVAL and done != total:
            return
        rate = done / max(now - self._started, 1e-6)
        if total:
            left = (total - done) / rate if rate else 0
            self.show(f"{done * 100 // total}% ({_amount(rate)}/s, {_duration(left)} left)")
        else:
            self.show(f"{_amount(done)} ({_amount(rate)}/s)")

    def show(self, state: str) -> None:
        now = time.monotonic()
        if now < self._silent_until:
            return
        self._last = now
        self._write(self.title % state)

    def warn(self, message: str) -> None:
        self._write(message)
        self._silent_until = time.monotonic() + 5

    def _write(self, line: str) -> None:
        columns = shutil.get_terminal_size().columns
        line = line.replace("\n", " ")[: max(columns - 1, 10)]
        sys.stdout.write(f"\r{line}{' ' * max(0, self._shown - len(line))}")
        sys.stdout.flush()
        self._shown = len(line)

    def done(self) -> None:
        """Wipe the line."""
        if self._shown:
            sys.stdout.write(f"\r{' ' * self._shown}\r")
            sys.stdout.flush()
            self._shown = 0


def _amount(size: float) -> str:
    for unit in ("B", "kB", "MB", "GB"):
        if size < 1000 or unit == "GB":
            break
        size /= 1000
    return f"{size:.0f}{unit}" if unit == "B" else f"{size:.2f}{unit}"


def _duration(seconds: float) -> str:
    whole = int(seconds + 0.5)
    if whole < 60:
        return f"{whole}s"
    if whole < 3600:
        return f"{whole // 60}m{whole % 60:02}s"
    return f"{whole // 3600}h{whole % 3600 // 60:02}m"
