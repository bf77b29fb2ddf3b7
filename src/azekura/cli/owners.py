"""Records that have a ``config`` and ``devices``: instances and profiles."""

from __future__ import annotations

from azekura.cli.instance import path_of
from azekura.client.address import quote
from azekura.errors import InvalidRequest

TYPE_CHECKING = False
if TYPE_CHECKING:
    from azekura.client.envelope import Record
    from azekura.client.server import Server


class Owner:
    """How to read and write one kind of record. ``kind`` is its name in messages and usages."""

    kind = ""
    writable: tuple[str, ...] = ()

    def fetch(self, server: Server, name: str) -> tuple[Record, str]:
        raise NotImplementedError

    def save(self, server: Server, name: str, record: Record, etag: str | None) -> None:
        raise NotImplementedError

    def writable_part(self, record: Record) -> Record:
        """What of the record may be written."""
        return {key: record[key] for key in self.writable if key in record}


class Instances(Owner):
    kind = "instance"
    writable = ("architecture", "config", "devices", "ephemeral", "profiles", "stateful", "description")

    def fetch(self, server: Server, name: str) -> tuple[Record, str]:
        record, etag = server.get_with_etag(path_of(name))
        return record, etag

    def save(self, server: Server, name: str, record: Record, etag: str | None) -> None:
        server.run("PUT", path_of(name), self.writable_part(record), etag=etag)


class Profiles(Owner):
    kind = "profile"
    writable = ("config", "description", "devices")

    def _path(self, name: str) -> str:
        if not name:
            raise InvalidRequest("Missing profile name")
        return f"profiles/{quote(name)}"

    def fetch(self, server: Server, name: str) -> tuple[Record, str]:
        record, etag = server.get_with_etag(self._path(name))
        return record, etag

    def save(self, server: Server, name: str, record: Record, etag: str | None) -> None:
        server.put(self._path(name), self.writable_part(record), etag=etag)


INSTANCES = Instances()
PROFILES = Profiles()
