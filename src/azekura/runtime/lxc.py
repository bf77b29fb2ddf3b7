"""The runtime on liblxc's programs: containers outlive this process and its threads (docs/design.md, decisions)."""

from __future__ import annotations

import contextlib
import logging
import os
import re
import shutil
import threading
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import cached_property, partial
from pathlib import Path

from azekura.errors import InUse, InvalidRequest, RuntimeFailed
from azekura.runtime import host as machine
from azekura.runtime import hotplug, lxc_start, record, seccomp, shutdown, started_with
from azekura.runtime.cgroups import V2, announce_moves, groups_of, sweep
from azekura.runtime.enter import Helper, Target
from azekura.runtime.executed import Executed
from azekura.runtime.host import Host, examine
from azekura.runtime.limits import apply, lifted, settings
from azekura.runtime.network import Interface, read_interfaces
from azekura.runtime.port import BindMount, ContainerSpec, ContainerState, Event, ExecRequest, Limits, Nic, Watcher
from azekura.runtime.processes import Process, parse_signal, send_signal, shutdown_signal
from azekura.runtime.record import Record
from azekura.runtime.usage import is_frozen, read_usage, set_frozen
from azekura.runtime.watcher import PidfdWatcher

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,199}")
_CONSOLE_BYTES = 1 << 20
_EARLY_END_SECONDS = 0.002

_log = logging.getLogger(__name__)


@dataclass(slots=True)
class _Running:
    record: Record
    groups: dict[str, Path]
    filters_calls: bool = True
    gone: threading.Event = field(default_factory=threading.Event)


