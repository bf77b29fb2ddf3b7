"""Credentials that this server shows to others when it fetches images: set by the administrator, never shown again."""

from __future__ import annotations

from collections.abc import Sequence

from azekura.errors import InvalidRequest, NotFound
from azekura.remotes.credentials import Credentials, CredentialStore
from azekura.remotes.trust import Trust
from azekura.remotes.urls import Url
from azekura.services.depot import Depot
from azekura.services.images.sources import kept_name


def kept_servers(depot: Depot) -> Sequence[str]:
    """The URLs of servers that credentials are kept for."""
    return CredentialStore(depot.folder.credentials).names()


def set_credentials(depot: Depot, server: str, credentials: Credentials) -> str:
    """Keep ``credentials`` for what lies at ``server`` and below, in place of earlier ones; the URL as it is kept.

    Raises:
        InvalidRequest: no https:// URL, nothing to keep, or a certificate that doesn't fit its key.
    """
    name = kept_name(server)
    if Url.parse(name).origin.scheme != "https":
        raise InvalidRequest("Credentials are sent over HTTPS alone: give the server's https:// URL")
    if credentials == Credentials():
        raise InvalidRequest("Give a bearer token, a user and a password, or a certificate and its key")
    Trust(None, None, credentials).context("home")  # reads certificates and key
    with depot.image_locks.hold("credentials"):
        CredentialStore(depot.folder.credentials).save(name, credentials)
    return name


def remove_credentials(depot: Depot, server: str) -> None:
    """
    Raises:
        NotFound: nothing is kept for that URL.
    """
    name = kept_name(server)
    store = CredentialStore(depot.folder.credentials)
    with depot.image_locks.hold("credentials"):
        if name not in store.names():
            raise NotFound("credentials", name, message=f"No credentials are kept for {name}")
        store.remove(name)
