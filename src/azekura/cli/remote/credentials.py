"""``lxc remote set-credentials`` and ``unset-credentials``: what private image servers want to see."""

from __future__ import annotations

import sys
from pathlib import Path

from azekura.cli.command import TEXT, Command, Flag
from azekura.errors import HostError, InvalidRequest, NotFound

TYPE_CHECKING = False
if TYPE_CHECKING:
    from azekura.cli.invocation import Invocation
    from azekura.client.config import Config
    from azekura.remotes.credentials import CredentialStore

_LIMIT = 1 << 20  # bytes of a file with a secret, a certificate or a key


def store_of(config: Config) -> CredentialStore:
    """The client's own file of credentials, by remotes' names or servers' URLs."""
    from azekura.remotes.credentials import CredentialStore

    return CredentialStore(Path(config.folder) / "credentials.json")


def forget(config: Config, name: str, new_name: str = "") -> None:
    """Drop what the client keeps for a remote, or keep it under the remote's new name."""
    import os

    if not os.path.exists(f"{config.folder}/credentials.json"):
        return
    store = store_of(config)
    kept = store.load(name)
    if kept is not None and new_name:
        store.save(new_name, kept)
    store.remove(name)


def _named(call: Invocation) -> tuple[str, str]:
    """The remote's name (empty if a URL was given) and its URL without credentials.

    Raises:
        NotFound, InvalidRequest: no such remote, or one that has no URL.
    """
    from azekura.remotes.urls import Url

    text = call.arguments[0]
    if "://" in text:
        return "", Url.parse(text).shown.rstrip("/")
    name = text.removesuffix(":")
    remote = call.config.remote(name)
    if remote.addr.startswith("unix:"):
        raise InvalidRequest(f"The remote {name} is a daemon of this machine, which takes no credentials")
    return name, Url.parse(remote.addr).shown.rstrip("/")


def set_credentials(call: Invocation) -> None:
    name, url = _named(call)
    options = call.options
    given = {
        "bearer": _secret(options.text("bearer-file")),
        "user": options.text("user"),
        "password": _secret(options.text("password-file")),
        "certificate": _file(options.text("certificate")),
        "key": _file(options.text("key")),
        "ca": _file(options.text("ca")),
    }
    for one, other, what in (
        ("user", "password", "--user and --password-file"),
        ("certificate", "key", "--certificate and --key"),
    ):
        if bool(given[one]) != bool(given[other]):
            raise InvalidRequest(f"{what} belong together")
    if given["bearer"] and given["user"]:
        raise InvalidRequest("A server takes either a bearer token or a user and a password")
    if not any(given.values()):
        raise InvalidRequest("Say what to show: --bearer-file, --user and --password-file, or --certificate and --key")
    if not url.startswith("https://"):
        raise InvalidRequest("Credentials are sent over HTTPS alone, and this server's URL isn't https://")
    if options.text("server"):
        server, _ = call.locate(f"{options.text('server').removesuffix(':')}:")
        server.require("azekura_credentials")
        server.put("credentials", {"server": url, **{key: value for key, value in given.items() if value}})
        return
    if name and not call.config.remote(name).is_simplestreams:
        raise InvalidRequest(
            "To servers that speak LXD's API we show our own certificate (lxc config trust add)",
            hint="with --server, a daemon shows these credentials when it fetches images from there",
        )
    from azekura.remotes.credentials import Basic, Bearer, ClientCertificate, Credentials
    from azekura.remotes.trust import Trust

    authorization: Bearer | Basic | None = None
    if given["bearer"]:
        authorization = Bearer(given["bearer"])
    elif given["user"]:
        authorization = Basic(given["user"], given["password"])
    client = ClientCertificate(given["certificate"], given["key"]) if given["key"] else None
    credentials = Credentials(authorization, client, given["ca"])
    Trust(None, None, credentials).context("home")  # reads certificates and key
    store_of(call.config).save(name or url, credentials)


def unset_credentials(call: Invocation) -> None:
    name, url = _named(call)
    if call.options.text("server"):
        server, _ = call.locate(f"{call.options.text('server').removesuffix(':')}:")
        server.require("azekura_credentials")
        server.delete("credentials", query={"server": url})
        return
    store = store_of(call.config)
    if (name or url) not in store.names():
        raise NotFound("credentials", name or url, message=f"No credentials are kept for {name or url}")
    store.remove(name or url)


def _file(path: str) -> str:
    """A file's text; empty where no file is named, standard input for ``-``.

    Raises:
        InvalidRequest, HostError: it can't be read, is too large, or isn't text.
    """
    if not path:
        return ""
    try:
        if path == "-":
            data = sys.stdin.buffer.read(_LIMIT + 1)
        else:
            with open(path, "rb") as file:
                data = file.read(_LIMIT + 1)
        if len(data) > _LIMIT:
            raise InvalidRequest(f"{path} is too large")
        return data.decode()
    except OSError as exc:
        raise HostError(f"Can't read {path}: {exc.strerror or exc}") from exc
    except UnicodeDecodeError:
        raise InvalidRequest(f"{path} holds no text") from None  # its words would quote the secret


def _secret(path: str) -> str:
    """A file's first line.

    Raises:
        InvalidRequest: there is none, or more than one.
    """
    text = _file(path)
    if path and (not text.strip() or "\n" in text.rstrip("\r\n")):
        raise InvalidRequest(f"{path} must hold the secret on one line, and no more")
    return text.rstrip("\r\n")


_SERVER = Flag("server", "Have this daemon (local, or another remote) keep them instead of this client", kind=TEXT)
_WHOSE = (
    "This client shows its credentials when it asks simplestreams servers itself (lxc image list, info, export).\n"
    "A daemon that fetches images (lxc launch, lxc image copy) has its own: that is what --server local: is for.\n"
    "To have both, run the command twice.\n"
)
COMMANDS = {
    "set-credentials": Command(
        "Keep what a private image server wants to see",
        set_credentials,
        usage="<remote>|<URL>",
        minimum=1,
        maximum=1,
        flags=(
            Flag("bearer-file", "File with a bearer token (- for standard input)", kind=TEXT),
            Flag("ca", "File with the authorities that vouch for the server (PEM)", kind=TEXT),
            Flag("certificate", "File with a client certificate (PEM)", kind=TEXT),
            Flag("key", "File with its key (PEM, not encrypted)", kind=TEXT),
            Flag("password-file", "File with the user's password (- for standard input)", kind=TEXT),
            _SERVER,
            Flag("user", "User's name", kind=TEXT),
        ),
        description=(
            f"{_WHOSE}"
            "They take the place of earlier ones, are kept in a file that only its owner reads, and are sent over\n"
            "HTTPS to that server alone."
        ),
        examples=(
            ("lxc remote set-credentials corp --bearer-file token", "For this client"),
            ("lxc remote set-credentials corp --user me --password-file - --server local:", "For the local daemon"),
        ),
    ),
    "unset-credentials": Command(
        "Forget what a private image server wants to see",
        unset_credentials,
        usage="<remote>|<URL>",
        minimum=1,
        maximum=1,
        flags=(_SERVER,),
        description=_WHOSE.rstrip(),
    ),
}
