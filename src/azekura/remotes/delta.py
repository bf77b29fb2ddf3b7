"""A rootfs made from another one and a patch (VCDIFF, RFC 3284), by the program xdelta3."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
import threading
from pathlib import Path

from azekura.errors import AzekuraError, Cancelled, CommandFailed
from azekura.remotes.policy import SLICE
from azekura.remotes.port import Cancelled as Asked
from azekura.remotes.targets import FileTarget

_PIECE = 256 * 1024
_WORTH = 0.8  # of the whole file's size: above, a patch saves too little


def program() -> str | None:
    """Path of xdelta3, if it is installed."""
    return shutil.which("xdelta3", path="/usr/local/bin:/usr/bin:/bin")


def worth(patch: int | None, whole: int | None) -> bool:
    """Whether fetching a patch of that many bytes spares enough."""
    return patch is not None and (whole is None or patch < whole * _WORTH)


def apply(xdelta3: str, base: Path, patch: Path, target: FileTarget, *, cancelled: Asked) -> None:
    """Feed ``target`` with what ``patch`` makes of ``base``; it checks size and hash, and stops what grows too long.

    Raises:
        CommandFailed: the program failed: the patch is damaged, or made for another base.
        Cancelled, and what ``target`` raises.
    """
    argv = [xdelta3, "-d", "-c", "-q", "-s", str(base.resolve()), str(patch.resolve())]
    with (
        tempfile.TemporaryFile() as said,
        subprocess.Popen(
            argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=said, env={"LC_ALL": "C"}, cwd="/"
        ) as process,
    ):
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


FAILURES = (AzekuraError, OSError)
"""What makes us fetch the whole file instead; Cancelled, though one of them, does not."""
