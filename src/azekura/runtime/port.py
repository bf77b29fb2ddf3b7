"""The port through which the services run system containers, and the values that cross it.

One implementation drives liblxc's programs (:class:`azekura.runtime.lxc.LxcRuntime`); the tests have a second one
that needs no root. Names are the runtime's own: they are global to the host (cgroups), so the services prefix them
where two daemons or projects could meet.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, Protocol

from azekura.runtime.network import Interface

Event = Literal["stopped", "rebooted"]
"""What happens to a container without our asking: its init is gone, or it was replaced by a new one."""

Watcher = Callable[[str, Event], None]

Refusal = Literal["", "not found", "not executable"]
"""Why a command never ran: told apart from a command that itself exits with 127 or 126."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Ceilings of one container; None means none.

    ``cpus`` is a number of processors (the runtime chooses which) or a set such as ``0-1,3``.
    ``cpu_quota`` is (microseconds of processor time, in every period of so many microseconds); ``cpu_shares`` is its
    weight when processors are busy (1024: as everybody's). ``memory_soft``: the memory's ceiling holds only when the
    host runs short. ``swap`` False keeps it in memory; ``swappiness`` (0 to 100) is how readily it is swapped out.
    """

    memory_bytes: int | None = None
    cpus: int | str | None = None
    cpu_quota: tuple[int, int] | None = None
    processes: int | None = None
    cpu_shares: int | None = None
    memory_soft: bool = False
    swap: bool = True
    swappiness: int | None = None


NicKind = Literal["veth", "macvlan", "phys"]


@dataclass(frozen=True, slots=True)
class Nic:
    """A network card: ``name`` inside. ``mtu`` None takes the kernel's, ``hwaddr`` empty leaves it to chance.

    A veth pair is attached to ``bridge`` outside, where that isn't empty, under ``host_name`` (empty: any), and the
    host sends ``routes`` (networks, as ``10.1.0.0/24``) its way. A macvlan lies upon ``bridge``; with phys, the
    interface ``bridge`` itself goes in.
    """

    name: str
    bridge: str
    hwaddr: str
    mtu: int | None = None
    kind: NicKind = "veth"
    host_name: str = ""
    routes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class BindMount:
    """``source`` of the host shown at ``target`` (a path inside; made when it is missing).

    ``recursive`` shows what is mounted below it, too; ``shifted`` shows ids as the container counts them. ``rule``
    lets a device through to it (``c 1:3 rwm``, as control groups write it).
    """

    source: Path
    target: str
    read_only: bool = False
    recursive: bool = False
    shifted: bool = False
    rule: str = ""


@dataclass(frozen=True, slots=True)
class ContainerSpec:
    """All that a start needs to know. Paths are absolute.

    ``rootfs`` is a tree, or a mount point of one, that every folder above lets the mapped root reach (mode 0711).
    ``idmap_base`` is the host id of the container's root, None for a privileged container; ``idmap_lines`` say it
    all instead, where the map has more than one range: (``u`` or ``g``, inside, outside, count).
    ``liblxc_idmaps_rootfs``: the tree holds ids as inside (0-based) and liblxc shall mount it idmapped; False when
    the storage did that already.
    ``personality`` is the architecture to show when it isn't the kernel's own (``i686`` on ``x86_64``).
    ``raw_lxc`` is appended to liblxc's configuration as it is: the administrator's own lines.
    ``environment`` is init's; ``hostname`` None takes ``name``.
    ``kernel_limits`` are init's resource limits (``nofile`` to ``1024`` or ``1024:4096``), see setrlimit(2).
    ``filters_calls``: system calls that no container needs are refused (:mod:`azekura.runtime.seccomp`).
    ``sysctls`` are kernel parameters of its namespaces (``net.ipv4.ip_forward``).
    """

    name: str
    rootfs: Path
    console_log: Path
    log: Path
    idmap_base: int | None
    idmap_count: int = 65536
    liblxc_idmaps_rootfs: bool = False
    nesting: bool = False
    environment: Mapping[str, str] = field(default_factory=dict)
    limits: Limits = field(default_factory=Limits)
    nics: tuple[Nic, ...] = ()
    extra_mounts: tuple[BindMount, ...] = ()
    personality: str | None = None
    raw_lxc: str = ""
    hostname: str | None = None
    kernel_limits: Mapping[str, str] = field(default_factory=dict)
    sysctls: Mapping[str, str] = field(default_factory=dict)
    filters_calls: bool = True
    idmap_lines: tuple[tuple[str, int, int, int], ...] = ()


@dataclass(frozen=True, slots=True)
class ContainerState:
    """What a container is and uses at this moment. Everything is zero and empty when it isn't running.

    ``init_pid`` is the host's number of its process 1. ``processes`` counts tasks as ``pids.current`` does.
    Memory in bytes, ``cpu_ns`` in nanoseconds since it started.
    """

    running: bool = False
    frozen: bool = False
    init_pid: int = 0
    processes: int = 0
    memory_bytes: int = 0
    memory_peak: int = 0
    cpu_ns: int = 0
    network: tuple[Interface, ...] = ()


@dataclass(frozen=True, slots=True)
class ExecRequest:
    """A command to run in a running container.

    ``environment`` comes on top of the defaults (:mod:`azekura.runtime.environment`). ``cwd`` empty is ``/root``,
    and ``/`` where the folder doesn't exist, as in LXD. ``uid`` and ``gid`` are ids as seen inside.
    ``interactive`` gives a terminal of ``width`` × ``height`` characters (0: left as the kernel makes it).
    """

    command: tuple[str, ...]
    environment: Mapping[str, str] = field(default_factory=dict)
    cwd: str = ""
    uid: int = 0
    gid: int = 0
    interactive: bool = False
    width: int = 0
    height: int = 0


class ExecProcess(Protocol):
    """A command running in a container, seen from the host.

    The caller owns the descriptors and may close them early (stdin, to signal end of input) through
    :meth:`close_stdin` or all of them by :meth:`close`. When interactive, ``pty`` is the terminal's master and the
    other three are -1; else ``pty`` is -1 and the three are pipes. Reading a pty whose command has ended raises EIO.
    """

    @property
    def pid(self) -> int:
        """The command's pid on the host (still its own after it ended, until nobody waits for it)."""

    @property
    def pty(self) -> int: ...
    @property
    def stdin(self) -> int: ...
    @property
    def stdout(self) -> int: ...
    @property
    def stderr(self) -> int: ...

    @property
    def done_fd(self) -> int:
        """Readable once the command has ended: for an event loop. Don't read from it; call :meth:`wait`."""

    def wait(self, timeout: float | None = None) -> int | None:
        """Its exit status: 0–255 as it gave, 128 + n when signal n ended it, 127 when the command wasn't found,
        126 when it couldn't be executed. None when ``timeout`` seconds passed first."""

    @property
    def refusal(self) -> Refusal:
        """Why the command couldn't be executed; empty when it could. Known once :meth:`wait` has given a status."""

    def signal(self, number: int) -> None:
        """Send signal ``number`` to the command itself; nothing happens when it has ended."""

    def resize(self, width: int, height: int) -> None:
        """Tell the terminal its new size in characters; nothing happens without a terminal."""

    def close_stdin(self) -> None: ...

    def close(self) -> None:
        """Close every descriptor that is left. The command isn't ended by this: signal it first where it must be.
        Its status can't be learned afterwards: :meth:`wait` then says 137 unless it knew already."""


class Runtime(Protocol):
    """Starts, stops, watches and enters system containers. Every method may be called from any thread."""

    @property
    def version(self) -> str:
        """liblxc's version, such as ``5.0.2``; empty when it isn't there."""

    def check(self) -> None:
        """Raises RuntimeFailed, saying what is missing, when no container can be run here."""

    def get_ready(self) -> None:
        """A container will be started or entered in a few milliseconds: get ready in the background. Never fails."""

    def start(self, spec: ContainerSpec) -> None:
        """Start it; returns when its init has been executed and lives.

        Raises:
            InUse: it is running already.
            InvalidRequest: a value that can't stand in a configuration.
            RuntimeFailed: liblxc's first complaint, or the end of the console when init ended at once.
        """

    def stop(self, name: str, *, timeout: float | None = None, force: bool = False) -> bool:
        """Ask init to shut down and wait up to ``timeout`` seconds (None: as long as it takes); ``force`` kills.

        Returns:
            True when it is stopped (also when it was before), False when the time ran out.
        """

    def freeze(self, name: str) -> None:
        """Stop every process of it, until :meth:`unfreeze`. Raises RuntimeFailed when it isn't running."""

    def unfreeze(self, name: str) -> None: ...

    def state(self, name: str) -> ContainerState:
        """Never raises for a container that isn't running or isn't known: it is simply not running."""

    def is_running(self, name: str) -> bool: ...

    def init_pid(self, name: str) -> int:
        """The host's pid of its init, 0 when not running."""

    def set_limits(self, name: str, limits: Limits) -> None:
        """Change the limits of a running container. Raises RuntimeFailed when the kernel refuses one."""

    def check_raw(self, lines: str) -> None:
        """Raises InvalidRequest, with liblxc's reason, for ``raw_lxc`` that it wouldn't start a container with."""

    def attach_mount(self, name: str, mount: BindMount) -> None:
        """Show something of the host in a running container. Raises InvalidRequest for what can't be shown,
        RuntimeFailed when the kernel refuses it or nothing is running."""

    def detach_mount(self, name: str, target: str) -> None:
        """Take it away; nothing happens where nothing is mounted. Raises RuntimeFailed."""

    def attach_nic(self, name: str, nic: Nic) -> None:
        """Give a running container a network card. Raises RuntimeFailed, and leaves nothing behind."""

    def detach_nic(self, name: str, nic: Nic) -> None:
        """Take one away, if it is there. Raises RuntimeFailed."""

    def watch(self, callback: Watcher) -> None:
        """Call ``callback(name, event)`` from a thread of the runtime whenever one stops or reboots, however it came
        about. It must be quick and must not raise."""

    def recover(self) -> list[str]:
        """After a restart of the daemon: find what still runs, and watch it. Returns the names, sorted."""

    def exec(self, name: str, request: ExecRequest) -> ExecProcess:
        """Run a command in it.

        Raises:
            RuntimeFailed: it isn't running, is frozen, or couldn't be entered.
            InvalidRequest: empty command, or a value with a NUL.
        """

    def console_log(self, name: str) -> bytes:
        """The end of what it wrote to its console (up to a mebibyte); empty when nothing was ever written."""

    def forget(self, name: str) -> None:
        """It was deleted: drop all that is kept about it. Raises InUse while it runs."""

    def close(self) -> None:
        """End our threads and helper. Containers go on running."""
