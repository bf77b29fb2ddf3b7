"""Names of instances and snapshots in the API's paths."""

from __future__ import annotations

from azekura.client.address import quote
from azekura.errors import InvalidRequest


def path_of(name: str) -> str:
    """``c1`` → ``instances/c1``, ``c1/snap0`` → ``instances/c1/snapshots/snap0``.

    Raises:
        InvalidRequest: no name.
    """
    instance, slash, snapshot = name.partition("/")
    if not instance:
        raise InvalidRequest("Instance name is mandatory")
    path = f"instances/{quote(instance)}"
    return f"{path}/snapshots/{quote(snapshot)}" if slash else path


def is_snapshot(name: str) -> bool:
    return "/" in name
