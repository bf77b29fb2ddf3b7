"""The envelope around every answer of the REST API (``doc/rest-api.md`` of LXD; exact form measured)."""

from __future__ import annotations

import json
from typing import Any

from azekura.model.operation import Operation
from azekura.wire.operations import operation_to_json

GENERIC = {
    400: "bad request",
    403: "not authorized",
    404: "not found",
    409: "already exists",
    412: "precondition failed",
    500: "internal server error",
    501: "not implemented",
}


def _encode(envelope: dict[str, Any]) -> bytes:
    return json.dumps(envelope, separators=(",", ":"), ensure_ascii=False).encode("utf-8", "replace") + b"\n"


def sync_body(metadata: Any) -> bytes:
    """An answer with its result in it. None stands for "nothing to say"."""
    return _encode(
        {
            "type": "sync",
            "status": "Success",
            "status_code": 200,
            "operation": "",
            "error_code": 0,
            "error": "",
            "metadata": {} if metadata is None else metadata,
        }
    )


def async_body(operation: Operation) -> bytes:
    """An answer that says where to wait for the result."""
    return _encode(
        {
            "type": "async",
            "status": "Operation created",
            "status_code": 100,
            "operation": f"/1.0/operations/{operation.id}",
            "error_code": 0,
            "error": "",
            "metadata": operation_to_json(operation),
        }
    )


def error_body(code: int, message: str) -> bytes:
    """A refusal. ``code`` is the HTTP status as well."""
    return _encode(
        {
            "type": "error",
            "status": "",
            "status_code": 0,
            "operation": "",
            "error_code": code,
            "error": message or GENERIC.get(code, "error"),
            "metadata": None,
        }
    )
