"""Walling a process in: nothing to see but one folder, no network, few rights, few system calls (namespaces(7),
capabilities(7), seccomp(2)). For a process with one thread, whose modules are all loaded: nothing can be opened after.
"""

from __future__ import annotations

import ctypes
import errno
import os
import resource
import struct
from pathlib import Path

_CLONE_NEWNS, _CLONE_NEWUTS, _CLONE_NEWIPC, _CLONE_NEWNET = 0x20000, 0x4000000, 0x8000000, 0x40000000
_MS_RDONLY, _MS_NOSUID, _MS_NODEV, _MS_NOEXEC, _MS_REMOUNT, _MS_BIND = 1, 2, 4, 8, 32, 4096
_MS_MOVE, _MS_REC, _MS_PRIVATE = 8192, 16384, 1 << 18
_MNT_DETACH = 2
_PR_CAPBSET_DROP, _PR_SET_SECCOMP, _PR_SET_NO_NEW_PRIVS = 24, 22, 38
_CAP_VERSION = 0x20080522
# chown, dac_override, fowner, fsetid, mknod, setfcap: what writing a root file system takes
WRITER_CAPABILITIES = (0, 1, 3, 4, 27, 31)

_libc = ctypes.CDLL(None, use_errno=True)


def enter(folder: Path | None) -> None:
    """Make ``folder``, or an empty one, the whole file system, and cut the network off.

    What lies in ``folder`` can be made but neither run nor used as a device from here. Needs CAP_SYS_ADMIN.

    Raises:
        OSError: the kernel or a container around us does not allow it.
    """
    _call("unshare", ctypes.c_int(_CLONE_NEWNS | _CLONE_NEWUTS | _CLONE_NEWIPC | _CLONE_NEWNET))
    _mount(None, "/", None, _MS_REC | _MS_PRIVATE)
    hard = _MS_NOSUID | _MS_NODEV | _MS_NOEXEC
    if folder is None:
        place = next(path for path in ("/tmp", "/run", "/proc", "/") if Path(path).is_dir())  # noqa: S108 - private
        _mount("none", place, "tmpfs", hard | _MS_RDONLY)
    else:
        place = str(folder)
        _mount(place, place, None, _MS_BIND)
        _mount(None, place, None, _MS_BIND | _MS_REMOUNT | hard)
    os.chdir(place)
    try:
        _call("pivot_root", b".", b".")
        _call("umount2", b".", ctypes.c_int(_MNT_DETACH))
    except OSError as exc:
        if exc.errno != errno.EINVAL:  # the initial ramfs can't be pivoted away from
            raise
        _mount(".", "/", None, _MS_MOVE)
        os.chroot(".")
    os.chdir("/")


def limit(*, memory: int, file_bytes: int, seconds: int, files: int = 256) -> None:
    """Set resource limits: address space and file size in bytes, processor time in seconds, open files."""
    for what, value in (
        (resource.RLIMIT_AS, memory),
        (resource.RLIMIT_FSIZE, file_bytes),
        (resource.RLIMIT_CPU, seconds),
        (resource.RLIMIT_NOFILE, files),
        (resource.RLIMIT_CORE, 0),
    ):
        hard = resource.getrlimit(what)[1]
        value = value if hard == resource.RLIM_INFINITY else min(value, hard)
        resource.setrlimit(what, (value, value))


def drop_rights(keep: tuple[int, ...]) -> None:
    """Give up all capabilities but ``keep``, for good, and most system calls."""
    number = 0
    while number < 64:  # the kernel knows where its list ends
        if number not in keep and _libc.prctl(_PR_CAPBSET_DROP, number, 0, 0, 0) < 0:
            if ctypes.get_errno() != errno.EINVAL:
                break  # not root: there is nothing to give up
            number = 64
        number += 1
    mask = sum(1 << capability for capability in keep) if os.geteuid() == 0 else 0
    header = struct.pack("<Ii", _CAP_VERSION, 0)
    low, high = mask & 0xFFFFFFFF, mask >> 32
    _call("capset", header, struct.pack("<6I", low, low, 0, high, high, 0))
    _call("prctl", _PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    _filter_system_calls()


# what reading an archive and writing files never needs, and what a hijacked process would: signals and memory of
# others, programs, sockets, mounts, keys, the kernel's own programs and modules
_DENIED = {
    "x86_64": (
        0xC000003E,
        56,  # clone: threads only
        (
            "41 42 49 53 57 58 59 62 101 103 129 135 154 155 161 163 165 166 167 168 169 170 171 172 173 175 176 "
            "179 200 234 246 248 249 250 272 297 298 303 304 308 310 311 313 320 321 322 323"
        ),
    ),
    "aarch64": (
        0xC00000B7,
        220,
        (
            "39 40 41 51 60 89 92 97 104 105 106 116 117 129 130 131 138 142 161 162 198 199 200 203 217 218 219 "
            "221 224 225 240 241 264 265 268 270 271 273 280 281 282 294"
        ),
    ),
}
_DENIED_EVERYWHERE = (424, 425, 426, 427, 428, 429, 430, 431, 432, 433, 434, 438, 442)
_CLONE3 = 435
_CLONE_THREAD = 0x10000
_ALLOW, _KILL, _ERRNO = 0x7FFF0000, 0x80000000, 0x00050000
_LOAD, _EQUAL, _BITS, _AT_LEAST, _RETURN = 0x20, 0x15, 0x45, 0x35, 0x06


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("filter", ctypes.c_char_p))


def _filter_system_calls() -> None:
    """Load the filter; on other architectures, and in kernels without seccomp, the other walls have to do."""
    table = _DENIED.get(os.uname().machine)
    if table is None:
        return
    architecture, clone, denied = table
    numbers = (*(int(word) for word in denied.split()), *_DENIED_EVERYWHERE)
    code: list[tuple[int, int, int, int]] = [
        (_LOAD, 0, 0, 4),  # struct seccomp_data: architecture
        (_EQUAL, 1, 0, architecture),
        (_RETURN, 0, 0, _KILL),
        (_LOAD, 0, 0, 0),  # number of the call
        (_AT_LEAST, 0, 1, 0x40000000),  # the x32 calls
        (_RETURN, 0, 0, _ERRNO | errno.EPERM),
        (_EQUAL, 0, 1, _CLONE3),
        (_RETURN, 0, 0, _ERRNO | errno.ENOSYS),  # libc then uses clone
        (_EQUAL, 0, 4, clone),
        (_LOAD, 0, 0, 16),  # its flags
        (_BITS, 0, 1, _CLONE_THREAD),
        (_RETURN, 0, 0, _ALLOW),
        (_RETURN, 0, 0, _ERRNO | errno.EPERM),
        *[(_EQUAL, len(numbers) - at, 0, number) for at, number in enumerate(numbers)],
        (_RETURN, 0, 0, _ALLOW),
        (_RETURN, 0, 0, _ERRNO | errno.EPERM),
    ]
    packed = b"".join(struct.pack("<HBBI", *instruction) for instruction in code)
    program = _Program(len(code), packed)
    _libc.prctl(_PR_SET_SECCOMP, 2, ctypes.byref(program), 0, 0)


def _mount(source: str | None, target: str, kind: str | None, flags: int) -> None:
    _call(
        "mount",
        None if source is None else source.encode(),
        target.encode(),
        None if kind is None else kind.encode(),
        ctypes.c_ulong(flags),
        None,
    )


def _call(name: str, *arguments: object) -> None:
    if getattr(_libc, name)(*arguments) < 0:
        code = ctypes.get_errno()
        raise OSError(code, f"{name}: {os.strerror(code)}")
