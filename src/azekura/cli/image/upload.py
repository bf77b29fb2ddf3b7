"""``lxc image import``: files, a folder or an address become an image."""

from __future__ import annotations

import os

from azekura.cli.command import MANY, TEXTS, Command, Flag
from azekura.cli.files import open_to_read
from azekura.cli.image.reference import point_aliases
from azekura.client.address import encode_query
from azekura.client.body import FilePiece, FormFile, file_body, form_body
from azekura.errors import InvalidRequest

TYPE_CHECKING = False
if TYPE_CHECKING:
    from azekura.cli.invocation import Invocation
    from azekura.cli.progress import Progress
    from azekura.client.envelope import Record
    from azekura.client.server import Server

DISK = b"QFI\xfb"  # qcow2: the disk of a virtual machine


def sort_arguments(call: Invocation) -> tuple[str, list[str], dict[str, str]]:
    """The remote, the files, and the properties among the arguments: what ends in a colon, what holds a ``=`` and is
    no file, and the rest."""
    remote = call.config.default_remote
    files: list[str] = []
    properties: dict[str, str] = {}
    for argument in call.arguments:
        if argument.endswith(":") and not os.path.exists(argument):
            remote = call.split(argument)[0]
        elif "=" in argument and not os.path.exists(argument) and not argument.startswith("https://"):
            key, _, value = argument.partition("=")
            properties[key.strip()] = value.strip()
        else:
            files.append(argument)
    if not files or len(files) > 2:
        raise InvalidRequest("Invalid number of arguments")
    return remote, files, properties


def run(call: Invocation) -> None:
    remote, files, properties = sort_arguments(call)
    server = call.server(remote)
    aliases = call.options.texts("alias")
    if files[0].startswith("http://"):
        raise InvalidRequest("Only https:// is supported for remote image import")
    progress = call.progress("Transferring image: %s")
    try:
        if files[0].startswith("https://"):
            operation = _from_address(call, server, files[0], properties, progress)
            carried = False
        else:
            headers = _headers(call, properties)
            carried = bool(aliases) and server.has_extension("image_import_alias")
            if carried:
                headers["X-LXD-aliases"] = encode_query([("alias", alias) for alias in aliases])
                headers["X-LXD-reuse"] = "true"
            operation = _from_files(server, files, headers, progress)
    finally:
        if progress is not None:
            progress.done()
    fingerprint = str((operation.get("metadata") or {}).get("fingerprint", ""))
    call.say(f"Image imported with fingerprint: {fingerprint}")
    if not carried:
        point_aliases(server, aliases, fingerprint)


def _headers(call: Invocation, properties: dict[str, str]) -> dict[str, str]:
    headers = {}
    if call.options.switch("public"):
        headers["X-LXD-public"] = "true"
    if properties:
        headers["X-LXD-properties"] = encode_query(properties)
    return headers


def _from_address(
    call: Invocation, server: Server, address: str, properties: dict[str, str], progress: Progress | None
) -> Record:
    order: Record = {
        "auto_update": False,
        "properties": properties or None,
        "public": call.options.switch("public"),
        "source": {"type": "url", "mode": "pull", "url": address},
    }
    return server.run("POST", "images", order, watcher=progress)


def _from_files(server: Server, files: list[str], headers: dict[str, str], progress: Progress | None) -> Record:
    if len(files) == 1 and os.path.isdir(files[0]):
        from azekura.cli.image.folder import pack, pair_in

        pair = pair_in(files[0])
        if pair is None:
            with pack(files[0]) as packed:
                return server.run("POST", "images", body=packed, headers={**headers, "X-LXD-filename": "image.tar.zst"})
        files = list(pair)
    report = progress.transferred if progress is not None else None
    with open_to_read(files[0]) as first:
        if len(files) == 1:
            body = file_body(first, report)
            headers = {**headers, "X-LXD-filename": _header_text(os.path.basename(files[0]))}
            return server.run("POST", "images", body=body, headers=headers)
        with open_to_read(files[1]) as second:
            from azekura.formats.pair import classify_pair

            names = {first: os.path.basename(files[0]), second: os.path.basename(files[1])}
            metadata, rootfs = classify_pair(first, second)
            is_disk = os.pread(rootfs.fileno(), 4, 0) == DISK
            parts = [
                FormFile("metadata", names[metadata], FilePiece(metadata)),
                FormFile("rootfs.img" if is_disk else "rootfs", names[rootfs], FilePiece(rootfs)),
            ]
            return server.run("POST", "images", body=form_body(parts, report), headers=headers)


def _header_text(name: str) -> str:
    return "".join(char if char.isprintable() else "_" for char in name)


COMMANDS = {
    "import": Command(
        "Make an image of files",
        run,
        usage="<tarball>|<directory>|<URL> [<rootfs tarball>] [<remote>:] [key=value...]",
        minimum=1,
        maximum=MANY,
        flags=(
            Flag("alias", "Alias for the image (may be repeated)", kind=TEXTS),
            Flag("public", "Show the image to everybody"),
            Flag("reuse", "Move aliases that stand for another image"),
        ),
        description=(
            "A unified image is one tarball, a split one a metadata tarball and a root file system (a tarball, a\n"
            "squashfs, or a disk for a virtual machine) in either order. A directory holds such a pair, or an image\n"
            "laid out in it (metadata.yaml, rootfs, templates), which is packed first; that takes root."
        ),
    )
}
