"""Our side of the helper that puts commands into containers (:mod:`azekura.runtime.enter_server`).

One small warm process serves all of the daemon's exec: forking from the daemon itself would cost sixteen
milliseconds and is unsafe beside threads; starting an interpreter each time costs as much again.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import socket
import struct
import subprocess
import sys
import threading
from dataclasses import dataclass
from pathlib import Path

from azekura.errors import InvalidRequest, RuntimeFailed
from azekura.runtime.environment import for_command
from azekura.runtime.executed import Executed
from azekura.runtime.host import SecurityModule
from azekura.runtime.port import ExecRequest

_PROGRAM = Path(__file__).with_name("enter_server.py")
_MFD_CLOEXEC, _MFD_ALLOW_SEALING, _MFD_EXEC = 0x1, 0x2, 0x10
_F_ADD_SEALS, _ALL_SEALS = 1033, 0xF
_ANSWER_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class Target:
    """The container to enter: its init, by pid and pidfd, its control groups (path, whether cgroup2), and what
    stands between it and the host."""

    init_pid: int
    pidfd: int
    groups: tuple[tuple[str, bool], ...]
    security_module: SecurityModule
    seccomp: bytes


class Helper:
    """Keeps the helper process; starts it when it is first needed, and again when it died."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._socket: socket.socket | None = None
        self._warmed = self._closed = False

    def warm(self) -> None:
        """Start the process in the background, so that the first exec needn't wait for it. Does nothing more than
        once; a failure shows at the first exec."""
        if not self._warmed:
            self._warmed = True
            threading.Thread(target=self._warm, name="azekura-enter", daemon=True).start()

    def _warm(self) -> None:
        with self._lock, contextlib.suppress(RuntimeFailed):
            self._ensure()

    @property
    def pid(self) -> int:
        """Of the helper; 0 while there is none."""
        return self._process.pid if self._process else 0

    def enter(self, target: Target, request: ExecRequest) -> Executed:
        """Run ``request`` in ``target``.

        Raises:
            InvalidRequest: an empty command, or a text with a NUL.
            RuntimeFailed: the container couldn't be entered.
        """
        body = _body(target, request)
        streams = _Streams(interactive=request.interactive)
        try:
            try:
                return self._ask(target, body, streams)
            except (ConnectionResetError, BrokenPipeError):
                # it died with our request unread, so nothing was run: ask the next one
                return self._ask(target, body, streams)
        except OSError as exc:
            raise RuntimeFailed("The container couldn't be entered: the helper process failed") from exc
        finally:
            streams.close()

    def _ask(self, target: Target, body: bytes, streams: _Streams) -> Executed:
        ours, theirs = socket.socketpair()
        try:
            with theirs:
                self._hand_over(theirs)
            ours.settimeout(_ANSWER_SECONDS)
            socket.send_fds(ours, [struct.pack("=I", len(body))], [target.pidfd, *streams.inner])
            ours.sendall(body)
            return _await_start(ours, streams)
        except BaseException:
            ours.close()
            raise

    def close(self) -> None:
        """End the helper. Commands that it started go on, and can still be waited for."""
        with self._lock:
            self._closed = True
            self._discard()

    def _hand_over(self, connection: socket.socket) -> None:
        for attempt in (1, 2):
            with self._lock:
                helper = self._ensure()
                try:
                    socket.send_fds(helper, [b"x"], [connection.fileno()])
                except OSError:
                    self._discard()
                    if attempt == 2:
                        raise
                else:
                    return

    def _ensure(self) -> socket.socket:
        if self._closed:
            raise RuntimeFailed("The runtime is closed")
        if self._process and self._process.poll() is not None:
            self._discard()
        if self._socket is None:
            self._process, self._socket = _start()
        return self._socket

    def _discard(self) -> None:
        if self._socket:
            self._socket.close()  # the helper ends at the end of its input
        if self._process:
            try:
                self._process.wait(5)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
        self._process = self._socket = None


