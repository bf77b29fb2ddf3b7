"""From what a user calls an image to its fingerprint and record."""

from __future__ import annotations

from azekura.client.address import quote
from azekura.errors import AzekuraError, ConnectionFailed, InvalidRequest

TYPE_CHECKING = False
if TYPE_CHECKING:
    from azekura.client.envelope import Record
    from azekura.client.server import Server

DEFAULT_ALIAS = "default"  # what `remote:` without a name means


def dereference(server: Server, name: str, *, kind: str = "") -> str:
    """An alias's target; any other name is taken for a fingerprint, or the beginning of one, as it is.

    The alias wins, as with LXD. ``kind`` looks at aliases of that instance type only.

    Raises:
        ConnectionFailed: no server.
    """
    entry = alias_entry(server, name)
    if entry is None or (kind and entry.get("type") != kind):
        return name or DEFAULT_ALIAS
    return str(entry["target"])


def alias_entry(server: Server, name: str) -> Record | None:
    """The entry of an alias, None where there is none of that name.

    Raises:
        ConnectionFailed: no server.
    """
    try:
        entry: Record = server.get(f"images/aliases/{quote(name or DEFAULT_ALIAS)}")
    except ConnectionFailed:
        raise
    except AzekuraError:
        return None
    return entry


def fetch(server: Server, name: str, *, kind: str = "") -> tuple[Record, str]:
    """The record of an image and its ETag.

    Raises:
        NotFound: ``Image not found``.
    """
    record, etag = server.get_with_etag(f"images/{quote(dereference(server, name, kind=kind))}")
    return record, etag


def aliases_by_name(server: Server) -> dict[str, Record]:
    """All aliases of a server."""
    return {str(entry["name"]): entry for entry in server.get("images/aliases", {"recursion": "1"})}


def point_aliases(server: Server, names: list[str], fingerprint: str) -> None:
    """Make every name stand for an image, moving those that stand for another one.

    LXD's client deletes the old alias first, so that for a moment there is none; here it is changed in place.
    """
    if not names:
        return
    existing = aliases_by_name(server)
    for name in names:
        entry = existing.get(name)
        if entry is None:
            server.post("images/aliases", {"name": name, "description": "", "target": fingerprint})
        elif entry.get("target") != fingerprint:
            change = {"description": entry.get("description", ""), "target": fingerprint}
            server.put(f"images/aliases/{quote(name)}", change)


def need_name(name: str, message: str) -> str:
    """
    Raises:
        InvalidRequest: nothing is named.
    """
    if not name:
        raise InvalidRequest(message)
    return name
