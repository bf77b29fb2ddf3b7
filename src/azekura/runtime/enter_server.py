"""The program that puts commands into containers. It is run by path as a process of its own, never imported.

``python -I -S enter_server.py FD``: FD is a SOCK_SEQPACKET socket. Each packet is one byte and one descriptor, a
stream socket to the one who asks. This process forks for every packet (a *keeper*); the keeper reads the request,
enters the container's namespaces, forks the command, reports its pid, waits for it, reports its end.

It is kept tiny because it is forked, has no threads because it forks, and imports nothing of azekura.
Three rules hold below, each because a container may be hostile:

- Nothing is imported once inside: the import would come from the container's own file system.
- The process isn't dumpable and its program is a sealed copy (see enter.py), so that the container can neither read
  our memory nor overwrite the host's interpreter through ``/proc/PID/exe`` (CVE-2019-5736).
- All descriptors but 0, 1, 2 and one socket are closed before the working directory is set (CVE-2024-21626).

The keeper stays outside of the container's control groups and pid namespace: a container that is out of processes
can still be entered, and can't see who did it.

Request: 4 bytes of length, JSON, descriptors (pidfd of init, and stdin, stdout, stderr when there is no terminal).
Answers: ``P`` + pid (i32) with descriptors (pidfd, and the terminal's master), then ``S`` + wait status (i32) +
``N`` when the command wasn't found, ``X`` when it couldn't be executed, ``-`` when it was;
or ``E`` + a sentence.
"""

# pathlib would make every fork dearer; every error must end in _exit; executing without a shell is the purpose:
# ruff: noqa: PTH102, PTH112, PTH116, PTH123, BLE001, S606
from __future__ import annotations

import ctypes
import fcntl
import gc
import json
import os
import resource
import signal
import socket
import stat
import struct
import sys
import termios
from typing import Any, NoReturn

_NAMESPACES = {
    "user": 0x10000000,
    "mnt": 0x00020000,
    "pid": 0x20000000,
    "uts": 0x04000000,
    "ipc": 0x08000000,
    "net": 0x40000000,
    "cgroup": 0x02000000,
}
_PR_SET_DUMPABLE, _PR_SET_SECCOMP, _PR_CAPBSET_DROP, _PR_CAP_AMBIENT = 4, 22, 24, 47
_SECCOMP_MODE_FILTER, _PR_CAP_AMBIENT_CLEAR_ALL = 2, 4
_TIOCGPTPEER, _TIOCSPTLCK = 0x5441, 0x40045431
_PTMX = os.makedev(5, 2)
_DEVPTS_MAGIC = 0x1CD1
_SYS_KEYCTL = {"x86_64": 250, "aarch64": 219, "riscv64": 219, "ppc64le": 271, "s390x": 280}
_KEYCTL_JOIN_SESSION_KEYRING = 1
_DEFAULT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"  # azekura.runtime.environment's
_NOT_EXECUTABLE, _NOT_FOUND = 126, 127
_READY_SECONDS = 20.0

_libc = ctypes.CDLL(None, use_errno=True)
_machine = os.uname().machine
_own_namespaces = {name: os.stat(f"/proc/self/ns/{name}").st_ino for name in _NAMESPACES}


class _FilterProgram(ctypes.Structure):
    """``struct sock_fprog``."""

    _fields_ = (("length", ctypes.c_ushort), ("filter", ctypes.c_char_p))


class _Refused(Exception):
    """Entering failed; the text is a sentence for the user."""


def main() -> NoReturn:
    _libc.prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)
    requests = socket.socket(fileno=int(sys.argv[1]))
    requests.set_inheritable(False)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # keepers are reaped by the kernel
    gc.collect()
    gc.disable()
    gc.freeze()
    while True:
        packet, descriptors, _flags, _peer = socket.recv_fds(requests, 1, 1)
        if not packet:
            os._exit(0)
        try:
            child = os.fork()
        except OSError:
            child = -1  # the asker sees its socket close
        if child == 0:
            requests.close()
            _keep(socket.socket(fileno=descriptors[0]))
        for descriptor in descriptors:
            os.close(descriptor)


