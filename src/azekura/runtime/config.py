"""liblxc's configuration file, written whole from our own record. Keys: lxc.container.conf(5).

Every value that comes from outside is checked: a line break would be a new line of configuration, read by root.
No distribution file is included; the defaults are spelled out here, each where its reason is.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from azekura.errors import InvalidRequest
from azekura.runtime.host import Host
from azekura.runtime.limits import settings
from azekura.runtime.port import BindMount, ContainerSpec, Nic

DROPPED_CAPABILITIES = "sys_time sys_module sys_rawio mac_admin mac_override"
"""What LXD takes from every container: clock, kernel modules, raw I/O ports, and the host's own access policy."""

_CONSOLE_SIZE = "1MB"  # a container could fill the disk through its console otherwise

# device nodes a container may use: making nodes, then null zero full random urandom tty console ptmx pts fuse tun
_DEVICES = (
    "c *:* m",
    "b *:* m",
    "c 1:3 rwm",
    "c 1:5 rwm",
    "c 1:7 rwm",
    "c 1:8 rwm",
    "c 1:9 rwm",
    "c 5:0 rwm",
    "c 5:1 rwm",
    "c 5:2 rwm",
    "c 136:* rwm",
    "c 10:229 rwm",
    "c 10:200 rwm",
)

_MOUNTS = (
    "/dev/fuse dev/fuse none bind,create=file,optional 0 0",
    "/dev/net/tun dev/net/tun none bind,create=file,optional 0 0",
    "mqueue dev/mqueue mqueue rw,relatime,create=dir,optional 0 0",
)

# parts of the host's kernel, safe to show where root is mapped: without the first, Debian's systemd calls itself
# degraded; the others are what LXD shows too. A privileged root could write to them.
_MAPPED_MOUNTS = (
    "/sys/kernel/debug sys/kernel/debug none rbind,create=dir,optional 0 0",
    "/sys/kernel/security sys/kernel/security none rbind,create=dir,optional 0 0",
    "/sys/fs/pstore sys/fs/pstore none rbind,create=dir,optional 0 0",
    "/sys/fs/fuse/connections sys/fs/fuse/connections none rbind,create=dir,optional 0 0",
    "/proc/sys/fs/binfmt_misc proc/sys/fs/binfmt_misc none rbind,create=dir,optional 0 0",
)

# full views of proc and sys that a nested container's kernel checks ask for
_NESTING_MOUNTS = (
    "proc dev/.lxc/proc proc create=dir,optional 0 0",
    "sys dev/.lxc/sys sysfs create=dir,optional 0 0",
)


def render(spec: ContainerSpec, host: Host, *, seccomp_policy: Path) -> str:
    """The text of the file for ``spec`` on ``host``.

    Raises:
        InvalidRequest: a value that would break out of its line, or makes no sense.
        RuntimeFailed: a limit that this host can't enforce.
    """
    lines = [f"{key} = {_checked(key, value)}" for key, value in _pairs(spec, host, seccomp_policy)]
    if spec.raw_lxc:
        if "\0" in spec.raw_lxc:
            raise InvalidRequest("raw.lxc can't hold a NUL character")
        lines += ["# raw.lxc", *spec.raw_lxc.splitlines()]
    return "\n".join(lines) + "\n"


def _pairs(spec: ContainerSpec, host: Host, seccomp_policy: Path) -> Iterator[tuple[str, str]]:
    yield "lxc.uts.name", spec.hostname or spec.name
    yield "lxc.rootfs.path", f"dir:{spec.rootfs}"
    if spec.idmap_base is not None:
        if spec.idmap_base <= 0 or spec.idmap_count <= 0 or spec.idmap_base + spec.idmap_count > 2**32 - 1:
            raise InvalidRequest(f"Not a range of ids: {spec.idmap_base} and {spec.idmap_count} more")
        plain = tuple((kind, 0, spec.idmap_base, spec.idmap_count) for kind in ("u", "g"))
        for kind, inside, outside, count in spec.idmap_lines or plain:
            yield "lxc.idmap", f"{kind} {inside} {outside} {count}"
        if spec.liblxc_idmaps_rootfs:
            yield "lxc.rootfs.options", "idmap=container"
    if spec.personality:
        yield "lxc.arch", spec.personality
    yield "lxc.init.cmd", "/sbin/init"
    for name, value in _environment(spec.environment):
        yield "lxc.environment", f"{name}={value}"
    yield from _walls(spec, host, seccomp_policy)
    yield from _devices(spec, host)
    for setting in settings(spec.limits, host.hierarchies, name=spec.name):
        yield setting.lxc_key, setting.value
    for name, value in sorted(spec.kernel_limits.items()):
        yield f"lxc.prlimit.{_word(name)}", value
    for name, value in sorted(spec.sysctls.items()):
        yield f"lxc.sysctl.{_word(name)}", value
    yield from _network(spec.nics)
    yield "lxc.console.buffer.size", "auto"
    yield "lxc.console.size", _CONSOLE_SIZE
    yield "lxc.console.logfile", str(spec.console_log)
    yield "lxc.log.file", str(spec.log)
    yield "lxc.log.level", "WARN"


