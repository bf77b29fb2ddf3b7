"""The server's settings: one table of keys, each with its check (docs/settings.md is tested against it)."""

from __future__ import annotations

import hashlib
import ipaddress
import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from azekura.catalog import Catalog
from azekura.errors import AzekuraError, InvalidRequest
from azekura.formats.compression import parse_algorithm
from azekura.model.architecture import canonical
from azekura.model.lifespan import end_of
from azekura.remotes.urls import split_userinfo
from azekura.services.source_checks import (
    check_certificates,
    check_host,
    check_mirrors,
    check_openpgp,
    check_proxy,
)


@dataclass(frozen=True, slots=True)
class Setting:
    """``check`` raises ValueError with LXD's reason for a value that can't be."""

    key: str
    default: str
    summary: str
    check: Callable[[str], None]
    secret: bool = False


LONGEST_SPAN = 1_000_000
_INTEGER = re.compile(r"[+-]?\d{1,19}", re.ASCII)


def _any(_: str) -> None:
    pass


def _integer(value: str) -> None:
    if not _INTEGER.fullmatch(value):
        raise ValueError("invalid integer")


def _span(value: str) -> None:
    """Days, hours or minutes: what a date can be moved by."""
    _integer(value)
    if abs(int(value)) > LONGEST_SPAN:
        raise ValueError(f"at most {LONGEST_SPAN}")


def _lifespan(value: str) -> None:
    try:
        end_of(value, datetime(2000, 1, 1, tzinfo=UTC))
    except InvalidRequest as exc:
        raise ValueError(exc.message) from exc


def _bytes(value: str) -> None:
    _integer(value)
    if int(value) < 0:
        raise ValueError("a size can't be negative")


def _boolean(value: str) -> None:
    if value.lower() not in ("true", "false", "1", "0", "yes", "no", "on", "off"):
        raise ValueError("invalid boolean")


def _architecture(value: str) -> None:
    canonical(value)


def _compression(value: str) -> None:
    parse_algorithm(value)


def _addresses(value: str) -> None:
    for address in split_addresses(value):
        parse_address(address)


def _one_of(*words: str) -> Callable[[str], None]:
    def check(value: str) -> None:
        if value not in words:
            raise ValueError(f'Invalid value "{value}" (not one of [{" ".join(words)}])')

    return check


DEFAULT_PORT = 8443

SETTINGS = {
    setting.key: setting
    for setting in (
        Setting("core.https_address", "", "Addresses for the network, comma-separated; empty: none", _addresses),
        Setting("core.trust_password", "", "Password with which clients may add themselves", _any, secret=True),
        Setting("core.proxy_http", "", "Proxy for plain HTTP downloads; empty: the environment's", check_proxy),
        Setting("core.proxy_https", "", "Proxy for HTTPS downloads; empty: the environment's", check_proxy),
        Setting("core.proxy_ignore_hosts", "", "Hosts reached without the proxy, comma-separated", _any),
        Setting("core.remote_token_expiry", "1d", "How long a join token is good, as 2H or 1w 3d", _lifespan),
        Setting("core.server_name", "", "What this server calls itself; empty: the host's name", _any),
        Setting("core.shutdown_timeout", "5", "Minutes that containers have to stop at shutdown", _span),
        Setting("images.auto_update_cached", "true", "Keep downloaded images fresh", _boolean),
        Setting("images.auto_update_interval", "6", "Hours between two looks for newer images; 0: never", _span),
        Setting("images.compression_algorithm", "zstd", "How published images are compressed", _compression),
        Setting("images.default_architecture", "", "Architecture assumed where none is said", _architecture),
        Setting("images.remote_cache_expiry", "10", "Days an unused cached image is kept; 0: for ever", _span),
        Setting("images.allowed_servers", "", "Hosts images may come from, patterns; empty: any", _any),
        Setting(
            "images.undelete_hours",
            "24",
            "Hours in which a deleted image can be brought back; with an instance on it: always",
            _span,
        ),
        Setting("images.serve_simplestreams", "true", "Offer public images over simplestreams too", _boolean),
        Setting("images.size_limit", "", "Largest image accepted, in bytes; empty: no limit", _bytes),
        Setting(
            "storage.mount_squashfs",
            "trusted",
            "Whether the kernel mounts a squashfs image as it is: trusted, always or never",
            _one_of("trusted", "always", "never"),
        ),
    )
}


HOST_PREFIX = "images.server."
HOST_SETTINGS = {
    setting.key.rpartition(".")[2]: setting
    for setting in (
        Setting(f"{HOST_PREFIX}HOST.ca", "", "Authorities (PEM) to trust for it, not the system's", check_certificates),
        Setting(f"{HOST_PREFIX}HOST.mirrors", "", "URLs that stand for https://HOST, blank-separated", check_mirrors),
        Setting(
            f"{HOST_PREFIX}HOST.signing",
            "",
            "Whether its index must be signed: required, if-present or off; empty: required if there is a key",
            _one_of("required", "if-present", "off"),
        ),
        Setting(f"{HOST_PREFIX}HOST.signing_key", "", "OpenPGP key that signs its index, armoured", check_openpgp),
    )
}
"""What can be said about each server that images come from, by the last part of the key."""


def find_setting(key: str) -> Setting | None:
    """The setting of that key, if there is one; ``images.server.HOST.*`` are there for every host.

    Raises:
        ValueError: no host's name.
    """
    if key.startswith(HOST_PREFIX):
        host, _, name = key.removeprefix(HOST_PREFIX).rpartition(".")
        if name in HOST_SETTINGS:
            check_host(host)
            return HOST_SETTINGS[name]
    return SETTINGS.get(key)


