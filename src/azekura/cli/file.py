"""``lxc file …``: files in instances."""

from __future__ import annotations

import os
import sys

from azekura.cli.command import INTEGER, MANY, TEXT, Command, Flag
from azekura.cli.files import open_to_read, reason
from azekura.cli.instance import path_of
from azekura.cli.instance_files import InstanceFiles
from azekura.errors import HostError, InvalidRequest

TYPE_CHECKING = False
if TYPE_CHECKING:
    from azekura.cli.invocation import Invocation


def _locate(call: Invocation, text: str, problem: str) -> tuple[InstanceFiles, str]:
    """``[remote:]instance/path`` as the instance's files and the absolute path."""
    remote, rest = call.split(text)
    name, slash, path = rest.partition("/")
    if not name or not slash:
        raise InvalidRequest(f"{problem} {text}")
    return InstanceFiles(call.server(remote), path_of(name)), f"/{path}"


def delete(call: Invocation) -> None:
    for argument in call.arguments:
        files, path = _locate(call, argument, "Invalid path")
        files.delete(path)


def edit(call: Invocation) -> None:
    from azekura.cli.editor import edit_until_right, is_interactive

    files, path = _locate(call, call.arguments[0], "Invalid path")
    if not is_interactive():
        content = sys.stdin.buffer.read()
        files.write(path, content)
        return
    text = files.read(path).decode("utf-8", "surrogateescape")

    def save(changed: str) -> None:
        files.write(path, changed.encode("utf-8", "surrogateescape"))

    edit_until_right(text, save)


def pull(call: Invocation) -> None:
    options = call.options
    *sources, target = call.arguments
    to_folder = os.path.isdir(target) or target.endswith("/")
    if options.switch("create-dirs"):
        folder = target if target.endswith("/") or len(sources) > 1 else os.path.dirname(target)
        if folder:
            os.makedirs(folder, exist_ok=True)
        to_folder = os.path.isdir(target)
    if len(sources) > 1 and not to_folder:
        raise InvalidRequest("More than one file to download, but target is not a directory")
    for source in sources:
        files, path = _locate(call, source, "Invalid source")
        found = files.stat(path)
        if found.kind == "directory":
            if not options.switch("recursive"):
                raise InvalidRequest("Can't pull a directory without --recursive")
            _pull_folder(files, path, target)
            continue
        if target == "-":
            sys.stdout.flush()
            files.fetch(path, sys.stdout.buffer.write)
            continue
        _pull_one(files, path, os.path.join(target, os.path.basename(path)) if to_folder else target)


def _pull_one(files: InstanceFiles, path: str, target: str) -> None:
    found = files.stat(path)
    if found.kind == "symlink":
        link = files.read(path).decode("utf-8", "surrogateescape").rstrip("\n")
        if os.path.lexists(target):
            os.unlink(target)
        os.symlink(link, target)
        return
    try:
        with open(target, "wb") as file:
            files.fetch(path, file.write)
        os.chmod(target, found.mode & 0o777)  # set-id bits mean nothing for files of ours
    except OSError as exc:
        raise InvalidRequest(f"open {target}: {reason(exc)}") from exc


def _pull_folder(files: InstanceFiles, path: str, target: str) -> None:
    """``path`` and what is in it become ``target/NAME``. Names come from the instance: only plain ones are used."""
    here = os.path.join(target, os.path.basename(path.rstrip("/")) or ".")
    os.makedirs(here, exist_ok=True)
    for name in files.names(path):
        if name in ("", ".", "..") or "/" in name or "\0" in name:
            raise HostError(f"The instance has a file that can't be named here: {name!r} in {path}")
        child = f"{path.rstrip('/')}/{name}"
        if files.stat(child).kind == "directory":
            _pull_folder(files, child, here)
        else:
            _pull_one(files, child, os.path.join(here, name))


