"""``unix-char`` and ``unix-block``: device nodes of the host that a container may use.

A node of its own is made for each in the state folder, owned by the container's root and with the mode asked for; it
is shown inside, and the container's device rules let it through. Keys and names are LXD's (``lxd/device/unix_*.go``).
"""

from __future__ import annotations

import os
import re
import shutil
import stat
from collections.abc import Mapping
from pathlib import Path

from azekura.errors import HostError, InvalidRequest
from azekura.runtime.port import BindMount
from azekura.services.settings import truth

KINDS = {"unix-char": stat.S_IFCHR, "unix-block": stat.S_IFBLK}
_KEYS = frozenset({"type", "source", "path", "major", "minor", "uid", "gid", "mode", "required"})
_NUMBER = re.compile(r"\d{1,9}", re.ASCII)
_MODE = re.compile(r"[0-7]{1,4}", re.ASCII)
_DEFAULT_MODE = "0660"

Devices = Mapping[str, Mapping[str, str]]


def unix_fault(device: Mapping[str, str]) -> str:
    """What is wrong with such a device; empty when nothing is."""
    for key in device:
        if key not in _KEYS and not key.startswith("user."):
            return f'Invalid device option "{key[:80]}"'
    if not device.get("source") and not device.get("path"):
        return 'Unix device entry is missing the required "source" or "path" property'
    for key in ("source", "path"):
        if device.get(key) and (not device[key].startswith("/") or ".." in device[key].split("/")):
            return f'Invalid value for device option "{key}": Must be an absolute path'
    for key in ("major", "minor", "uid", "gid"):
        if device.get(key) and not _NUMBER.fullmatch(device[key]):
            return f'Invalid value for device option "{key}": Invalid value for an integer {device[key][:40]!r}'
    if device.get("mode") and not _MODE.fullmatch(device["mode"]):
        return f'Invalid value for device option "mode": Not an octal mode: {device["mode"][:40]!r}'
    if bool(device.get("major")) != bool(device.get("minor")):
        return "Both major and minor must be supplied for device"
    return ""


def unix_mounts(folder: Path, devices: Devices, root: int) -> tuple[BindMount, ...]:
    """Make the nodes of a container in ``folder``; ``root`` is the host's id of its root.

    Raises:
        InvalidRequest: a required device isn't there.
        HostError: a node can't be made.
    """
    made = []
    for name, device in sorted(devices.items()):
        kind = KINDS.get(device.get("type", ""))
        number = None if kind is None else _number(name, device, kind)
        if kind is None or number is None:
            continue
        target = device.get("path") or device["source"]
        node = node_path(folder, name, device)
        try:
            folder.mkdir(mode=0o711, parents=True, exist_ok=True)
            node.unlink(missing_ok=True)
            os.mknod(node, kind | 0o600, number)
            os.chown(node, root + int(device.get("uid") or 0), root + int(device.get("gid") or 0))
            node.chmod(int(device.get("mode") or _DEFAULT_MODE, 8))
        except OSError as exc:
            raise HostError(f'The device "{name}" can\'t be made: {exc.strerror}') from exc
        letter = "c" if kind == stat.S_IFCHR else "b"
        made.append(BindMount(node, target, rule=f"{letter} {os.major(number)}:{os.minor(number)} rwm"))
    return tuple(made)


def node_path(folder: Path, name: str, device: Mapping[str, str]) -> Path:
    """``unix.NAME.PATH``, each as one part of a path: ``-`` is doubled, then ``/`` becomes one."""
    target = (device.get("path") or device["source"]).strip("/")
    return folder / ".".join(["unix", *(part.replace("-", "--").replace("/", "-") for part in (name, target))])


def forget_nodes(folder: Path) -> None:
    """Remove all nodes of a container that has stopped."""
    shutil.rmtree(folder, ignore_errors=True)


def _number(name: str, device: Mapping[str, str], kind: int) -> int | None:
    """The device's number; None for one that isn't there and needn't be."""
    if device.get("major"):
        return os.makedev(int(device["major"]), int(device["minor"]))
    source = device.get("source") or device["path"]
    try:
        status = Path(source).stat()
    except OSError:
        if truth(device.get("required") or "true"):
            raise InvalidRequest(
                f'Failed to start device "{name}": The required device path {source} doesn\'t exist and the major and '
                "minor settings are not specified"
            ) from None
        return None
    if stat.S_IFMT(status.st_mode) != kind:
        raise InvalidRequest(f'Failed to start device "{name}": {source} is not a {device["type"]} device')
    return status.st_rdev
