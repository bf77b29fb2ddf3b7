"""A command on a terminal of its own, as a person would have it."""

from __future__ import annotations

import fcntl
import os
import select
import signal
import struct
import subprocess
import termios
import time
from collections.abc import Sequence


class Terminal:
    """``command`` with a terminal of ``columns`` × ``rows`` as its controlling one."""

    def __init__(self, command: Sequence[str], environment: dict[str, str], *, columns: int, rows: int) -> None:
        self._master, slave = os.openpty()
        self._size(columns, rows)
        self.process = subprocess.Popen(
            ["setsid", "--ctty", "--wait", *command], env=environment, stdin=slave, stdout=slave, stderr=slave
        )
        os.close(slave)
        self.output = b""

    def _size(self, columns: int, rows: int) -> None:
        fcntl.ioctl(self._master, termios.TIOCSWINSZ, struct.pack("=4H", rows, columns, 0, 0))

    def resize(self, columns: int, rows: int) -> None:
        """The kernel tells the command's foreground group."""
        self._size(columns, rows)

    def type(self, text: bytes) -> None:
        os.write(self._master, text)

    def read_until(self, text: bytes, seconds: float = 15.0) -> bytes:
        """All that was printed so far, once ``text`` is among it."""
        end = time.monotonic() + seconds
        while text not in self.output:
            ready, _, _ = select.select([self._master], [], [], max(0.0, end - time.monotonic()))
            assert ready, f"{text!r} was never printed, but {self.output!r}"
            try:
                data = os.read(self._master, 65536)
            except OSError:  # its last process is gone
                data = b""
            assert data, f"it ended after {self.output!r}"
            self.output += data
        return self.output

    def end(self, seconds: float = 15.0) -> int:
        """Its exit code, with the rest of its output read."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            ready, _, _ = select.select([self._master], [], [], 0.05)
            if ready:
                try:
                    data = os.read(self._master, 65536)
                except OSError:
                    break
                if not data:
                    break
                self.output += data
            elif self.process.poll() is not None:
                break
        try:
            return self.process.wait(max(0.1, end - time.monotonic()))
        finally:
            if self.process.poll() is None:
                self.process.send_signal(signal.SIGKILL)
                self.process.wait()
            os.close(self._master)