def push(call: Invocation) -> None:
    options = call.options
    *sources, target = call.arguments
    files, path = _locate(call, target, "Invalid target")
    to_folder = path.endswith(("/", "/.", "/.."))
    if to_folder:
        path = f"{os.path.normpath(path).rstrip('/')}/"
    if options.switch("recursive"):
        if options.given("uid") or options.given("gid") or options.given("mode"):
            raise InvalidRequest("Can't supply uid/gid/mode in recursive mode")
        if options.switch("create-dirs"):
            first = os.stat(sources[0])
            files.make_folders(path, mode=first.st_mode & 0o777, uid=first.st_uid, gid=first.st_gid)
        for source in sources:
            _push_tree(call, files, source, path)
        return
    if len(sources) > 1 and not to_folder:
        raise InvalidRequest("Missing target directory")
    for source in sources:
        destination = f"{path}{os.path.basename(source)}" if to_folder else path
        if source != "-" and os.path.isdir(source):
            raise InvalidRequest(f"read {source}: is a directory: use --recursive")
        _push_one(call, files, source, destination)


def _push_one(call: Invocation, files: InstanceFiles, source: str, path: str) -> None:
    options = call.options
    mode, uid, gid = _mode(options.text("mode")), options.number("uid"), options.number("gid")
    if source == "-":
        files.write(path, sys.stdin.buffer.read(), mode=mode or 0o644, uid=max(uid, 0), gid=max(gid, 0))
        return
    with open_to_read(source) as file:
        status = os.fstat(file.fileno())
        uid, gid = status.st_uid if uid < 0 else uid, status.st_gid if gid < 0 else gid
        if options.switch("create-dirs"):
            files.make_folders(os.path.dirname(path), mode=None, uid=uid, gid=gid)
        progress = call.progress(f"Pushing {source} to {path}: %s")
        try:
            files.send(
                path,
                file,
                mode=status.st_mode & 0o777 if mode is None else mode,
                uid=uid,
                gid=gid,
                progress=progress.transferred if progress is not None else None,
            )
        finally:
            if progress is not None:
                progress.done()


def _mode(text: str) -> int | None:
    if not text:
        return None
    try:
        return int(text, 8)
    except ValueError as exc:
        raise InvalidRequest(f'Not a file mode: "{text}"') from exc


def _push_tree(call: Invocation, files: InstanceFiles, source: str, folder: str) -> None:
    here = os.path.normpath(source) == "."  # what is in this folder goes, not the folder
    path = (folder.rstrip("/") or "/") if here else f"{folder.rstrip('/')}/{os.path.basename(os.path.abspath(source))}"
    status = os.lstat(source)
    mode, uid, gid = status.st_mode & 0o777, status.st_uid, status.st_gid
    if os.path.islink(source):
        files.link(path, os.readlink(source), uid=uid, gid=gid)
    elif os.path.isdir(source):
        files.make_folder(path, mode=mode, uid=uid, gid=gid)
        for name in sorted(os.listdir(source)):
            _push_tree(call, files, os.path.join(source, name), path)
    elif os.path.isfile(source):
        with open_to_read(source) as file:
            files.send(path, file, mode=mode, uid=uid, gid=gid)
    else:
        raise InvalidRequest(f"'{source}' isn't a supported file type")


_PATH = "[<remote>:]<instance>/<path>"
_CREATE = Flag("create-dirs", "Make directories that are missing", short="p")
_RECURSIVE = Flag("recursive", "Directories with what is in them", short="r")
COMMANDS = {
    "delete": Command("Delete files in instances", delete, usage=f"{_PATH} [{_PATH}...]", minimum=1, maximum=MANY),
    "edit": Command("Edit a file in an instance", edit, usage=_PATH, minimum=1, maximum=1),
    "pull": Command(
        "Fetch files from instances",
        pull,
        usage=f"{_PATH} [{_PATH}...] <target path>",
        minimum=2,
        maximum=MANY,
        flags=(_CREATE, _RECURSIVE),
        examples=(("lxc file pull first/etc/hosts .", ""), ("lxc file pull first/etc/hosts -", "To standard output")),
    ),
    "push": Command(
        "Put files into an instance",
        push,
        usage=f"<source path>... {_PATH}",
        minimum=2,
        maximum=MANY,
        flags=(
            _CREATE,
            Flag("gid", "Group id of the file", kind=INTEGER, default="-1"),
            Flag("mode", "Permissions of the file", kind=TEXT),
            _RECURSIVE,
            Flag("uid", "User id of the file", kind=INTEGER, default="-1"),
        ),
        examples=(("lxc file push /etc/hosts first/etc/hosts", ""),),
    ),
}
