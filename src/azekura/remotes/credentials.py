"""What a remote wants to see from us, and the file that holds it.

Credentials never show: ``repr`` hides them, no message or URL holds them, and :mod:`azekura.remotes.http` sends them to
the remote's own origin alone, and only over TLS.
"""

from __future__ import annotations

import base64
import json
import os
import stat
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from azekura.errors import HostError, InvalidRequest

_VERSION = 1


@dataclass(frozen=True, slots=True)
class Bearer:
    """``Authorization: Bearer …`` (RFC 6750)."""

    token: str = field(repr=False)

    def header(self) -> str:
        return f"Bearer {self.token}"


@dataclass(frozen=True, slots=True)
class Basic:
    """``Authorization: Basic …`` (RFC 7617)."""

    user: str = field(repr=False)
    password: str = field(repr=False)

    def header(self) -> str:
        return "Basic " + base64.b64encode(f"{self.user}:{self.password}".encode()).decode()


@dataclass(frozen=True, slots=True)
class ClientCertificate:
    """A certificate and its unencrypted key, both as PEM text."""

    certificate_pem: str = field(repr=False)
    key_pem: str = field(repr=False)

    @classmethod
    def from_files(cls, certificate: Path, key: Path) -> ClientCertificate:
        """Read both from files.

        Raises:
            HostError: one can't be read.
        """
        try:
            return cls(certificate.read_text("ascii"), key.read_text("ascii"))
        except (OSError, ValueError) as exc:
            raise HostError(f"Can't read the client certificate {certificate} or its key") from exc


@dataclass(frozen=True, slots=True)
class Credentials:
    """All that one remote gets. ``ca_pem`` is public, but belongs to the same remote."""

    authorization: Bearer | Basic | None = field(default=None, repr=False)
    client: ClientCertificate | None = field(default=None, repr=False)
    ca_pem: str = field(default="", repr=False)

    def __post_init__(self) -> None:
        words: tuple[str, ...]
        match self.authorization:
            case Bearer(token):
                words = (token,)
            case Basic(user, password):
                words = (user, password)
                if ":" in user:
                    raise InvalidRequest("A user name for basic authentication can't hold a colon")
            case None:
                return
        if not words[0] or not all(word.isprintable() for word in words) or not words[0].isascii():
            raise InvalidRequest("Credentials must be printable and not empty")


class CredentialStore:
    """A JSON file of mode 0600 with the credentials of all remotes, by name or URL. One small file, rewritten whole.

    Every method raises HostError when the file can't be used: unreadable, damaged, or open to others than its owner.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def load(self, remote: str) -> Credentials | None:
        """What is kept for ``remote``; None if nothing is."""
        raw = self._read().get(remote)
        return None if raw is None else _from_json(raw)

    def names(self) -> list[str]:
        """The remotes that something is kept for."""
        return sorted(self._read())

    def save(self, remote: str, credentials: Credentials) -> None:
        """Keep ``credentials`` for ``remote``, in place of earlier ones."""
        self._write({**self._read(), remote: _to_json(credentials)})

    def remove(self, remote: str) -> None:
        """Forget what is kept for ``remote``, if anything."""
        kept = self._read()
        if kept.pop(remote, None) is not None:
            self._write(kept)

    def _read(self) -> dict[str, Any]:
        try:
            descriptor = os.open(self._path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
        except FileNotFoundError:
            return {}
        except OSError as exc:
            raise HostError(f"Can't read the credentials in {self._path}: {exc.strerror}") from exc
        with os.fdopen(descriptor, "rb") as file:
            status = os.fstat(file.fileno())
            if stat.S_IMODE(status.st_mode) & 0o077 or status.st_uid not in (0, os.geteuid()):
                raise HostError(
                    f"{self._path} holds credentials and is open to other users", hint=f"chmod 600 {self._path}"
                )
            try:
                document = json.loads(file.read())
                remotes = document["remotes"]
                if document["version"] != _VERSION or not isinstance(remotes, dict):
                    raise ValueError
            except (ValueError, KeyError, TypeError, RecursionError):
                # no "from": the fault's text would quote the file
                raise HostError(f"The file of credentials {self._path} is damaged") from None
        return dict(remotes)

    def _write(self, remotes: Mapping[str, Any]) -> None:
        draft = self._path.with_name(f".{self._path.name}.{os.getpid()}.{os.urandom(4).hex()}")
        try:
            self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
            try:
                with os.fdopen(descriptor, "wb") as file:
                    file.write(json.dumps({"version": _VERSION, "remotes": dict(remotes)}, indent=1).encode())
                    file.flush()
                    os.fsync(file.fileno())
                draft.replace(self._path)
            except BaseException:
                with suppress(OSError):
                    draft.unlink()
                raise
        except OSError as exc:
            raise HostError(f"Can't write the credentials to {self._path}: {exc.strerror}") from exc


def _to_json(credentials: Credentials) -> dict[str, Any]:
    raw: dict[str, Any] = {}
    match credentials.authorization:
        case Bearer(token):
            raw["bearer"] = token
        case Basic(user, password):
            raw["basic"] = [user, password]
        case None:
            pass
    if credentials.client:
        raw["client"] = [credentials.client.certificate_pem, credentials.client.key_pem]
    if credentials.ca_pem:
        raw["ca"] = credentials.ca_pem
    return raw


def _from_json(raw: Any) -> Credentials:
    try:
        authorization: Bearer | Basic | None = None
        if "bearer" in raw:
            authorization = Bearer(str(raw["bearer"]))
        elif "basic" in raw:
            user, password = map(str, raw["basic"])
            authorization = Basic(user, password)
        client = None
        if "client" in raw:
            certificate, key = map(str, raw["client"])
            client = ClientCertificate(certificate, key)
        return Credentials(authorization, client, str(raw.get("ca", "")))
    except (ValueError, TypeError, AttributeError, InvalidRequest):
        raise HostError("The credentials kept for this remote are damaged", hint="set them again") from None
