"""``lxc remote list``, ``remove``, ``rename``, ``set-url``, ``switch`` and ``get-default``."""

from __future__ import annotations

import os
import sys

from azekura.cli.command import FORMAT, Command
from azekura.cli.natural import sort_rows
from azekura.cli.output import yes_no
from azekura.cli.table import render
from azekura.errors import AlreadyExists, HostError, InvalidRequest, NotFound

TYPE_CHECKING = False
if TYPE_CHECKING:
    from azekura.cli.invocation import Invocation
    from azekura.client.config import Config, Remote


def changeable(config: Config, name: str) -> Remote:
    """
    Raises:
        NotFound: no such remote.
        InvalidRequest: one that is built in or the administrator's.
    """
    if name not in config.remotes:
        raise NotFound("remote", name, message=f"Remote {name} doesn't exist")
    remote = config.remotes[name]
    if remote.static:
        raise InvalidRequest(f"Remote {name} is static and cannot be modified")
    if remote.is_global:
        raise InvalidRequest(f"Remote {name} is global and cannot be removed")
    return remote


def get_default(call: Invocation) -> None:
    print(call.config.default_remote)


def list_remotes(call: Invocation) -> None:
    config = call.config
    rows = []
    for name, remote in config.remotes.items():
        auth = remote.auth_type or "tls"
        if remote.is_simplestreams:
            auth = "none"
        elif remote.addr.startswith("unix:"):
            auth = "file access"
        rows.append(
            [
                f"{name} (current)" if name == config.default_remote else name,
                remote.addr,
                remote.protocol or "lxd",
                auth,
                yes_no(remote.public),
                yes_no(remote.static),
                yes_no(remote.is_global),
            ]
        )
    sort_rows(rows)
    raw = {}
    for name in sorted(config.remotes):
        raw[name] = config.remotes[name].record()
        raw[name].pop("static", None)
    header = ["NAME", "URL", "PROTOCOL", "AUTH TYPE", "PUBLIC", "STATIC", "GLOBAL"]
    sys.stdout.write(render(call.options.text("format"), header, rows, raw))


def remove(call: Invocation) -> None:
    name = call.arguments[0]
    changeable(call.config, name)
    if name == call.config.default_remote:
        raise InvalidRequest("Can't remove the default remote")
    del call.config.remotes[name]
    certificate = f"{call.config.folder}/servercerts/{name}.crt"
    if os.path.exists(certificate):
        os.unlink(certificate)
    _forget(call.config, name)
    call.config.save()


def _forget(config: Config, name: str, new_name: str = "") -> None:
    from azekura.cli.remote.credentials import forget

    forget(config, name, new_name)


def rename(call: Invocation) -> None:
    name, new_name = call.arguments
    config = call.config
    changeable(config, name)
    if ":" in new_name:
        raise InvalidRequest("Remote names may not contain colons")
    if new_name in config.remotes:
        raise AlreadyExists("remote", new_name, message=f"Remote {new_name} already exists")
    old = f"{config.folder}/servercerts/{name}.crt"
    if os.path.exists(old):
        try:
            os.rename(old, f"{config.folder}/servercerts/{new_name}.crt")
        except OSError as exc:
            raise HostError(f"Failed to rename the certificate of {name}: {exc.strerror}") from exc
    _forget(config, name, new_name)
    config.remotes[new_name] = config.remotes.pop(name)
    if config.default_remote == name:
        config.default_remote = new_name
    config.save()


def set_url(call: Invocation) -> None:
    name, url = call.arguments
    changeable(call.config, name).addr = url
    call.config.save()


def switch(call: Invocation) -> None:
    name = call.arguments[0]
    if name not in call.config.remotes:
        raise NotFound("remote", name, message=f"Remote {name} doesn't exist")
    call.config.default_remote = name
    call.config.save()


COMMANDS = {
    "get-default": Command("Show which remote is meant when none is named", get_default),
    "list": Command("List remotes", list_remotes, flags=(FORMAT,)),
    "remove": Command("Forget a remote", remove, usage="<remote>", minimum=1, maximum=1),
    "rename": Command("Rename a remote", rename, usage="<remote> <new-name>", minimum=2, maximum=2),
    "set-url": Command("Set the address of a remote", set_url, usage="<remote> <URL>", minimum=2, maximum=2),
    "switch": Command("Mean this remote when none is named", switch, usage="<remote>", minimum=1, maximum=1),
}
