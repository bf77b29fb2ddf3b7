"""The servers that images come from, as the administrator wants them asked."""

from __future__ import annotations

import fnmatch
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from azekura.client.proxy import Proxies
from azekura.model.architecture import runnable
from azekura.model.source import Protocol
from azekura.remotes import open_server
from azekura.remotes.credentials import Basic, Credentials, CredentialStore
from azekura.remotes.policy import DownloadPolicy, SignatureRule, SigningPolicy
from azekura.remotes.port import ImageServer
from azekura.remotes.urls import Url, split_userinfo
from azekura.services.depot import Depot
from azekura.services.settings import Settings


@dataclass(frozen=True, slots=True)
class RemoteReference:
    """An image somewhere else. ``reference`` is an alias, a fingerprint or the beginning of one."""

    server: str
    protocol: Protocol
    reference: str
    certificate: str = ""
    secret: str = ""
    image_type: str = "container"
    architectures: Sequence[str] = field(default_factory=runnable)
    given: Credentials | None = field(default=None, repr=False)  # for this once; kept when they were of use


def server_for(
    depot: Depot,
    reference: RemoteReference,
    warn: Callable[[str], None] | None = None,
    patience: Mapping[str, Any] | None = None,
) -> ImageServer:
    """The image server behind a reference, by the administrator's settings and with the credentials kept for it.

    ``patience``: fields of the ``DownloadPolicy`` that are not the defaults.

    Raises:
        InvalidRequest: an unusable URL.
        HostError: the credentials can't be read.
    """
    settings = Settings(depot.catalog)
    allowed = [part.strip() for part in settings.get("images.allowed_servers").split(",") if part.strip()]

    def allow_host(host: str) -> bool:
        return any(fnmatch.fnmatchcase(host.lower(), pattern.lower()) for pattern in allowed)

    url = Url.parse(split_userinfo(reference.server)[0])
    said = settings.of_host(url.origin.host)
    policy = DownloadPolicy(
        allow_host=allow_host if allowed else None,
        proxies=proxies(settings),
        **(patience or {}),
    )
    return open_server(
        reference.server,
        reference.protocol,
        credentials=_credentials(depot, reference),
        certificate_pem=reference.certificate or None,
        ca_pem=said["ca"] or None,
        secret=reference.secret or None,
        policy=policy,
        cache_dir=depot.folder.cache,
        architectures=tuple(reference.architectures),
        mirrors=[f"{mirror.rstrip('/')}{url.path}" for mirror in said["mirrors"].split()],
        signing=_signing(said["signing"], said["signing_key"]),
        warn=warn,
    )


def proxies(settings: Settings) -> Proxies:
    """The proxies that the administrator wants used, or else the daemon's environment names."""
    return Proxies.of(
        settings.get("core.proxy_http"), settings.get("core.proxy_https"), settings.get("core.proxy_ignore_hosts")
    )


def _signing(rule: str, key: str) -> SigningPolicy:
    """A key alone means that everything must be signed with it."""
    keys = (key.encode(),) if key else ()
    return SigningPolicy(SignatureRule(rule) if rule else SignatureRule.REQUIRED if key else SignatureRule.OFF, keys)


def without_credentials(reference: RemoteReference) -> RemoteReference:
    """The reference with a clean URL; a name and password in it become its ``given`` credentials."""
    clean, user, password = split_userinfo(reference.server)
    given = Credentials(Basic(user, password)) if user or password else reference.given
    return replace(reference, server=clean, given=given)


def keep_credentials(depot: Depot, reference: RemoteReference) -> None:
    """What was given in the URL has proved right: keep it in the credentials file, for later refreshes."""
    if reference.given is None:
        return
    store, name = CredentialStore(depot.folder.credentials), kept_name(reference.server)
    before = store.load(name) or Credentials()
    now = replace(before, authorization=reference.given.authorization)
    if now != before:
        store.save(name, now)


def kept_name(url: str) -> str:
    """The name under which credentials for a server's URL are kept.

    Raises:
        InvalidRequest: an unusable URL, or one with credentials in it.
    """
    return Url.parse(url).shown.rstrip("/")


def _credentials(depot: Depot, reference: RemoteReference) -> Credentials | None:
    """What was given, else what is kept for the URL or the nearest folder above it."""
    store = CredentialStore(depot.folder.credentials)
    name = kept_name(reference.server)
    origin = str(Url.parse(name).origin)
    kept = None
    while kept is None and name.startswith(origin):
        kept = store.load(name)
        name = name.rpartition("/")[0]
    if reference.given is None:
        return kept
    return replace(kept or Credentials(), authorization=reference.given.authorization)
