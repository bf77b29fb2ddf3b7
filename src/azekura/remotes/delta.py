"""A rootfs made from another one and a patch (VCDIFF, RFC 3284), by the program xdelta3."""

from __future__ import annotations

import errno
import os
import resource
import shutil
import subprocess
import tempfile
import threading
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import IO

from azekura.errors import AzekuraError, Cancelled, CommandFailed
from azekura.remotes.policy import SLICE
from azekura.remotes.port import Cancelled as Asked
from azekura.remotes.targets import FileTarget

_PIECE = 256 * 1024
_NOBODY = 65534
_LIMITS = {
    resource.RLIMIT_CPU: 900,  # seconds
    resource.RLIMIT_AS: 2 * 1024**3,
    resource.RLIMIT_FSIZE: 0,  # it writes to a pipe alone
    resource.RLIMIT_CORE: 0,
}
_WORTH = 0.8  # of the whole file's size: above, a patch saves too little


def program() -> str | None:
    """Path of xdelta3, if it is installed."""
    return shutil.which("xdelta3", path="/usr/local/bin:/usr/bin:/bin")


def worth(patch: int | None, whole: int | None) -> bool:
    """Whether fetching a patch of that many bytes spares enough."""
    return patch is not None and (whole is None or patch < whole * _WORTH)


def apply(xdelta3: str, base: Path, patch: Path, target: FileTarget, *, cancelled: Asked) -> None:
    """Feed ``target`` with what ``patch`` makes of ``base``; it checks size and hash, and stops what grows too long.

    Where we are root the program is not: a stranger wrote what it reads. It then gets nameless copies of both files
    (beside ``patch``), which cost no space on file systems that share blocks.

    Raises:
        CommandFailed: the program failed: the patch is damaged, or made for another base.
        OSError: a file could not be read or copied.
        Cancelled, and what ``target`` raises.
    """
    privileged = os.geteuid() == 0
    with ExitStack() as stack:
        files: list[IO[bytes]] = [stack.enter_context(path.open("rb")) for path in (base, patch)]
        if privileged:
            files = [_readable_copy(file, stack.enter_context(_nameless(patch.parent))) for file in files]
        descriptors = [file.fileno() for file in files]
        said = stack.enter_context(tempfile.TemporaryFile())
        process = stack.enter_context(
            subprocess.Popen(
                [xdelta3, "-d", "-c", "-q", "-s", *(f"/proc/self/fd/{descriptor}" for descriptor in descriptors)],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=said,
                env={"LC_ALL": "C"},
                cwd="/",
                pass_fds=descriptors,
                user=_NOBODY if privileged else None,
                group=_NOBODY if privileged else None,
                extra_groups=[] if privileged else None,
            )
        )
        for limit, most in _LIMITS.items():
            with suppress(OSError):
                resource.prlimit(process.pid, limit, (most, most))
        done = threading.Event()

        def watch() -> None:
            while not done.wait(SLICE):
                if cancelled():
                    process.kill()
                    return

        watcher = threading.Thread(target=watch, name="delta-watch", daemon=True)
        watcher.start()
        try:
            assert process.stdout is not None
            while data := process.stdout.read(_PIECE):
                target.feed(data)
            status = process.wait()
        except BaseException:
            process.kill()
            raise
        finally:
            done.set()
            watcher.join()
        if cancelled():
            raise Cancelled("Cancelled while applying a delta")
        if status != 0:
            said.seek(0)
            words = said.read(500).decode("utf-8", "replace").strip().replace("\n", " ")
            raise CommandFailed(f"xdelta3 ended with status {status}: {words}")
    target.finish()


def _nameless(folder: Path) -> IO[bytes]:
    return tempfile.TemporaryFile(dir=folder, buffering=0)


def _readable_copy(file: IO[bytes], copy: IO[bytes]) -> IO[bytes]:
    """``copy``, with the bytes of ``file``, for everybody whom it is handed to."""
    size, done, share = os.fstat(file.fileno()).st_size, 0, True
    while done < size:
        try:
            if share:
                moved = os.copy_file_range(file.fileno(), copy.fileno(), size - done, done, done)
            else:
                moved = os.sendfile(copy.fileno(), file.fileno(), done, size - done)
        except OSError as exc:
            if not share or exc.errno not in (errno.EXDEV, errno.EINVAL, errno.EOPNOTSUPP):
                raise
            share = False
            copy.seek(done)
            continue
        if not moved:
            break
        done += moved
    os.fchmod(copy.fileno(), 0o444)
    return copy


FAILURES = (AzekuraError, OSError)
"""What makes us fetch the whole file instead; Cancelled, though one of them, does not."""
