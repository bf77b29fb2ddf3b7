"""A piece of work that outlives the request that asked for it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import IntEnum, StrEnum
from types import MappingProxyType
from typing import Any

_NOTHING: Mapping[str, Any] = MappingProxyType({})


class OperationClass(StrEnum):
    TASK = "task"
    WEBSOCKET = "websocket"
    TOKEN = "token"  # noqa: S105 - LXD's name for the class, not a secret


class OperationStatus(IntEnum):
    """LXD's status codes."""

    RUNNING = 103
    CANCELLING = 104
    PENDING = 105
    SUCCESS = 200
    FAILURE = 400
    CANCELLED = 401

    @property
    def word(self) -> str:
        return self.name.capitalize()

    @property
    def final(self) -> bool:
        return self >= OperationStatus.SUCCESS


@dataclass(frozen=True, slots=True)
class Operation:
    """``resources`` maps a kind (``images``, ``instances`` …) to API paths; ``metadata`` is what clients are shown."""

    id: str
    kind: OperationClass
    description: str
    status: OperationStatus
    created_at: datetime
    updated_at: datetime
    resources: Mapping[str, tuple[str, ...]] = field(default_factory=lambda: _NOTHING)
    metadata: Mapping[str, Any] = field(default_factory=lambda: _NOTHING)
    may_cancel: bool = False
    error: str = ""
    owner: str = ""  # which server process runs it: after a crash its operations are known to be dead
