"""A runtime without liblxc or root: containers are entries in memory, commands are processes of the host."""

from __future__ import annotations

import fcntl
import os
import pty
import shutil
import signal
import struct
import subprocess
import termios
import threading
from dataclasses import dataclass, field
from pathlib import Path

from azekura.errors import InUse, InvalidRequest, RuntimeFailed
from azekura.runtime.environment import DEFAULT_PATH, for_command
from azekura.runtime.hotplug import inside_path
from azekura.runtime.network import Address, Interface
from azekura.runtime.port import (
    BindMount,
    ContainerSpec,
    ContainerState,
    Event,
    ExecProcess,
    ExecRequest,
    Limits,
    Nic,
    Refusal,
    Watcher,
)

LOOPBACK = Interface("lo", "", "", 65536, "up", "loopback", (Address("inet", "127.0.0.1", "8", "local"),))


class HostProcess:
    """A command as a plain process; members as in azekura.runtime.port.ExecProcess."""

    def __init__(self, request: ExecRequest, root: Path) -> None:
        environment = {"PATH": DEFAULT_PATH} | for_command(request.environment, uid=request.uid)
        program = shutil.which(request.command[0], path=environment["PATH"])
        self._missing = 127 if program is None else None
        if program is None and Path(request.command[0]).exists():
            self._missing = 126
        inside = root / request.cwd.lstrip("/")
        command = list(request.command) if program else ["true"]
        self.pty = self.stdin = self.stdout = self.stderr = -1
        if request.interactive:
            self.pty, slave = pty.openpty()
            self.resize(request.width, request.height)
            inner, command = [slave] * 3, ["setsid", "-c", *command]
        else:
            pairs = os.pipe(), os.pipe(), os.pipe()
            inner = [pairs[0][0], pairs[1][1], pairs[2][1]]
            self.stdin, self.stdout, self.stderr = pairs[0][1], pairs[1][0], pairs[2][0]
        try:
            self._process = subprocess.Popen(
                command,
                stdin=inner[0],
                stdout=inner[1],
                stderr=inner[2],
                env=environment,
                cwd=inside if request.cwd and inside.is_dir() else "/",
                start_new_session=not request.interactive,
            )
        finally:
            for descriptor in set(inner):
                os.close(descriptor)
        self.done_fd = os.pidfd_open(self._process.pid)

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def refusal(self) -> Refusal:
        return "" if self._missing is None else "not found" if self._missing == 127 else "not executable"

    def wait(self, timeout: float | None = None) -> int | None:
        try:
            code = self._process.wait(timeout)
        except subprocess.TimeoutExpired:
            return None
        if self._missing is not None:
            return self._missing
        return 128 - code if code < 0 else code

    def signal(self, number: int) -> None:
        self._process.send_signal(number)

    def resize(self, width: int, height: int) -> None:
        if self.pty >= 0 and width > 0 and height > 0:
            fcntl.ioctl(self.pty, termios.TIOCSWINSZ, struct.pack("=4H", height, width, 0, 0))

    def close_stdin(self) -> None:
        if self.stdin >= 0:
            os.close(self.stdin)
            self.stdin = -1

    def close(self) -> None:
        self.close_stdin()
        for descriptor in (self.stdout, self.stderr, self.pty, self.done_fd):
            if descriptor >= 0:
                os.close(descriptor)
        self.stdout = self.stderr = self.pty = self.done_fd = -1
        if self._process.poll() is None:
            self._process.kill()
            self._process.wait()


@dataclass
class _Container:
    spec: ContainerSpec
    frozen: bool = False
    commands: list[HostProcess] = field(default_factory=list)
    attached: dict[str, BindMount | Nic] = field(default_factory=dict)  # since it was started


