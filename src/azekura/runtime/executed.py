"""A command that runs in a container, as its starter holds it: :class:`azekura.runtime.port.ExecProcess`."""

from __future__ import annotations

import fcntl
import logging
import os
import select
import signal
import socket
import struct
import termios
import threading
import time

from azekura.runtime.port import Refusal

_log = logging.getLogger(__name__)

_REFUSALS: dict[bytes, Refusal] = {b"N": "not found", b"X": "not executable"}


class Executed:
    """See the port for what the members mean."""

    def __init__(
        self, pid: int, pidfd: int, keeper: socket.socket, terminal: int, streams: tuple[int, int, int]
    ) -> None:
        self._pid = pid
        self._pidfd = pidfd
        self._keeper = keeper
        self._pty = terminal
        self._stdin, self._stdout, self._stderr = streams
        self._lock = threading.Lock()
        self._code: int | None = None
        self._refusal: Refusal = ""

    @property
    def pid(self) -> int:
        return self._pid

    @property
    def pty(self) -> int:
        return self._pty

    @property
    def stdin(self) -> int:
        return self._stdin

    @property
    def stdout(self) -> int:
        return self._stdout

    @property
    def stderr(self) -> int:
        return self._stderr

    @property
    def done_fd(self) -> int:
        return self._keeper.fileno()

    @property
    def refusal(self) -> Refusal:
        return self._refusal

    def wait(self, timeout: float | None = None) -> int | None:
        end = None if timeout is None else time.monotonic() + timeout
        while True:
            with self._lock:
                if self._code is not None:
                    return self._code
                if self._readable(0):
                    self._code = self._read_code()
                    return self._code
            left = None if end is None else end - time.monotonic()
            if left is not None and left <= 0:
                return None
            self._readable(left)

    def _readable(self, timeout: float | None) -> bool:
        descriptor = self._keeper.fileno()
        if descriptor < 0:
            return True
        poll = select.poll()
        poll.register(descriptor, select.POLLIN)
        return bool(poll.poll(None if timeout is None else timeout * 1000))

    def _read_code(self) -> int:
        try:
            data = self._keeper.recv(6)
        except OSError:
            data = b""
        if len(data) != 6 or data[:1] != b"S":  # the keeper itself failed or was killed: nobody will ever know
            _log.error("the keeper of process %d was lost: %s", self._pid, data)
            return 128 + signal.SIGKILL
        status = struct.unpack("=i", data[1:5])[0]
        self._refusal = _REFUSALS.get(data[5:], "")
        if os.WIFSIGNALED(status):
            return 128 + os.WTERMSIG(status)
        return os.WEXITSTATUS(status)

    def signal(self, number: int) -> None:
        with self._lock:
            if self._pidfd >= 0:
                try:
                    signal.pidfd_send_signal(self._pidfd, number)
                except ProcessLookupError:
                    return

    def resize(self, width: int, height: int) -> None:
        with self._lock:
            if self._pty >= 0 and 0 < width < 65536 and 0 < height < 65536:
                try:
                    fcntl.ioctl(self._pty, termios.TIOCSWINSZ, struct.pack("=4H", height, width, 0, 0))
                except OSError:
                    return

    def close_stdin(self) -> None:
        with self._lock:
            if self._stdin >= 0:
                os.close(self._stdin)
                self._stdin = -1

    def close(self) -> None:
        self.close_stdin()
        with self._lock:
            for descriptor in (self._stdout, self._stderr, self._pty, self._pidfd):
                if descriptor >= 0:
                    os.close(descriptor)
            self._stdout = self._stderr = self._pty = self._pidfd = -1
            if self._code is None and self._readable(0):
                self._code = self._read_code()
            try:
                self._keeper.shutdown(socket.SHUT_RDWR)  # wakes whoever waits
            except OSError:
                pass
            self._keeper.close()
