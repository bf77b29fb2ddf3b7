"""Mounts and network cards that come to, or leave, a running container.

A mount is cloned on the host where nobody sees it, given its attributes, and shown inside by one ``move_mount``; the
path is walked inside the container's own mount namespace, so a link of the container's leads nowhere else. The thread
that enters dies with the work. Calls: open_tree(2), mount_setattr(2), move_mount(2), setns(2).
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import secrets
import stat
import subprocess
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from azekura.errors import InvalidRequest, RuntimeFailed
from azekura.runtime.port import BindMount, Nic

_OPEN_TREE, _MOVE_MOUNT, _MOUNT_SETATTR = 428, 429, 442
_OPEN_TREE_CLONE, _AT_RECURSIVE, _AT_EMPTY_PATH, _MOVE_FROM_DESCRIPTOR = 1, 0x8000, 0x1000, 0x4
_RDONLY, _NODEV, _IDMAP = 0x1, 0x4, 0x00100000
_MS_PRIVATE = 1 << 18
_CLONE_FS, _CLONE_NEWNS = 0x200, 0x20000
_MNT_DETACH, _UMOUNT_NOFOLLOW = 0x2, 0x8
_AT_FDCWD = -100
_CAPABILITY_VERSION_3 = 0x20080522
_ENVIRONMENT = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C"}

_libc = ctypes.CDLL(None, use_errno=True)


class _MountAttr(ctypes.Structure):
    _fields_ = (
        ("attr_set", ctypes.c_uint64),
        ("attr_clr", ctypes.c_uint64),
        ("propagation", ctypes.c_uint64),
        ("userns_fd", ctypes.c_uint64),
    )


def attach_mount(pid: int, pidfd: int, mount: BindMount) -> None:
    """Show ``mount`` inside of the container whose init is ``pid``; the mount point is made as its root's.

    Raises:
        InvalidRequest: a target that can't be, a source that isn't there.
        RuntimeFailed: the kernel refused it.
    """
    target = inside_path(mount.target)
    root_uid = _outer_root(pid)
    try:
        tree = _clone(mount, pid)
    except OSError as exc:
        raise InvalidRequest(f"{mount.source} can't be shown: {exc.strerror}") from exc
    try:
        folder = mount.source.is_dir()

        def show() -> None:
            _libc.setfsuid(root_uid)
            _libc.setfsgid(root_uid)
            _raise_capabilities()  # the container's root passes where the modes would not let it, too
            _make_point(target, folder=folder)
            _libc.setfsuid(0)
            _libc.setfsgid(0)
            path = os.fsencode(target)
            _checked(_libc.syscall(_MOVE_MOUNT, tree, b"", _AT_FDCWD, path, _MOVE_FROM_DESCRIPTOR))

        _inside(pidfd, show, f"{mount.source} can't be mounted on {target}")
    finally:
        os.close(tree)


def let_through(lxc_cgroup: Path, folder: Path, rule: str) -> None:
    """Allow the container of ``folder`` a device. By liblxc's own program: cgroup2 has no file for it.

    Raises:
        RuntimeFailed: it was refused.
    """
    command = [str(lxc_cgroup), "-P", str(folder.parent), "-n", folder.name, "devices.allow", rule]
    try:
        done = subprocess.run(command, env={"LANG": "C.UTF-8"}, capture_output=True, check=False)
    except OSError as exc:
        raise RuntimeFailed(f"The device can't be let through: lxc-cgroup: {exc.strerror}") from exc
    if done.returncode != 0:
        said = done.stderr.decode(errors="replace").strip().splitlines()
        raise RuntimeFailed(f"The device can't be let through: {said[0] if said else 'liblxc gave no reason'}")


def stage(mount: BindMount, point: Path) -> BindMount:
    """Show ``mount``'s source at ``point`` of the host, which every folder above lets the container's root reach.

    liblxc mounts as that root, and it may not pass the folders above the source (somebody's home, say).

    Raises:
        InvalidRequest: the source can't be shown.
        OSError: the point can't be made.
    """
    try:
        tree = _clone(replace(mount, shifted=False), 0)
    except OSError as exc:
        raise InvalidRequest(f"{mount.source} can't be shown: {exc.strerror}") from exc
    try:
        point.parent.mkdir(mode=0o711, exist_ok=True)
        if mount.source.is_dir():
            point.mkdir()
        else:
            point.touch()
        _checked(_libc.syscall(_MOVE_MOUNT, tree, b"", _AT_FDCWD, os.fsencode(point), _MOVE_FROM_DESCRIPTOR))
    finally:
        os.close(tree)
    return replace(mount, source=point)


def unstage(folder: Path) -> None:
    """Take away what :func:`stage` showed below ``folder``."""
    for point in folder.iterdir() if folder.is_dir() else ():
        _libc.umount2(os.fsencode(point), _MNT_DETACH | _UMOUNT_NOFOLLOW)
        with contextlib.suppress(OSError):
            if point.is_dir():
                point.rmdir()
            else:
                point.unlink()
    with contextlib.suppress(OSError):
        folder.rmdir()


def is_closed(source: Path) -> bool:
    """Whether a folder above ``source`` keeps others out."""
    return any(not folder.stat().st_mode & stat.S_IXOTH for folder in source.resolve().parents)


def detach_mount(pidfd: int, target: str) -> None:
    """Take a mount away. Nothing happens where nothing is mounted.

    Raises:
        RuntimeFailed: the kernel refused it.
    """
    path = inside_path(target)

    def hide() -> None:
        try:
            _checked(_libc.umount2(os.fsencode(path), _MNT_DETACH | _UMOUNT_NOFOLLOW))
        except (FileNotFoundError, OSError) as exc:
            if exc.errno not in (2, 22):  # not there, no mount
                raise

    _inside(pidfd, hide, f"{target} can't be unmounted")


def _outer_root(pid: int) -> int:
    """The host's id of the root of ``pid``'s user namespace; 0 for a privileged container."""
    try:
        for line in Path(f"/proc/{pid}/uid_map").read_text().splitlines():
            inside, outside, _ = line.split()
            if inside == "0":
                return int(outside)
    except OSError as exc:
        raise RuntimeFailed("Instance is not running") from exc
    return 0


def inside_path(target: str) -> str:
    """``target`` as an absolute path inside.

    Raises:
        InvalidRequest: it names the root itself or leads upwards.
    """
    parts = [part for part in target.split("/") if part not in ("", ".")]
    if not parts or ".." in parts or "\0" in target:
        raise InvalidRequest(f"Not a mount point inside of a container: {target[:80]}")
    return "/" + "/".join(parts)


def _clone(mount: BindMount, pid: int) -> int:
    flags = _OPEN_TREE_CLONE | os.O_CLOEXEC | (_AT_RECURSIVE if mount.recursive else 0)
    tree = _checked(_libc.syscall(_OPEN_TREE, _AT_FDCWD, os.fsencode(mount.source), flags))
    namespace = -1
    try:
        attributes = _RDONLY if mount.read_only else 0
        if not mount.source.is_char_device() and not mount.source.is_block_device():
            attributes |= _NODEV
        if mount.shifted:
            namespace = os.open(f"/proc/{pid}/ns/user", os.O_RDONLY | os.O_CLOEXEC)
            attributes |= _IDMAP
        wanted = _MountAttr(attributes, 0, _MS_PRIVATE, max(namespace, 0))
        size = ctypes.c_size_t(ctypes.sizeof(wanted))
        how = _AT_EMPTY_PATH | (_AT_RECURSIVE if mount.recursive else 0)
        _checked(_libc.syscall(_MOUNT_SETATTR, tree, b"", how, ctypes.byref(wanted), size))
    except BaseException:
        os.close(tree)
        raise
    finally:
        if namespace >= 0:
            os.close(namespace)
    return tree


def _raise_capabilities() -> None:
    """Have again in this thread what a change of the file system's user took: what is permitted becomes effective."""
    header = (ctypes.c_uint32 * 2)(_CAPABILITY_VERSION_3, 0)
    sets = (ctypes.c_uint32 * 6)()  # effective, permitted, inheritable of the lower 32, then of the others
    _checked(_libc.capget(header, sets))
    sets[0], sets[3] = sets[1], sets[4]
    _checked(_libc.capset(header, sets))


def _make_point(target: str, *, folder: bool) -> None:
    point = Path(target)
    if point.exists():
        return
    (point if folder else point.parent).mkdir(mode=0o755, parents=True, exist_ok=True)
    if not folder:
        os.close(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o644))


