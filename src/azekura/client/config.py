"""The client's own settings: LXD's ``config.yml`` with its remotes and aliases, certificates, the socket's place.

Paths and rules are LXD's: ``$LXD_CONF`` or ``~/.config/lxc``, a global file in ``$LXD_GLOBAL_CONF`` or ``/etc/lxd``,
``$LXC_REMOTE`` over the default remote, ``$LXD_SOCKET`` and ``$LXD_DIR`` for the local daemon. Keys that we don't
know are kept.
"""

from __future__ import annotations

import os

from azekura.errors import AzekuraError, HostError, InvalidRequest, NotFound

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from azekura.client.server import Server

DEFAULT_STATE_FOLDER = "/var/lib/azekura"


class Remote:
    """A server the user has a name for. ``addr`` as written in the file; ``extra`` holds the keys we don't know."""

    __slots__ = ("addr", "auth_type", "extra", "is_global", "project", "protocol", "public", "static")

    def __init__(
        self,
        addr: str,
        *,
        protocol: str = "",
        public: bool = False,
        project: str = "",
        auth_type: str = "",
        static: bool = False,
        is_global: bool = False,
        extra: dict[str, Any] | None = None,
    ) -> None:
        self.addr = addr
        self.protocol = protocol
        self.public = public
        self.project = project
        self.auth_type = auth_type
        self.static = static
        self.is_global = is_global
        self.extra = extra or {}

    @property
    def is_simplestreams(self) -> bool:
        return self.protocol == "simplestreams"

    def record(self) -> dict[str, Any]:
        """As it stands in the file, in LXD's order of keys."""
        record: dict[str, Any] = {"addr": self.addr}
        for key in ("auth_type", "project", "protocol"):
            if getattr(self, key):
                record[key] = getattr(self, key)
        record["public"] = self.public
        if self.is_global:
            record["global"] = True
        if self.static:
            record["static"] = True
        record.update(self.extra)
        return record

    @classmethod
    def from_record(cls, record: dict[str, Any], *, is_global: bool = False) -> Remote:
        known = {"addr", "auth_type", "project", "protocol", "public", "global", "static"}
        return cls(
            str(record.get("addr") or ""),
            protocol=str(record.get("protocol") or ""),
            public=bool(record.get("public")),
            project=str(record.get("project") or ""),
            auth_type=str(record.get("auth_type") or ""),
            is_global=is_global,
            extra={key: value for key, value in record.items() if key not in known},
        )


def built_in_remotes() -> dict[str, Remote]:
    """What every client knows; all but ``images`` can't be changed."""
    ubuntu = "https://cloud-images.ubuntu.com"
    return {
        "images": Remote("https://images.lxd.canonical.com", protocol="simplestreams", public=True),
        "local": Remote("unix://", static=True),
        "ubuntu": Remote(f"{ubuntu}/releases", protocol="simplestreams", public=True, static=True),
        "ubuntu-daily": Remote(f"{ubuntu}/daily", protocol="simplestreams", public=True, static=True),
    }


