"""How one server is told to fetch an image from another: addresses, certificate, and a secret for a private one."""

from __future__ import annotations

from azekura.client.address import quote
from azekura.errors import AzekuraError, InvalidRequest, RemoteError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from azekura.cli.progress import Progress
    from azekura.client.envelope import Record
    from azekura.client.server import Server


def addresses(server: Server) -> list[str]:
    """The addresses under which others reach a server: the one we use, then those it listens on.

    Raises:
        InvalidRequest: it listens on none.
    """
    found = [] if server.is_local else [server.url]
    for address in (server.info.get("environment") or {}).get("addresses") or ():
        url = f"https://{address}"
        if not address.startswith(":") and url not in found:
            found.append(url)
    if not found:
        raise InvalidRequest("The source server isn't listening on the network")
    return found


def certificate(server: Server) -> str:
    """The certificate (PEM) by which another server shall know this one."""
    return str((server.info.get("environment") or {}).get("certificate") or server.server_certificate or "")


def secret_for(server: Server, fingerprint: str) -> str:
    """A word that opens a private image to one who has no other right to it."""
    operation = server.start("POST", f"images/{quote(fingerprint)}/secret", {})
    return str((operation.record.get("metadata") or {}).get("secret", ""))


def remote_source(server: Server, image: Record, name: str, *, by_alias: bool) -> Record:
    """The ``source`` of a request to another server. An image that anybody may see is asked for by the name the user
    gave, which is how that server knows later what to keep up to date."""
    source: Record = {
        "type": "image",
        "mode": "pull",
        "protocol": "lxd",
        "server": addresses(server)[0],
        "certificate": certificate(server),
    }
    if image.get("public"):
        source["alias" if by_alias else "fingerprint"] = name if by_alias else image["fingerprint"]
    else:
        source["fingerprint"] = image["fingerprint"]
        source["secret"] = secret_for(server, image["fingerprint"])
    return source


def try_each(target: Server, path: str, order: Record, urls: list[str], progress: Progress | None, what: str) -> Record:
    """Send ``order`` with each address as its source's server until one is reached.

    Raises:
        RemoteError: none was, with the reason for each.
    """
    failures: list[tuple[str, AzekuraError]] = []
    for url in urls:
        order["source"]["server"] = url
        try:
            return target.run("POST", path, order, watcher=progress)
        except RemoteError as exc:
            failures.append((url, exc))
            if "connect" not in str(exc).lower():
                break
    if len(failures) == 1:
        raise RemoteError(f"{what}: {failures[0][1]}") from failures[0][1]
    raise RemoteError(f"{what}:\n" + "\n".join(f" - {url}: {error}" for url, error in failures)) from failures[-1][1]