def _inside(pidfd: int, work: Callable[[], None], doing: str) -> None:
    """Run ``work`` in the mount namespace of the process behind ``pidfd``, in a thread of its own."""
    failure: list[OSError] = []

    def enter() -> None:
        try:
            _checked(_libc.unshare(_CLONE_FS))
            _checked(_libc.setns(pidfd, _CLONE_NEWNS))
            work()
        except OSError as exc:
            failure.append(exc)

    thread = threading.Thread(target=enter, name="azekura-mountns", daemon=True)
    thread.start()
    thread.join()
    if failure:
        raise RuntimeFailed(f"{doing}: {failure[0].strerror}") from failure[0]


def _checked(result: int) -> int:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return int(result)


def attach_nic(pid: int, nic: Nic) -> None:
    """Make a network card and put it inside. Nothing is left outside when it fails.

    Raises:
        RuntimeFailed: what ``ip`` said.
    """
    hardware = ["address", nic.hwaddr] if nic.hwaddr else []
    size = ["mtu", str(nic.mtu)] if nic.mtu is not None else []
    passing = f"azt{secrets.token_hex(5)}"  # it may be called inside what something is called outside
    if nic.kind == "phys":
        passing = nic.bridge
        if hardware or size:
            _ip("link", "set", "dev", passing, *hardware, *size)
    elif nic.kind == "macvlan":
        _ip("link", "add", passing, *hardware, *size, "link", nic.bridge, "type", "macvlan", "mode", "bridge")
    else:
        outside = nic.host_name or f"veth{secrets.token_hex(4)}"
        _ip("link", "add", outside, *size, "type", "veth", "peer", "name", passing, *hardware, *size)
    try:
        if nic.kind == "veth":
            if nic.bridge:
                _ip("link", "set", "dev", outside, "master", nic.bridge)
            _ip("link", "set", "dev", outside, "up")
            for route in nic.routes:
                _ip("-6" if ":" in route else "-4", "route", "add", route, "dev", outside, "proto", "static")
        _ip("link", "set", "dev", passing, "netns", str(pid), "name", nic.name)
        passing = ""
        _ip("link", "set", "dev", nic.name, "up", inside=pid)
    except RuntimeFailed:
        if nic.kind != "phys":
            undo = ("link", "del", "dev", passing or nic.name)
            _ip(*undo, inside=0 if passing else pid, may_fail=True)
        raise


def detach_nic(pid: int, nic: Nic) -> None:
    """Take a network card out; a physical one comes back to the host under its own name.

    Raises:
        RuntimeFailed: what ``ip`` said.
    """
    if nic.kind == "phys":
        back = ("link", "set", "dev", nic.name, "netns", str(os.getpid()), "name", nic.bridge)
        _ip(*back, inside=pid, may_fail=True)
    else:
        _ip("link", "del", "dev", nic.name, inside=pid, may_fail=True)


def _ip(*words: str, inside: int = 0, may_fail: bool = False) -> None:
    entering = ["nsenter", f"--net=/proc/{inside}/ns/net", "--"] if inside else []
    try:
        done = subprocess.run(
            [*entering, "ip", *words], env=_ENVIRONMENT, capture_output=True, check=False, stdin=subprocess.DEVNULL
        )
    except OSError as exc:
        raise RuntimeFailed(f"The network card can't be changed: ip: {exc.strerror}") from exc
    if done.returncode != 0 and not may_fail:
        said = done.stderr.decode(errors="replace").strip().splitlines()
        raise RuntimeFailed(f"The network card can't be changed: {said[0] if said else 'ip gave no reason'}")
