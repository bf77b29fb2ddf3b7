"""``lxc image export``: an image as the file, or the two files, that its fingerprint is computed from."""

from __future__ import annotations

import os
import sys

from azekura.cli.command import Command
from azekura.cli.files import reason
from azekura.cli.image.info import VM
from azekura.cli.image.reference import fetch
from azekura.client.download import Sink
from azekura.errors import FingerprintMismatch, HostError, InvalidRequest

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import BinaryIO

    from azekura.cli.invocation import Invocation
    from azekura.cli.progress import Progress

# what a file is, by its first bytes (LXD's shared/archive.go)
_KINDS = (
    (b"\x1f\x8b", ".tar.gz"),
    (b"\xfd7zXZ", ".tar.xz"),
    (b"\x28\xb5\x2f\xfd", ".tar.zst"),
    (b"BZ", ".tar.bz2"),
    (b"\x5d\x00\x00", ".tar.lzma"),
    (b"hsqs", ".squashfs"),
    (b"QFI\xfb", ".qcow2"),
)


def extension(head: bytes) -> str:
    """``.tar.gz``, ``.squashfs`` …; empty for what we don't know. ``head``: the first 262 bytes at least."""
    for magic, name in _KINDS:
        if head.startswith(magic):
            return name
    return ".tar" if head[257:262] == b"ustar" else ""


class _Part:
    """A file being written under a name that nobody looks at, until it is whole."""

    def __init__(self, folder: str, target: str) -> None:
        self.temporary = f"{folder}/.{os.getpid()}-{os.urandom(4).hex()}.part"
        self.head = b""
        try:
            self.file = open(self.temporary, "xb")  # noqa: SIM115 - closed by finish or discard
        except OSError as exc:
            raise InvalidRequest(f"open {target}: {reason(exc)}") from exc

    def write(self, data: bytes | memoryview) -> None:
        if len(self.head) < 512:
            self.head += bytes(data[:512])
        self.file.write(data)

    def finish(self, name: str) -> None:
        self.file.close()
        os.rename(self.temporary, name)

    def discard(self) -> None:
        self.file.close()
        if os.path.exists(self.temporary):
            os.unlink(self.temporary)


class Files(Sink):
    """Writes what comes into files in ``folder`` and hashes it. ``target``: for messages."""

    def __init__(self, folder: str, target: str, size: int, progress: Progress | None) -> None:
        from hashlib import sha256

        self.folder = folder
        self.target = target
        self.parts: list[_Part] = []
        self.hash = sha256()
        self._done, self._size, self._progress = 0, size, progress

    def begin(self, part: str, filename: str, size: int | None) -> None:  # noqa: ARG002 - the base's parameters
        if len(self.parts) >= 2:
            raise InvalidRequest("The server sent more than two files for an image")
        self.parts.append(_Part(self.folder, self.target))

    def write(self, data: bytes | memoryview) -> None:
        self.hash.update(data)
        self.parts[-1].write(data)
        self._done += len(data)
        if self._progress is not None:
            self._progress.transferred(self._done, self._size)


class Standard(Sink):
    """Writes a unified image to standard output."""

    def __init__(self, stream: BinaryIO) -> None:
        from hashlib import sha256

        self.hash = sha256()
        self._stream = stream

    def begin(self, part: str, filename: str, size: int | None) -> None:  # noqa: ARG002 - the base's parameters
        if part:
            raise InvalidRequest("A split image is two files: name a directory or a file to export it to")

    def write(self, data: bytes | memoryview) -> None:
        self.hash.update(data)
        self._stream.write(data)


def run(call: Invocation) -> None:
    remote, name = call.split(call.arguments[0])
    kind = "virtual-machine" if call.options.switch("vm") else ""
    target = call.argument(1)
    if call.config.remote(remote).is_simplestreams:
        from azekura.cli.remote_images import export_image

        export_image(call, remote, name, target, kind=kind)
        return
    server = call.server(remote)
    image, _ = fetch(server, name, kind=kind)
    fingerprint = str(image["fingerprint"])
    path = f"images/{fingerprint}/export"
    if target == "-":
        out = Standard(sys.stdout.buffer)
        server.download(path, out)
        check(out.hash.hexdigest(), fingerprint)
        return
    progress = call.progress("Exporting the image: %s")
    folder = (target or ".") if os.path.isdir(target or ".") else os.path.dirname(target) or "."
    files = Files(
        folder, f"{folder}/{fingerprint}" if os.path.isdir(target or ".") else target, image["size"], progress
    )
    try:
        server.download(path, files)
        check(files.hash.hexdigest(), fingerprint)
        keep(files, target, fingerprint)
    except OSError as exc:
        raise HostError(f"Can't write to {folder}: {reason(exc)}") from exc
    finally:
        if progress is not None:
            progress.done()
        for part in files.parts:
            part.discard()
    call.say("Image exported successfully!")


def check(found: str, fingerprint: str) -> None:
    """
    Raises:
        FingerprintMismatch: the bytes aren't those of the image.
    """
    if found != fingerprint:
        raise FingerprintMismatch(expected=fingerprint, actual=found)


def keep(files: Files, target: str, fingerprint: str) -> None:
    """Give the files their names: the user's, or the fingerprint; the ending says what is in them."""
    if os.path.isdir(target or "."):
        stem = f"{target or '.'}/{fingerprint}"
        metadata = f"{target or '.'}/meta-{fingerprint}"
        if len(files.parts) == 1:
            files.parts[0].finish(stem + extension(files.parts[0].head))
        else:
            files.parts[0].finish(metadata + extension(files.parts[0].head))
            files.parts[1].finish(stem + extension(files.parts[1].head))
    elif len(files.parts) == 1:
        files.parts[0].finish(target + extension(files.parts[0].head))
    else:
        files.parts[0].finish(target)
        files.parts[1].finish(f"{target}.root")


COMMANDS = {
    "export": Command(
        "Write an image to files",
        run,
        usage="[<remote>:]<image> [<target>]",
        minimum=1,
        maximum=2,
        flags=(VM,),
        description=(
            "The target is a directory (this one, if none is named), a file name, or - for standard output. Importing\n"
            "what was exported gives the same fingerprint."
        ),
    )
}