def _keep(asker: socket.socket) -> NoReturn:
    """The keeper's whole life."""
    try:
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        request, descriptors = _receive(asker)
        pid, pidfd, terminal, refusals = _enter(request, descriptors, asker)
        try:
            socket.send_fds(asker, [b"P" + struct.pack("=i", pid)], [pidfd] + ([terminal] if terminal >= 0 else []))
        except OSError:  # the asker gave up: nobody would ever own this command
            signal.pidfd_send_signal(pidfd, signal.SIGKILL)
        for descriptor in (pidfd, terminal):
            if descriptor >= 0:
                os.close(descriptor)
        _pid, status = os.waitpid(pid, 0)
        asker.sendall(b"S" + struct.pack("=i", status) + _refusal(refusals))
    except _Refused as refusal:
        _say(asker, str(refusal))
    except OSError as error:
        _say(asker, f"The container couldn't be entered: {error.strerror or error}")
    except BaseException as error:  # nothing may fall back into the server's loop
        _say(asker, f"The container couldn't be entered: {error!r}")
    os._exit(0)


def _refusal(ended: socket.socket) -> bytes:
    try:
        return ended.recv(1) or b"-"
    except ConnectionResetError:  # it was killed before it could begin
        return b"-"


def _say(asker: socket.socket, text: str) -> None:
    try:
        asker.sendall(b"E" + text.encode(errors="replace"))
    except OSError:
        os._exit(1)


def _receive(asker: socket.socket) -> tuple[dict[str, Any], list[int]]:
    head, descriptors, _flags, _peer = socket.recv_fds(asker, 4, 4)
    (length,) = struct.unpack("=I", head)
    body = bytearray()
    while len(body) < length:
        part = asker.recv(min(length - len(body), 1 << 20))
        if not part:
            os._exit(1)
        body += part
    return json.loads(body), descriptors


def _enter(
    request: dict[str, Any], descriptors: list[int], asker: socket.socket
) -> tuple[int, int, int, socket.socket]:
    """Go inside and start the command there.

    Returns (pid on the host, pidfd, terminal's master or -1, where the command's process says why it couldn't be
    executed: at its end when it could).
    """
    init, pidfd, streams = request["init"], descriptors[0], descriptors[1:]
    status = _read_status(init)
    groups = [_open_group(path, unified=unified) for path, unified in request["groups"]]
    label = _label(init, request["security_module"])
    owner = _outside(_read(f"/proc/{init}/uid_map"), request["uid"], "user")
    _outside(_read(f"/proc/{init}/gid_map"), request["gid"], "group")
    personality = int(_read(f"/proc/{init}/personality") or "0", 16)
    for descriptor in streams:  # or the command couldn't reopen /dev/stdout, a link to a pipe of the host's root
        os.fchown(descriptor, owner, -1)
    flags = 0
    for name, flag in _NAMESPACES.items():
        if os.stat(f"/proc/{init}/ns/{name}").st_ino != _own_namespaces[name]:
            flags |= flag
    limits = _limits(init)
    _copy_oom_score(init)
    if _machine in _SYS_KEYCTL:  # else the command would hold the daemon's session keyring
        _libc.syscall(_SYS_KEYCTL[_machine], _KEYCTL_JOIN_SESSION_KEYRING, None)
    host_proc = os.open("/proc", os.O_PATH | os.O_DIRECTORY) if label else -1

    if _libc.setns(pidfd, flags) != 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    if flags & _NAMESPACES["user"]:
        os.setgroups([])
        os.setresgid(0, 0, 0)
        os.setresuid(0, 0, 0)
    os.chdir("/")
    master, slave = _open_terminal(request) if request["interactive"] else (-1, -1)
    if slave >= 0:
        streams = [slave, slave, slave]

    ours, theirs = socket.socketpair()
    pid = os.fork()
    if pid == 0:
        ours.close()
        _become(request, theirs, streams, status, limits, label, host_proc, personality)
    theirs.close()
    for descriptor in {*streams, host_proc} - {-1}:
        os.close(descriptor)
    child = os.pidfd_open(pid)
    ours.settimeout(_READY_SECONDS)
    try:
        for descriptor in groups:
            os.write(descriptor, str(pid).encode())
            os.close(descriptor)
        answer = ours.recv(4096)
        if answer != b"r":
            raise _Refused(answer.decode(errors="replace") or "The container couldn't be entered: it is stopping")
        ours.sendall(b"g")
    except BaseException as error:
        signal.pidfd_send_signal(child, signal.SIGKILL)
        reason = "it doesn't respond" if isinstance(error, TimeoutError) else str(error)
        _say(asker, str(error) if isinstance(error, _Refused) else f"The container couldn't be entered: {reason}")
        asker.close()
        os.waitpid(pid, 0)  # if it was frozen meanwhile, this is when it is thawed
        os._exit(0)
    ours.settimeout(None)
    return pid, child, master, ours