class Config:
    """The settings as loaded from ``folder``."""

    def __init__(self, folder: str) -> None:
        self.folder = folder
        self.default_remote = "local"
        self.remotes: dict[str, Remote] = {}
        self.aliases: dict[str, str] = {}
        self.extra: dict[str, Any] = {}
        self.is_new = True  # there was no file

    @property
    def path(self) -> str:
        return f"{self.folder}/config.yml"

    @classmethod
    def load(cls, folder: str | None = None) -> Config:
        """
        Raises:
            InvalidRequest: a file that isn't what it should be.
            HostError: a file that can't be read.
        """
        config = cls(folder or config_folder())
        record = _read(config.path)
        built_in = built_in_remotes()
        if record is None:
            config.remotes = built_in
        else:
            config.is_new = False
            config._take(record)
        shared = _read(f"{os.environ.get('LXD_GLOBAL_CONF') or '/etc/lxd'}/config.yml") or {}
        for name, entry in (shared.get("remotes") or {}).items():
            config.remotes.setdefault(name, Remote.from_record(entry, is_global=True))
        for name, alias in (shared.get("aliases") or {}).items():
            config.aliases.setdefault(name, str(alias))
        for name, remote in built_in.items():
            if remote.static:
                if name in config.remotes:
                    remote.project = config.remotes[name].project
                config.remotes[name] = remote
        config.default_remote = os.environ.get("LXC_REMOTE") or config.default_remote or "local"
        return config

    def _take(self, record: dict[str, Any]) -> None:
        remotes, aliases = record.get("remotes") or {}, record.get("aliases") or {}
        if not isinstance(remotes, dict) or not isinstance(aliases, dict):
            raise InvalidRequest(f"{self.path}: remotes and aliases must be maps")
        for name, entry in remotes.items():
            if not isinstance(entry, dict):
                raise InvalidRequest(f"{self.path}: the remote {name} must be a map")
            self.remotes[str(name)] = Remote.from_record(entry)
        self.aliases = {str(name): str(value) for name, value in aliases.items()}
        self.default_remote = str(record.get("default-remote") or "local")
        known = ("default-remote", "remotes", "aliases")
        self.extra = {key: value for key, value in record.items() if key not in known}

    def save(self) -> None:
        """Write the file: whole, then renamed. Static and global remotes stay out.

        Raises:
            HostError: it can't be written.
        """
        from azekura.client.config_file import dump

        kept = {
            name: remote.record()
            for name, remote in self.remotes.items()
            if name == "local" or not (remote.static or remote.is_global)
        }
        kept.get("local", {}).pop("static", None)
        record = {
            "default-remote": self.default_remote,
            "remotes": dict(sorted(kept.items())),
            "aliases": dict(sorted(self.aliases.items())),
            **self.extra,
        }
        try:
            os.makedirs(self.folder, mode=0o750, exist_ok=True)
            temporary = f"{self.path}.{os.getpid()}.new"
            with open(temporary, "w", encoding="utf-8", opener=lambda path, flags: os.open(path, flags, 0o600)) as file:
                file.write(dump(record))
            os.rename(temporary, self.path)
        except OSError as exc:
            raise HostError(f"Can't save {self.path}: {exc.strerror or exc}") from exc

    def keep_local_only(self) -> None:
        """Forget every remote but the local daemon."""
        self.remotes = {"local": built_in_remotes()["local"]}
        self.default_remote = "local"

    # -- names

    def split(self, text: str) -> tuple[str, str]:
        """``[remote:]name`` as (remote, name).

        Raises:
            NotFound: no remote of that name.
        """
        remote, colon, name = text.partition(":")
        if not colon:
            return self.default_remote, text
        if remote not in self.remotes:
            raise NotFound("remote", remote, message=f'The remote "{remote}" doesn\'t exist')
        return remote, name

    def remote(self, name: str) -> Remote:
        """
        Raises:
            NotFound: no remote of that name.
        """
        try:
            return self.remotes[name]
        except KeyError:
            raise NotFound("remote", name, message=f'The remote "{name}" doesn\'t exist') from None

    # -- files

    def file(self, name: str) -> str | None:
        """The text of a file in the folder; None when there is none.

        Raises:
            HostError: there is one, but it can't be read.
        """
        try:
            with open(f"{self.folder}/{name}", encoding="utf-8") as file:
                return file.read()
        except FileNotFoundError:
            return None
        except (OSError, UnicodeDecodeError) as exc:
            raise HostError(f"Can't read {self.folder}/{name}: {exc}") from exc

    def server(self, name: str, *, project: str | None = None) -> Server:
        """The server behind a remote, by LXD's protocol.

        Raises:
            NotFound: no such remote.
            InvalidRequest: it speaks another protocol than LXD's.
        """
        from azekura import __version__
        from azekura.client.server import Server

        remote = self.remote(name)
        project = project or remote.project or None
        if remote.addr.startswith("unix:"):
            path = remote.addr[len("unix:") :]
            path = path.removeprefix("//")
            return Server(f"unix://{path or socket_path()}", project=project, user_agent=f"Azekura {__version__}")
        if remote.is_simplestreams:
            raise InvalidRequest("The remote isn't a private LXD server")
        return Server(
            remote.addr,
            certificate=None if remote.public else self.file("client.crt"),
            key=None if remote.public else self.file("client.key"),
            server_certificate=self.file(f"servercerts/{name}.crt"),
            project=project,
            user_agent=f"Azekura {__version__}",
        )


def config_folder() -> str:
    """``$LXD_CONF``, or ``lxc`` in the user's configuration folder."""
    folder = os.environ.get("LXD_CONF")
    return folder.rstrip("/") if folder else os.path.expanduser("~/.config/lxc")


def socket_path() -> str:
    """Where the local daemon listens."""
    if path := os.environ.get("LXD_SOCKET"):
        return path
    if folder := os.environ.get("LXD_DIR"):
        return f"{folder.rstrip('/')}/unix.socket"
    system = f"{DEFAULT_STATE_FOLDER}/unix.socket"
    if os.geteuid() == 0 or os.path.exists(system):
        return system
    state = os.environ.get("XDG_STATE_HOME") or os.path.expanduser("~/.local/state")
    return f"{state}/azekura/unix.socket"


def _read(path: str) -> dict[str, Any] | None:
    try:
        with open(path, encoding="utf-8") as file:
            text = file.read()
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError) as exc:
        raise HostError(f"Can't read {path}: {exc}") from exc
    from azekura.client.config_file import parse

    try:
        return parse(text)
    except AzekuraError as exc:
        raise InvalidRequest(f"{path}: {exc}") from exc