def _walls(spec: ContainerSpec, host: Host, seccomp_policy: Path) -> Iterator[tuple[str, str]]:
    yield "lxc.cap.drop", DROPPED_CAPABILITIES
    if spec.filters_calls:
        yield "lxc.seccomp.profile", str(seccomp_policy)
    if host.security_module == "apparmor" and host.apparmor_parser:
        yield "lxc.apparmor.profile", "generated"
        if spec.nesting or spec.idmap_base is not None:
            # Debian's systemd needs it for its own sandboxes; the id map is the wall that counts
            yield "lxc.apparmor.allow_nesting", "1"
    else:
        yield "lxc.apparmor.profile", "unconfined"
    version = "lxc.cgroup2" if "devices" not in host.hierarchies.v1 else "lxc.cgroup"
    yield f"{version}.devices.deny", "a"
    for device in (*_DEVICES, *(mount.rule for mount in spec.extra_mounts if mount.rule)):
        yield f"{version}.devices.allow", device


def _devices(spec: ContainerSpec, host: Host) -> Iterator[tuple[str, str]]:
    # /sys is read-only but for net: with a writable one networkd waits for a udev that small images don't have
    if spec.idmap_base is None:
        yield "lxc.mount.auto", "proc:mixed sys:mixed cgroup:mixed:force"
    else:
        yield "lxc.mount.auto", "proc:rw sys:mixed cgroup:rw:force"
    yield "lxc.autodev", "1"
    yield "lxc.tty.max", "0"
    yield "lxc.pty.max", "1024"
    mapped = () if spec.idmap_base is None else _MAPPED_MOUNTS
    for entry in (*mapped, *_MOUNTS, *(_NESTING_MOUNTS if spec.nesting else ())):
        yield "lxc.mount.entry", entry
    for name in host.lxcfs:
        yield "lxc.mount.entry", f"/var/lib/lxcfs/{name} {name} none bind,optional 0 0"
    for mount in spec.extra_mounts:
        yield "lxc.mount.entry", _mount_entry(mount)


def _mount_entry(mount: BindMount) -> str:
    parts = [part for part in mount.target.split("/") if part not in ("", ".")]
    if not parts or ".." in parts or not mount.source.is_absolute():
        raise InvalidRequest(f"Not a mount point inside of a container: {mount.target[:80]}")
    kind = "dir" if mount.source.is_dir() else "file"
    how = "rbind" if mount.recursive else "bind"
    how += (",ro" if mount.read_only else "") + (",idmap=container" if mount.shifted else "")
    return f"{_escape(str(mount.source))} {_escape('/'.join(parts))} none {how},create={kind} 0 0"


def _escape(path: str) -> str:
    """As fstab(5) wants blanks, tabs and backslashes; line breaks are refused afterwards."""
    return path.replace("\\", "\\134").replace(" ", "\\040").replace("\t", "\\011").replace("#", "\\043")


def _network(nics: tuple[Nic, ...]) -> Iterator[tuple[str, str]]:
    if not nics:
        yield "lxc.net.0.type", "empty"  # none would share the host's
    for index, nic in enumerate(nics):
        prefix = f"lxc.net.{index}"
        yield f"{prefix}.type", nic.kind
        if nic.kind == "macvlan":
            yield f"{prefix}.macvlan.mode", "bridge"
        if nic.bridge:
            yield f"{prefix}.link", nic.bridge
        if nic.kind == "veth" and nic.host_name:
            yield f"{prefix}.veth.pair", nic.host_name
        for route in nic.routes:
            yield f"{prefix}.veth.ipv{6 if ':' in route else 4}.route", route
        yield f"{prefix}.flags", "up"
        yield f"{prefix}.name", nic.name
        if nic.hwaddr:
            yield f"{prefix}.hwaddr", nic.hwaddr
        if nic.mtu is not None:
            yield f"{prefix}.mtu", str(nic.mtu)


def _environment(environment: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    for name, value in sorted(environment.items()):
        if not name or "=" in name:
            raise InvalidRequest(f"Not a name of an environment variable: {name[:80]!r}")
        yield name, value


def _word(name: str) -> str:
    """A part of a key that comes from outside."""
    if not name or not all(character.isalnum() or character in "._-/" for character in name):
        raise InvalidRequest(f"Not a name of a kernel parameter: {name[:80]!r}")
    return name


def _checked(key: str, value: str) -> str:
    if any(character in value for character in "\n\r\0"):
        raise InvalidRequest(f"A value for {key} can't hold line breaks or NUL characters")
    return value