def _read(path: str) -> str:
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read()
    except OSError:
        return ""


def _read_status(init: int) -> dict[str, str]:
    return dict(line.split(":\t", 1) for line in _read(f"/proc/{init}/status").splitlines() if ":\t" in line)


def _open_group(path: str, *, unified: bool) -> int:
    """``cgroup.procs`` of a group; in cgroup2 that of a leaf of our own, ``.lxc`` as liblxc's: a process at the top
    would keep the container's init from handing out controllers."""
    if unified:
        path += "/.lxc"
        try:
            os.mkdir(path)
        except FileExistsError:
            pass
    return os.open(path + "/cgroup.procs", os.O_WRONLY)


def _label(init: int, module: str) -> str:
    """What to write so that the command gets init's label; empty when there is nothing to change."""
    if not module:
        return ""
    path = f"/proc/{init}/attr/apparmor/current" if module == "apparmor" else f"/proc/{init}/attr/current"
    text = (_read(path) or _read(f"/proc/{init}/attr/current")).strip("\0\n ")
    if module == "apparmor":
        text = text.rpartition(" (")[0] or text
        return "" if text == "unconfined" else f"exec {text}"
    return "" if text == _read("/proc/self/attr/current").strip("\0\n ") else text


def _outside(id_map: str, number: int, kind: str) -> int:
    """The host's number for an id of the container."""
    for line in id_map.splitlines():
        inside, outside, count = map(int, line.split())
        if inside <= number < inside + count:
            return outside + number - inside
    raise _Refused(f"The container has no {kind} id {number}")


def _limits(init: int) -> list[tuple[int, tuple[int, int]]]:
    """Our own resource limits, hard ones lowered to those of init where it has lower ones."""
    infinity = resource.RLIM_INFINITY

    def lower(one: int, other: int) -> int:
        return min((value for value in (one, other) if value != infinity), default=infinity)

    found = []
    for name in [name for name in dir(resource) if name.startswith("RLIMIT_") and name != "RLIMIT_OFILE"]:
        kind = getattr(resource, name)
        soft, hard = resource.getrlimit(kind)
        ceiling = lower(hard, resource.prlimit(init, kind)[1])
        if ceiling != hard:
            found.append((kind, (lower(soft, ceiling), ceiling)))
    return found


def _copy_oom_score(init: int) -> None:
    score = _read(f"/proc/{init}/oom_score_adj").strip()
    if score and score != _read("/proc/self/oom_score_adj").strip():
        try:
            with open("/proc/self/oom_score_adj", "w", encoding="ascii") as file:
                file.write(score)
        except OSError:
            pass  # lowering it needs CAP_SYS_RESOURCE; then the command is a likelier victim than init, no more


def _open_terminal(request: dict[str, Any]) -> tuple[int, int]:
    """A terminal in the container's own devpts, seen there as /dev/pts/N. Returns (master, slave)."""
    try:
        master = os.open("/dev/pts/ptmx", os.O_RDWR | os.O_NOCTTY | os.O_NOFOLLOW | os.O_NONBLOCK)
        found = os.fstat(master)
        if not stat.S_ISCHR(found.st_mode) or found.st_rdev != _PTMX or not _is_devpts(master):
            raise _Refused("The container's /dev/pts/ptmx is not a terminal multiplexer")
        os.set_blocking(master, True)
        fcntl.ioctl(master, _TIOCSPTLCK, struct.pack("=i", 0))
        slave = fcntl.ioctl(master, _TIOCGPTPEER, os.O_RDWR | os.O_NOCTTY | os.O_CLOEXEC)
        if request["width"] > 0 and request["height"] > 0:
            fcntl.ioctl(master, termios.TIOCSWINSZ, struct.pack("=4H", request["height"], request["width"], 0, 0))
        os.fchown(slave, request["uid"], -1)
    except OSError as error:
        raise _Refused(f"No terminal could be made in the container: {error.strerror}") from error
    return master, slave


def _is_devpts(descriptor: int) -> bool:
    buffer = ctypes.create_string_buffer(256)  # struct statfs; its first field is the type, a long
    if _libc.fstatfs(descriptor, buffer) != 0:
        return False
    return bool(ctypes.c_long.from_buffer(buffer).value == _DEVPTS_MAGIC)