class _Streams:
    """The pipes of one command, both ends, until their owners are known."""

    def __init__(self, *, interactive: bool) -> None:
        self.inner: list[int] = []
        self.outer: list[int] = []
        if not interactive:
            (in_read, in_write), (out_read, out_write), (err_read, err_write) = os.pipe(), os.pipe(), os.pipe()
            self.inner, self.outer = [in_read, out_write, err_write], [in_write, out_read, err_read]

    def close(self) -> None:
        """The ends that nobody claimed."""
        for descriptor in (*self.inner, *self.outer):
            os.close(descriptor)
        self.inner = self.outer = []

    def claim(self) -> tuple[int, int, int]:
        claimed = (self.outer[0], self.outer[1], self.outer[2]) if self.outer else (-1, -1, -1)
        self.outer = []
        return claimed


def _start() -> tuple[subprocess.Popen[bytes], socket.socket]:
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    interpreter = os.path.realpath(sys.executable)
    try:
        sealed = _sealed_copy(interpreter)
        try:
            process = subprocess.Popen(
                [interpreter, "-I", "-S", str(_PROGRAM), str(theirs.fileno())],
                executable=f"/proc/self/fd/{sealed}",
                pass_fds=(sealed, theirs.fileno()),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                cwd="/",
                env={"PATH": "/usr/bin:/bin", "LANG": "C.UTF-8"},
                start_new_session=True,
            )
        finally:
            os.close(sealed)
    except OSError as exc:
        ours.close()
        raise RuntimeFailed(f"The helper process for exec couldn't be started: {exc.strerror}") from exc
    finally:
        theirs.close()
    return process, ours


def _sealed_copy(program: str) -> int:
    """A descriptor of a copy of ``program`` in memory that nobody can ever write to.

    A container's command may be a link to ``/proc/self/exe``, which then runs our own interpreter inside; a
    privileged container could overwrite the host's file through it (CVE-2019-5736).
    """
    flags = _MFD_CLOEXEC | _MFD_ALLOW_SEALING
    try:
        descriptor = os.memfd_create("azekura-enter", flags | _MFD_EXEC)
    except OSError:  # before Linux 6.3 there is no such flag, and memory files are executable as they are
        descriptor = os.memfd_create("azekura-enter", flags)
    try:
        with Path(program).open("rb") as source:
            left = os.fstat(source.fileno()).st_size
            while left > 0:
                sent = os.sendfile(descriptor, source.fileno(), None, left)
                if sent == 0:
                    break
                left -= sent
        fcntl.fcntl(descriptor, _F_ADD_SEALS, _ALL_SEALS)
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def _body(target: Target, request: ExecRequest) -> bytes:
    if not request.command or not request.command[0]:
        raise InvalidRequest("A command is needed")
    if any("\0" in word for word in (*request.command, request.cwd)):
        raise InvalidRequest("A command and its folder can't hold NUL characters")
    if not 0 <= request.uid < 2**32 - 1 or not 0 <= request.gid < 2**32 - 1:
        raise InvalidRequest("User and group must be numbers from 0 to 4294967294")
    document = {
        "init": target.init_pid,
        "groups": target.groups,
        "security_module": target.security_module,
        "seccomp": target.seccomp.hex(),
        "command": request.command,
        "environment": for_command(request.environment, uid=request.uid),
        "cwd": request.cwd,
        "uid": request.uid,
        "gid": request.gid,
        "interactive": request.interactive,
        "width": request.width,
        "height": request.height,
    }
    return json.dumps(document).encode()


def _await_start(connection: socket.socket, streams: _Streams) -> Executed:
    data, descriptors, _flags, _peer = socket.recv_fds(connection, 5, 2)
    if len(data) == 5 and data[:1] == b"P" and descriptors:
        (pid,) = struct.unpack("=i", data[1:])
        connection.settimeout(None)
        terminal = descriptors[1] if len(descriptors) > 1 else -1
        return Executed(pid, descriptors[0], connection, terminal, streams.claim())
    for descriptor in descriptors:
        os.close(descriptor)
    rest = b""
    if data[:1] == b"E":
        with contextlib.suppress(OSError):
            while part := connection.recv(4096):
                rest += part
    connection.close()
    text = (data[1:] + rest).decode(errors="replace")
    raise RuntimeFailed(text or "The container couldn't be entered: it is stopping")