def split_addresses(value: str) -> list[str]:
    """``core.https_address`` may name several, separated by commas."""
    return [part.strip() for part in value.split(",") if part.strip()]


def parse_address(text: str) -> tuple[str, int]:
    """``[::]:8443``, ``host``, ``host:port``, ``:port`` as host and port; an empty host means every address.

    Raises:
        ValueError: in one sentence.
    """
    host, port = text, ""
    if text.startswith("["):
        host, bracket, rest = text[1:].partition("]")
        if not bracket or (rest and not rest.startswith(":")):
            raise ValueError(f'invalid address "{text}"')
        port = rest[1:]
    elif text.count(":") == 1:
        host, _, port = text.partition(":")
    elif ":" in text:
        ipaddress.ip_address(text)  # a bare IPv6 address
    number = int(port) if port.isascii() and port.isdigit() else (DEFAULT_PORT if not port else -1)
    if not 0 <= number <= 65535:
        raise ValueError(f'invalid port in address "{text}"')
    return host, number


def _presentable(value: str) -> str:
    """A value for a message: short, on one line, and without a password."""
    shown = split_userinfo(value)[0]
    return shown if len(shown) <= 200 and shown.isprintable() else f"{shown[:20].splitlines()[0]}…"


def truth(value: str) -> bool:
    """A boolean setting's value as LXD reads it."""
    return value.lower() in ("true", "1", "yes", "on")


def hash_password(password: str) -> str:
    """``core.trust_password`` as it is kept: scrypt with its salt (N=2^14, r=8, p=1)."""
    salt = os.urandom(32)
    return salt.hex() + hashlib.scrypt(password.encode(), salt=salt, n=1 << 14, r=8, p=1, dklen=64).hex()


def password_matches(stored: str, password: str) -> bool:
    """Compare in constant time."""
    if not stored:
        return False
    salt, digest = bytes.fromhex(stored[:64]), bytes.fromhex(stored[64:])
    given = hashlib.scrypt(password.encode(), salt=salt, n=1 << 14, r=8, p=1, dklen=64)
    return _equal(given, digest)


def _equal(one: bytes, other: bytes) -> bool:
    import hmac

    return hmac.compare_digest(one, other)


class Settings:
    """Reads and changes the settings in the catalog."""

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog

    def get(self, key: str) -> str:
        """The value in force: what was set, else the default."""
        with self._catalog.read() as tx:
            value = tx.settings.get(key)
        return value if value else SETTINGS[key].default

    def of_host(self, host: str) -> dict[str, str]:
        """What was said about a server images come from: ``ca``, ``mirrors``, ``signing``, ``signing_key``."""
        prefix = f"{HOST_PREFIX}{host}."
        with self._catalog.read() as tx:
            return {name: tx.settings.get(prefix + name) for name in HOST_SETTINGS}

    def number(self, key: str) -> int:
        return int(self.get(key))

    def flag(self, key: str) -> bool:
        return truth(self.get(key))

    def shown(self) -> dict[str, str]:
        """What was set, as the API shows it: secrets only as ``true``."""
        with self._catalog.read() as tx:
            stored = tx.settings.all()
        return {
            key: "true" if key in SETTINGS and SETTINGS[key].secret else value for key, value in sorted(stored.items())
        }

    def stored(self) -> dict[str, str]:
        """What was set, as it is kept: not for anybody's eyes."""
        with self._catalog.read() as tx:
            return dict(tx.settings.all())

    def restore(self, values: Mapping[str, str | None]) -> None:
        """Put back what :meth:`stored` said."""
        with self._catalog.write() as tx:
            tx.settings.set(dict(values))

    def check(self, wanted: Mapping[str, str]) -> None:
        """Raises:
        InvalidRequest: an unknown key or a bad value, in LXD's words.
        """
        for key, value in wanted.items():
            if key.startswith("user."):
                continue
            shown = _presentable(value)
            try:
                setting = find_setting(key)
                if setting is not None and setting.secret:
                    shown = "***"
                if setting is not None and value:
                    setting.check(value)
            except (ValueError, AzekuraError) as exc:
                raise InvalidRequest(f"cannot set '{key}' to '{shown}': {exc}") from exc
            if setting is None:
                raise InvalidRequest(f"cannot set '{key}' to '{shown}': unknown key")

    def change(self, wanted: Mapping[str, str], *, replace: bool) -> dict[str, str]:
        """Set ``wanted`` (an empty value unsets); ``replace`` unsets all other keys. Returns what really changed.

        Raises:
            InvalidRequest: nothing was changed then.
        """
        with self._catalog.read() as tx:
            stored = tx.settings.all()
        changes: dict[str, str] = {}
        for key, value in wanted.items():
            secret = key in SETTINGS and SETTINGS[key].secret
            if secret and value == "true" and stored.get(key):
                continue  # what GET showed, sent back
            if value != stored.get(key, "") or key not in SETTINGS:
                changes[key] = value
        if replace:
            changes.update({key: "" for key in stored if key not in wanted})
        self.check(changes)
        changes = {key: value for key, value in changes.items() if value != stored.get(key, "")}
        with self._catalog.write() as tx:
            tx.settings.set(
                {
                    key: None if not value else hash_password(value) if key == "core.trust_password" else value
                    for key, value in changes.items()
                }
            )
        return changes