def _become(
    request: dict[str, Any],
    keeper: socket.socket,
    streams: list[int],
    status: dict[str, str],
    limits: list[tuple[int, tuple[int, int]]],
    label: str,
    host_proc: int,
    personality: int,
) -> NoReturn:
    """In the child: put on everything that the container's own processes wear, then execute.

    Meanwhile the keeper moves it into the container's control groups, which can take longer than all of this.
    """
    try:
        for number in range(1, signal.NSIG):
            if number not in (signal.SIGKILL, signal.SIGSTOP, 32, 33):
                signal.signal(number, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_SETMASK, [])
        os.setsid()
        if request["interactive"]:
            fcntl.ioctl(streams[0], termios.TIOCSCTTY, 0)
        os.umask(0o022)
        for kind, value in limits:
            resource.setrlimit(kind, value)
        if personality:
            _libc.personality(ctypes.c_ulong(personality))
        if label:
            _put_on_label(host_proc, label, request["security_module"])
        _drop_capabilities(int(status["CapBnd"], 16))
        _load_filter(bytes.fromhex(request["seccomp"]))
        os.setgroups([])
        keeper.sendall(b"r")
        if keeper.recv(1) != b"g":
            os._exit(_NOT_EXECUTABLE)
    except BaseException as error:
        text = error.strerror if isinstance(error, OSError) and error.strerror else repr(error)
        keeper.sendall(f"The container couldn't be entered: {text}".encode(errors="replace"))
        os._exit(_NOT_EXECUTABLE)
    try:
        _execute(request, streams, keeper.fileno())
    except BaseException:
        os._exit(_NOT_EXECUTABLE)


def _put_on_label(host_proc: int, label: str, module: str) -> None:
    """Through the host's /proc: the container's may be anything."""
    path = "self/attr/apparmor/exec" if module == "apparmor" else "self/attr/exec"
    try:
        descriptor = os.open(path, os.O_WRONLY, dir_fd=host_proc)
    except FileNotFoundError:
        descriptor = os.open("self/attr/exec", os.O_WRONLY, dir_fd=host_proc)
    os.write(descriptor, label.encode())
    os.close(descriptor)


def _drop_capabilities(bounding: int) -> None:
    """Bound this process by init's own bounding set."""
    _libc.prctl(_PR_CAP_AMBIENT, _PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0)
    for capability in range(64):
        if not bounding >> capability & 1 and _libc.prctl(_PR_CAPBSET_DROP, capability, 0, 0, 0) != 0:
            if ctypes.get_errno() == 22:  # EINVAL: the kernel has no more capabilities than that
                return
            raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


def _load_filter(program: bytes) -> None:
    if not program:
        return

    packed = _FilterProgram(len(program) // 8, program)
    if _libc.prctl(_PR_SET_SECCOMP, _SECCOMP_MODE_FILTER, ctypes.byref(packed), 0, 0) != 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


def _execute(request: dict[str, Any], streams: list[int], keeper: int) -> NoReturn:
    """The last steps, as whoever the command shall be. ``keeper`` learns of a refusal; execution closes it."""
    high = [fcntl.fcntl(descriptor, fcntl.F_DUPFD, 10) for descriptor in streams]
    for number, descriptor in enumerate(high):
        os.dup2(descriptor, number)
    if keeper != 3:
        os.dup2(keeper, 3, inheritable=False)
    os.closerange(4, 1 << 30)
    try:
        os.chdir(_encode(request["cwd"] or "/root"))
    except OSError:
        os.chdir("/")
    os.setresgid(request["gid"], request["gid"], request["gid"])
    os.setresuid(request["uid"], request["uid"], request["uid"])
    variables: dict[str, str] = request["environment"]
    if "PATH" not in variables:
        variables["PATH"] = _DEFAULT_PATH + (":/snap/bin" if os.path.isdir("/snap/bin") else "")
    environment = {_encode(name): _encode(value) for name, value in variables.items()}
    arguments = [_encode(word) for word in request["command"]]
    folders = [b""] if b"/" in arguments[0] else environment[b"PATH"].split(b":")
    code = _NOT_FOUND
    for folder in folders:
        path = folder + b"/" + arguments[0] if folder else arguments[0]
        try:
            os.execve(path, arguments, environment)
        except (FileNotFoundError, NotADirectoryError):
            continue
        except OSError as error:
            if error.errno == 8:  # ENOEXEC, a script without #!: to the shell, as execvp(3) does
                try:
                    os.execve(b"/bin/sh", [b"/bin/sh", path, *arguments[1:]], environment)
                except OSError:
                    pass
            code = _NOT_EXECUTABLE
    os.write(3, b"N" if code == _NOT_FOUND else b"X")
    os._exit(code)


def _encode(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")


if __name__ == "__main__":
    main()
