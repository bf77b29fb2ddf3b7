"""Operations in LXD's JSON (``shared/api/operation.go``)."""

from __future__ import annotations

from typing import Any

from azekura.model.operation import Operation
from azekura.wire.times import format_time


def operation_to_json(operation: Operation) -> dict[str, Any]:
    """The API's view of an operation."""
    return {
        "id": operation.id,
        "class": operation.kind.value,
        "description": operation.description,
        "created_at": format_time(operation.created_at),
        "updated_at": format_time(operation.updated_at),
        "status": operation.status.word,
        "status_code": int(operation.status),
        "resources": {kind: list(paths) for kind, paths in operation.resources.items()} or None,
        "metadata": dict(operation.metadata) or None,
        "may_cancel": operation.may_cancel,
        "err": operation.error,
        "location": "none",
    }
