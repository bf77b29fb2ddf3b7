"""Reading and unpacking a stranger's image in a child process of its own (DESIGN: the second wall behind promise 4).

The child has a mount namespace with nothing in it but the target, no network, few capabilities and system calls, and
bounded memory and time. What it sends back is data, size-limited and checked. If it dies, the image is refused.
"""

from __future__ import annotations

import fcntl
import json
import os
import signal
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any, Literal

from azekura.errors import AzekuraError, HostError, InvalidRequest, StorageFailed, TooLarge, Unsupported
from azekura.formats.limits import DEFAULT, MIB, Limits
from azekura.formats.outcome import decode
from azekura.formats.scanned import ScannedImage, ScannedRootfs

_ANSWER = 64 * MIB  # most bytes of an answer: templates in base64, lists of paths
_STDERR = 64 * 1024
_PIPE = MIB
# -S spares the search for packages: the child is told where the parent found them
_BOOT = (
    "import sys, json; job = json.loads(sys.argv[1]); sys.path[:] = job.pop('path');"
    " from azekura.formats.confined_child import main; main(job)"
)


class ConfinedScan:
    """Give it the image's bytes by :meth:`write`, then :meth:`finish` for what it is; or :meth:`abort`.

    ``kind``: ``unified``, or ``rootfs`` for the second file of a split image (a tarball; a qcow2 is only checked).
    ``target``: an empty folder that becomes the root file system, or None to check alone. After an error the target
    holds whatever had been written: the caller removes it.
    """

    def __init__(self, kind: Literal["unified", "rootfs"], target: Path | None, limits: Limits = DEFAULT) -> None:
        """
        Raises:
            Unsupported: a target, but not root's rights.
            HostError: no process could be started.
        """
        self._child = _Child(kind, target, limits, None)
        self._failure: AzekuraError | None = None
        self._result: ScannedImage | ScannedRootfs | None = None

    def __enter__(self) -> ConfinedScan:
        return self

    def __exit__(self, *_: object) -> None:
        self.abort()

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Feed the next bytes, compressed as they are.

        Raises:
            AzekuraError: what is wrong with the image, as soon as that is known.
        """
        if self._failure is not None:
            raise self._failure
        view = memoryview(data)
        try:
            while view:
                view = view[os.write(self._child.input, view) :]
        except OSError:  # it has ended before its input
            self.finish()
            raise HostError("The image's reader ended too early") from None

    def finish(self) -> ScannedImage | ScannedRootfs:
        """All bytes were written: return what the image is.

        Raises:
            InvalidRequest, TooLarge: the image is refused.
            NoSpace, StorageFailed: it could not be written.
            HostError: the child failed.
        """
        if self._failure is not None:
            raise self._failure
        if self._result is None:
            try:
                self._result = self._child.answer()
            except AzekuraError as error:
                self._failure = error
                raise
        return self._result

    def abort(self) -> None:
        """Stop at once. May be called at any time, and again."""
        self._child.kill()
        if self._result is None and self._failure is None:
            self._failure = InvalidRequest("Reading the image was stopped")


def scan_squashfs_confined(image: Path, limits: Limits = DEFAULT) -> ScannedRootfs:
    """Check a squashfs without unpacking it. Raises as :meth:`ConfinedScan.finish`."""
    return _squashfs(image, None, limits)


def unpack_squashfs_confined(image: Path, target: Path, limits: Limits = DEFAULT) -> ScannedRootfs:
    """Check a squashfs and unpack it into ``target``, an empty folder. Raises as :meth:`ConfinedScan.finish`."""
    return _squashfs(image, target, limits)


def _squashfs(image: Path, target: Path | None, limits: Limits) -> ScannedRootfs:
    try:
        fd = os.open(image, os.O_RDONLY | os.O_CLOEXEC)
    except OSError as exc:
        raise StorageFailed(f"The image can't be read: {exc.strerror}") from exc
    try:
        child = _Child("squashfs", target, limits, fd)
    finally:
        os.close(fd)
    try:
        result = child.answer()
    finally:
        child.kill()
    if not isinstance(result, ScannedRootfs):
        raise HostError("The image's reader gave a wrong answer")
    return result


class _Child:
    """The process, its input, and the pipe its answer comes by."""

    def __init__(self, kind: str, target: Path | None, limits: Limits, image: int | None) -> None:
        if target is not None and os.geteuid() != 0:
            raise Unsupported("Unpacking an image takes root's rights", hint="run the daemon as root")
        self._place = str(target) if target is not None else ""
        self.input = -1
        self._result = -1
        answer = -1
        errors = os.memfd_create("confined-stderr", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
        self._errors = errors
        try:
            os.ftruncate(errors, _STDERR)
            fcntl.fcntl(errors, fcntl.F_ADD_SEALS, fcntl.F_SEAL_GROW | fcntl.F_SEAL_SHRINK)
            self._result, answer = os.pipe2(os.O_CLOEXEC)
            job: dict[str, Any] = {
                "path": _search_path(),
                "kind": kind,
                "target": str(target.resolve(strict=True)) if target is not None else "",
                "place": self._place,
                "limits": asdict(limits),
                "result": answer,
                "image": image,
            }
            self._process = subprocess.Popen(
                [sys.executable, "-I", "-S", "-c", _BOOT, json.dumps(job)],
                stdin=subprocess.PIPE if image is None else subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=errors,
                pass_fds=(answer,) if image is None else (answer, image),
                env={},
                cwd="/",
                bufsize=0,
            )
        except OSError as exc:
            self._close()
            raise HostError(f"The image's reader could not be started: {exc.strerror}") from exc
        finally:
            if answer >= 0:
                os.close(answer)
        if self._process.stdin is not None:
            self.input = self._process.stdin.fileno()
            try:
                fcntl.fcntl(self.input, fcntl.F_SETPIPE_SZ, _PIPE)
            except OSError:  # an unprivileged user's pipes may be at their limit: slower, no more
                pass

    def answer(self) -> ScannedImage | ScannedRootfs:
        """End the input, wait for the end, return or raise what the child found."""
        if self._process.stdin is not None:
            self._process.stdin.close()
        self.input = -1
        data = bytearray()
        try:
            while len(data) <= _ANSWER and (piece := os.read(self._result, MIB)):
                data += piece
            if len(data) > _ANSWER:
                raise TooLarge("The image's metadata and templates are too large")
            status = self._process.wait()
            if status == 0:
                try:
                    return decode(bytes(data))
                except ValueError as exc:
                    raise HostError("The image's reader gave a wrong answer") from exc
            raise self._died(status)
        finally:
            self.kill()

    def _died(self, status: int) -> AzekuraError:
        if status == -signal.SIGXCPU:
            return TooLarge("The image takes longer to read than it may")
        if status == -signal.SIGKILL:
            return HostError("The image's reader was killed", hint="is the machine out of memory?")
        if status < 0:
            name = signal.Signals(-status).name
            return InvalidRequest(f"The image made its reader crash ({name}): it is refused")
        said = os.pread(self._errors, _STDERR, 0).rstrip(b"\0").decode("utf-8", "replace").strip().splitlines()
        return HostError(f"The image's reader failed: {said[-1][:500] if said else f'exit status {status}'}")

    def kill(self) -> None:
        """Kill and reap; harmless if it has ended."""
        if self._process.returncode is None:
            self._process.kill()
            self._process.wait()
        if self._process.stdin is not None:
            self._process.stdin.close()
        self.input = -1
        self._close()

    def _close(self) -> None:
        for fd in (self._result, self._errors):
            if fd >= 0:
                os.close(fd)
        self._result = self._errors = -1


def _search_path() -> list[str]:
    """Where this process finds its modules, ours first."""
    here = str(Path(__file__).resolve().parents[2])
    return [here, *(path for path in sys.path if path.startswith("/") and path != here)]
