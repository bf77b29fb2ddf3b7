"""Choosing the implementation for a remote's protocol."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from azekura import __version__
from azekura.errors import InvalidRequest
from azekura.model.source import Protocol
from azekura.remotes.credentials import Basic, Credentials
from azekura.remotes.policy import DownloadPolicy, SigningPolicy
from azekura.remotes.port import ImageServer
from azekura.remotes.trust import Trust
from azekura.remotes.urls import Url, split_userinfo


def open_server(
    url: str,
    protocol: Protocol,
    *,
    credentials: Credentials | None = None,
    certificate_pem: str | None = None,
    ca_pem: str | None = None,
    policy: DownloadPolicy | None = None,
    cache_dir: Path | None = None,
    user_agent: str = f"azekura {__version__}",
    server_version: str = "5.0.2",
    architectures: Sequence[str] = (),
    mirrors: Sequence[str] = (),
    signing: SigningPolicy | None = None,
    secret: str | None = None,
    project: str | None = None,
    warn: Callable[[str], None] | None = None,
) -> ImageServer:
    """The server at ``url``. No packet is sent yet.

    Args:
        url: userinfo in it is taken for basic credentials, unless ``credentials`` are given, and kept nowhere else.
        credentials: for this URL's origin alone.
        certificate_pem: the pinned certificate of the server (or of the CA that signed it).
        ca_pem: CAs to trust in place of the system's.
        policy: patience and limits; the defaults of ``DownloadPolicy`` where None.
        cache_dir: where simplestreams' indexes are kept, for all servers together; None: in memory.
        user_agent: as LXD's, where servers sort clients by it.
        server_version: sent as ``LXD-Server-Version`` (direct).
        architectures: canonical names that images can run on here, native first.
        mirrors: other base URLs that hold the same; for LXD other addresses of the same server.
        signing: whether simplestreams documents must be signed, and by whom.
        secret: opens one private image of an LXD server, once.
        project: of an LXD server.
        warn: told in one sentence what went wrong and was got over.

    Raises:
        InvalidRequest: an unusable URL; plain HTTP together with credentials, or for a direct URL.
    """
    policy = policy or DownloadPolicy()
    clean, user, password = split_userinfo(url)
    if (user or password) and (credentials is None or credentials.authorization is None):
        kept = credentials or Credentials()
        credentials = Credentials(Basic(user, password), kept.client, kept.ca_pem)
    base = Url.parse(clean)
    others = [Url.parse(split_userinfo(mirror)[0]) for mirror in mirrors]
    if base.origin.scheme != "https" and credentials and (credentials.authorization or credentials.client):
        raise InvalidRequest(
            f"The credentials for {base.origin} are not sent over plain HTTP", hint="use its https:// URL"
        )
    if base.origin.scheme == "https" and any(other.origin.scheme != "https" for other in others):
        raise InvalidRequest(f"The mirrors of {base.origin} must be https:// URLs, as its own is")
    trust = Trust(certificate_pem or None, ca_pem or None, credentials)
    if trust.pin_pem:
        trust.pin  # noqa: B018 - raises if it is no certificate
    match protocol:
        case Protocol.LXD:
            from azekura.remotes.lxd import LxdServer

            return LxdServer(base, trust, policy, user_agent, addresses=others, secret=secret, project=project)
        case Protocol.SIMPLESTREAMS:
            from azekura.remotes.simplestreams import SimplestreamsServer

            return SimplestreamsServer(
                base,
                trust,
                policy,
                user_agent,
                architectures=architectures,
                mirrors=others,
                cache_dir=cache_dir,
                signing=signing,
                warn=warn,
            )
        case Protocol.DIRECT:
            from azekura.remotes.direct import DirectServer

            if base.origin.scheme != "https":
                raise InvalidRequest("Only https:// is supported for remote image import")
            return DirectServer(
                base, trust, policy, user_agent, server_version=server_version, architectures=architectures
            )