class LxcRuntime:
    """See :class:`azekura.runtime.port.Runtime` for the contract.

    ``run_dir`` (absolute, made with mode 0711) holds a folder for each container: configuration, records. It is
    liblxc's *lxcpath*, and must be one daemon's alone.
    """

    def __init__(self, run_dir: Path, *, host: Host | None = None) -> None:
        if not run_dir.is_absolute():
            raise InvalidRequest(f"The runtime's folder must be an absolute path: {run_dir}")
        self._run_dir = run_dir
        self._host = host or examine()
        self._seccomp = seccomp.filter_program(self._host.machine)
        self._helper = Helper()
        self._watcher = PidfdWatcher(self._on_stopped, self._on_rebooted)
        self._callbacks: list[Watcher] = []
        self._lock = threading.Lock()
        self._running: dict[str, _Running] = {}
        self._starting: set[str] = set()
        self._preparations = ThreadPoolExecutor(1, thread_name_prefix="azekura-start")
        self._prepared: Future[None] | None = None

    # -- the machine

    @cached_property
    def version(self) -> str:
        return machine.liblxc_version(self._host)

    def check(self) -> None:
        machine.check(self._host, self.version)

    def close(self) -> None:
        self._watcher.close()
        self._helper.close()
        self._preparations.shutdown(wait=True)

    # -- start

    def get_ready(self) -> None:
        with self._lock, contextlib.suppress(RuntimeError):  # closed meanwhile
            if self._prepared is None or self._prepared.done():
                self._prepared = self._preparations.submit(announce_moves, self._host.hierarchies)

    def start(self, spec: ContainerSpec) -> None:
        folder = self._folder(spec.name)
        with self._claim(spec.name):
            try:
                self._run_dir.mkdir(mode=0o711, parents=True, exist_ok=True)
                folder.mkdir(mode=0o711, exist_ok=True)
                if record.await_init(folder):
                    raise InUse(f'The container "{spec.name}" is running already')
                self._start(spec, folder)
            except OSError as exc:
                raise RuntimeFailed(f"The container couldn't be started: {exc.strerror}: {exc.filename}") from exc

    @contextlib.contextmanager
    def _claim(self, name: str) -> Iterator[None]:
        """The right to start ``name``, for one caller at a time, once what ran before is cleaned up."""
        with self._lock:
            running = self._running.get(name)
            if name in self._starting or (running and self._watcher.is_running(name)):
                raise InUse(f'The container "{name}" is running already')
            self._starting.add(name)
        try:
            if running:
                running.gone.wait(shutdown.KILL_SECONDS)
            yield
        finally:
            with self._lock:
                self._starting.discard(name)

    def _start(self, spec: ContainerSpec, folder: Path) -> None:
        try:
            monitor, init = lxc_start.start(spec, folder, self._host)
        except RuntimeFailed:
            self._sweep_after_failure(folder)
            raise
        watched_until = time.monotonic() + _EARLY_END_SECONDS
        halt = started_with.halt_signal(spec.raw_lxc)
        running = self._describe(monitor, init, halt_signal=parse_signal(halt) if halt else None)
        running.filters_calls = spec.filters_calls
        try:
            record.save(folder, running.record)
            lxc_start.verify(spec, self._host.hierarchies, running.groups, init.pid, watched_until)
            self._track(folder, running)
        except (OSError, RuntimeFailed) as exc:
            shutdown.abandon(monitor, init)
            self._clean(spec.name, running)
            if isinstance(exc, ProcessLookupError):
                raise RuntimeFailed(lxc_start.ended_at_once(spec)) from None
            raise

    def _describe(self, monitor: Process, init: Process, *, halt_signal: int | None) -> _Running:
        groups = groups_of(init.pid, self._host.hierarchies)
        ours = {*groups.values(), *groups_of(monitor.pid, self._host.hierarchies).values()}
        swept = sorted(str(path) for path in ours if path.name.startswith(("lxc.payload.", "lxc.monitor.")))
        return _Running(Record(monitor, init, tuple(swept), halt_signal), groups)

    def _track(self, folder: Path, running: _Running) -> None:
        """Raises:
        ProcessLookupError: it has ended.
        """
        with self._lock:
            self._running[folder.name] = running
        try:
            self._watcher.add(folder.name, running.record.monitor, running.record.init)
        except ProcessLookupError:
            with self._lock:
                self._running.pop(folder.name, None)
            running.gone.set()
            raise
        self._helper.warm()

    # -- stop, freeze

    def stop(self, name: str, *, timeout: float | None = None, force: bool = False) -> bool:
        running = self._get(name)
        if running is None:
            return True
        monitor = self._watcher.duplicate_monitor(name)
        if monitor < 0:
            running.gone.wait(shutdown.KILL_SECONDS)
            return True
        try:
            signal_init = partial(self._signal_init, name)
            if force:
                shutdown.kill(signal_init, running.groups, monitor)
            else:
                shutdown.thaw(running.groups)
                if not shutdown.halt(signal_init, running.record.halt_signal, monitor, timeout):
                    return False
        finally:
            os.close(monitor)
        running.gone.wait(shutdown.KILL_SECONDS)
        return True

    def _signal_init(self, name: str, number: int | None) -> None:
        pid, pidfd = self._watcher.duplicate_init(name)
        if pidfd < 0:
            return  # between two boots, or just gone
        try:
            send_signal(pidfd, number or shutdown_signal(pid))
        finally:
            os.close(pidfd)

    def freeze(self, name: str) -> None:
        set_frozen(self._require(name).groups, True)

    def unfreeze(self, name: str) -> None:
        set_frozen(self._require(name).groups, False)

    # -- state

    def state(self, name: str) -> ContainerState:
        running = self._get(name)
        pid, pidfd = self._watcher.duplicate_init(name)
        if running is None or pidfd < 0:
            return ContainerState(running=self.is_running(name))
        try:
            interfaces: tuple[Interface, ...] = read_interfaces(pidfd)
        except RuntimeFailed:
            interfaces = ()  # it ended this moment
        finally:
            os.close(pidfd)
        usage = read_usage(running.groups)
        return ContainerState(
            running=True,
            frozen=is_frozen(running.groups),
            init_pid=pid,
            processes=usage.processes,
            memory_bytes=usage.memory_bytes,
            memory_peak=usage.memory_peak,
            cpu_ns=usage.cpu_ns,
            network=interfaces,
        )

    def is_running(self, name: str) -> bool:
        return self._watcher.is_running(name)

    def init_pid(self, name: str) -> int:
        pid, pidfd = self._watcher.duplicate_init(name)
        if pidfd >= 0:
            os.close(pidfd)
        return pid

    def set_limits(self, name: str, limits: Limits) -> None:
        running = self._require(name)
        wanted = settings(limits, self._host.hierarchies, name=name)
        apply(lifted(limits, self._host.hierarchies) + wanted, running.groups)

    def check_raw(self, lines: str) -> None:
        if lines and self._host.lxc_start is not None:
            lxc_start.check_lines(lines, self._host.lxc_start.with_name("lxc-info"))

    # -- devices that come and go

    def attach_mount(self, name: str, mount: BindMount) -> None:
        with self._init(name) as (pid, pidfd):
            if mount.rule and self._host.lxc_start is not None:
                hotplug.let_through(self._host.lxc_start.with_name("lxc-cgroup"), self._folder(name), mount.rule)
            hotplug.attach_mount(pid, pidfd, mount)

    def detach_mount(self, name: str, target: str) -> None:
        with self._init(name) as (_, pidfd):
            hotplug.detach_mount(pidfd, target)

    def attach_nic(self, name: str, nic: Nic) -> None:
        with self._init(name) as (pid, _):
            hotplug.attach_nic(pid, nic)

    def detach_nic(self, name: str, nic: Nic) -> None:
        with self._init(name) as (pid, _):
            hotplug.detach_nic(pid, nic)

    @contextlib.contextmanager
    def _init(self, name: str) -> Iterator[tuple[int, int]]:
        """The pid of its init, kept from being another's by a pidfd."""
        pid, pidfd = self._watcher.duplicate_init(name)
        if pidfd < 0:
            raise RuntimeFailed("Instance is not running")
        try:
            yield pid, pidfd
        finally:
            os.close(pidfd)

    def console_log(self, name: str) -> bytes:
        log = started_with.console_log(self._folder(name))
        return lxc_start.tail(log, _CONSOLE_BYTES) if log else b""

    # -- exec

    def exec(self, name: str, request: ExecRequest) -> Executed:
        running = self._require(name)
        if is_frozen(running.groups):
            raise RuntimeFailed("Instance is frozen")
        pid, pidfd = self._watcher.duplicate_init(name)
        if pidfd < 0:
            raise RuntimeFailed("Instance is not running")
        try:
            groups = {(str(path), controller == V2) for controller, path in running.groups.items()}
            calls = self._seccomp if running.filters_calls else b""
            target = Target(pid, pidfd, tuple(sorted(groups)), self._host.security_module, calls)
            return self._helper.enter(target, request)
        finally:
            os.close(pidfd)

    # -- watching, restart of the daemon

    def watch(self, callback: Watcher) -> None:
        with self._lock:
            self._callbacks.append(callback)

    def recover(self) -> list[str]:
        found: list[str] = []
        for folder in sorted(self._run_dir.glob("[A-Za-z0-9]*")) if self._run_dir.is_dir() else ():
            with self._lock:
                known = folder.name in self._running or folder.name in self._starting
            if known or (folder.is_dir() and self._adopt(folder)):
                found.append(folder.name)
        return found

    def _adopt(self, folder: Path) -> bool:
        old = record.load(folder)
        alive = record.await_init(folder)
        if alive is None:
            if old:
                sweep(map(Path, old.groups))
            record.erase(folder)
            hotplug.unstage(folder / lxc_start.STAGED)
            return False
        running = self._describe(*alive, halt_signal=old.halt_signal if old else None)
        running.filters_calls = started_with.filters_calls(folder)
        try:
            record.save(folder, running.record)
            self._track(folder, running)
        except ProcessLookupError:
            self._clean(folder.name, running)
            return False
        return True

    def forget(self, name: str) -> None:
        folder = self._folder(name)
        if self._get(name) or (folder.is_dir() and record.await_init(folder)):
            raise InUse("The container is running")
        hotplug.unstage(folder / lxc_start.STAGED)
        if (folder / lxc_start.STAGED).exists():  # what is still mounted there is the host's, not ours to remove
            raise RuntimeFailed(f"Something is still mounted in {folder / lxc_start.STAGED}")
        try:
            shutil.rmtree(folder)
        except FileNotFoundError:
            return
        except OSError as exc:
            raise RuntimeFailed(f"The container's folder couldn't be removed: {exc.strerror}") from exc

    def _on_stopped(self, name: str) -> None:
        with self._lock:
            running = self._running.pop(name, None)
        if running:
            self._clean(name, running)
            running.gone.set()
        self._tell(name, "stopped")

    def _on_rebooted(self, name: str, init: Process) -> None:
        with self._lock:
            running = self._running.get(name)
        if running:
            old = running.record
            running.groups = groups_of(init.pid, self._host.hierarchies) or running.groups
            running.record = Record(old.monitor, init, old.groups, old.halt_signal)
            try:
                record.save(self._folder(name), running.record)
            except OSError:
                _log.exception("the record of %s couldn't be written", name)
        self._tell(name, "rebooted")

    def _tell(self, name: str, event: Event) -> None:
        for callback in list(self._callbacks):
            try:
                callback(name, event)
            except Exception:  # noqa: BLE001 (a watcher's fault must not end the thread that serves them all)
                _log.exception("a watcher failed on %s of %s", event, name)

    # -- shared

    def _folder(self, name: str) -> Path:
        if not _NAME.fullmatch(name):
            raise InvalidRequest(f"Not a container's name: {name[:80]!r}")
        return self._run_dir / name

    def _get(self, name: str) -> _Running | None:
        with self._lock:
            return self._running.get(name)

    def _require(self, name: str) -> _Running:
        running = self._get(name)
        if running is None or not self._watcher.is_running(name):
            raise RuntimeFailed("Instance is not running")
        return running

    def _clean(self, name: str, running: _Running) -> None:
        """Needed only where liblxc couldn't: its monitor may have been killed."""
        sweep(map(Path, running.record.groups))
        record.erase(self._run_dir / name)
        hotplug.unstage(self._run_dir / name / lxc_start.STAGED)

    def _sweep_after_failure(self, folder: Path) -> None:
        record.erase(folder)
        hotplug.unstage(folder / lxc_start.STAGED)
        names = (f"lxc.payload.{folder.name}", f"lxc.monitor.{folder.name}")
        mounts = [*self._host.hierarchies.v1.values(), self._host.hierarchies.v2]
        sweep(mount.point / name for mount in mounts if mount for name in names)