class FakeRuntime:
    """Implements azekura.runtime.port.Runtime. Tests may also use what stands under "for tests"."""

    version = "0.0-fake"

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._running: dict[str, _Container] = {}
        self._consoles: dict[str, bytes] = {}
        self._callbacks: list[Watcher] = []
        # for tests:
        self.specs: dict[str, ContainerSpec] = {}  # what each container was last started with
        self.fail_next_start: str | None = None
        self.ignores_halt: set[str] = set()  # names whose init doesn't react to a clean stop
        self.missing: str | None = None  # what check() complains about

    # -- for tests

    def end_inside(self, name: str) -> None:
        """As if its init had shut down by itself."""
        self._stop(name)

    def reboot_inside(self, name: str) -> None:
        self._tell(name, "rebooted")

    def write_console(self, name: str, text: bytes) -> None:
        self._consoles[name] = self._consoles.get(name, b"") + text

    # -- the port

    def check(self) -> None:
        if self.missing:
            raise RuntimeFailed(self.missing)

    def get_ready(self) -> None:
        pass

    def start(self, spec: ContainerSpec) -> None:
        with self._lock:
            if spec.name in self._running:
                raise InUse(f'The container "{spec.name}" is running already')
            if self.fail_next_start:
                message, self.fail_next_start = self.fail_next_start, None
                raise RuntimeFailed(message)
            if not (spec.rootfs.is_absolute() and spec.rootfs.is_dir()):
                raise RuntimeFailed(f"The container couldn't be started: {spec.rootfs} is no folder")
            if any("\n" in value for value in spec.environment.values()):
                raise InvalidRequest("A value for lxc.environment can't hold line breaks or NUL characters")
            self._running[spec.name] = _Container(spec)
            self._consoles[spec.name] = b""
            self.specs[spec.name] = spec

    def stop(self, name: str, *, timeout: float | None = None, force: bool = False) -> bool:
        if name not in self._running:
            return True
        if not force and name in self.ignores_halt:
            return False
        self._stop(name)
        return True

    def _stop(self, name: str) -> None:
        with self._lock:
            container = self._running.pop(name, None)
        if container:
            for command in container.commands:
                command.signal(signal.SIGKILL)
            self._tell(name, "stopped")

    def freeze(self, name: str) -> None:
        self._require(name).frozen = True

    def unfreeze(self, name: str) -> None:
        self._require(name).frozen = False

    def state(self, name: str) -> ContainerState:
        container = self._running.get(name)
        if container is None:
            return ContainerState()
        return ContainerState(
            running=True,
            frozen=container.frozen,
            init_pid=os.getpid(),
            processes=1 + sum(command.wait(0) is None for command in container.commands),
            memory_bytes=1 << 20,
            memory_peak=2 << 20,
            cpu_ns=1_000_000,
            network=(LOOPBACK,),
        )

    def is_running(self, name: str) -> bool:
        return name in self._running

    def init_pid(self, name: str) -> int:
        return os.getpid() if name in self._running else 0

    def set_limits(self, name: str, limits: Limits) -> None:
        self._require(name)

    def check_raw(self, lines: str) -> None:
        for line in lines.splitlines():
            if line.strip() and "=" not in line:
                raise InvalidRequest(f"Invalid raw.lxc line: {line.strip()}")

    def attach_mount(self, name: str, mount: BindMount) -> None:
        container = self._require(name)
        if not mount.source.exists():
            raise InvalidRequest(f"{mount.source} can't be shown: No such file or directory")
        container.attached[inside_path(mount.target)] = mount

    def detach_mount(self, name: str, target: str) -> None:
        self._require(name).attached.pop(inside_path(target), None)

    def attach_nic(self, name: str, nic: Nic) -> None:
        self._require(name).attached[nic.name] = nic

    def detach_nic(self, name: str, nic: Nic) -> None:
        self._require(name).attached.pop(nic.name, None)

    def watch(self, callback: Watcher) -> None:
        self._callbacks.append(callback)

    def recover(self) -> list[str]:
        return sorted(self._running)

    def exec(self, name: str, request: ExecRequest) -> ExecProcess:
        container = self._require(name)
        if container.frozen:
            raise RuntimeFailed("Instance is frozen")
        if not request.command or not request.command[0] or any("\0" in word for word in request.command):
            raise InvalidRequest("A command is needed")
        process = HostProcess(request, container.spec.rootfs)
        container.commands.append(process)
        return process

    def console_log(self, name: str) -> bytes:
        return self._consoles.get(name, b"")

    def forget(self, name: str) -> None:
        if name in self._running:
            raise InUse("The container is running")
        self._consoles.pop(name, None)

    def close(self) -> None:
        with self._lock:
            for container in self._running.values():
                for command in container.commands:
                    command.close()

    # -- shared

    def _require(self, name: str) -> _Container:
        container = self._running.get(name)
        if container is None:
            raise RuntimeFailed("Instance is not running")
        return container

    def _tell(self, name: str, event: Event) -> None:
        for callback in list(self._callbacks):
            callback(name, event)
