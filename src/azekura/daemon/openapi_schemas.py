"""The records of the REST API as JSON Schema, for the OpenAPI document; requests are in ``openapi_requests.py``.

Written by hand beside what reads and writes them (``azekura.wire``, ``azekura.daemon.routes``): tests hold running
daemons to it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

Schema = dict[str, Any]

TEXT: Schema = {"type": "string"}
FLAG: Schema = {"type": "boolean"}
WHOLE: Schema = {"type": "integer"}
COUNT: Schema = {"type": "integer", "minimum": 0}
DATE: Schema = {"type": "string", "format": "date-time"}
TEXTS: Schema = {"type": "array", "items": TEXT}
STRINGS: Schema = {"type": "object", "additionalProperties": TEXT}
DEVICES: Schema = {"type": "object", "additionalProperties": STRINGS}
FINGERPRINT: Schema = {"type": "string", "pattern": "^[0-9a-f]{64}$"}
NOTHING: Schema = {"type": "object", "maxProperties": 0}


def ref(name: str) -> Schema:
    return {"$ref": f"#/components/schemas/{name}"}


def nullable(schema: Schema) -> Schema:
    return {"anyOf": [schema, {"type": "null"}]}


def one_of(*words: str) -> Schema:
    return {"type": "string", "enum": list(words)}


def array(items: Schema) -> Schema:
    return {"type": "array", "items": items}


def record(fields: Mapping[str, Schema], optional: Mapping[str, Schema] | None = None) -> Schema:
    """An answer's object: ``fields`` are always there, ``optional`` ones sometimes; later versions may add others."""
    return {
        "type": "object",
        "required": sorted(fields),
        "properties": {**fields, **(optional or {})},
    }


def request(fields: Mapping[str, Schema], *required: str) -> Schema:
    """A request's object. Unknown fields are ignored."""
    schema: Schema = {"type": "object", "properties": dict(fields)}
    if required:
        schema["required"] = list(required)
    return schema


_IMAGE_ALIAS = record({"name": TEXT, "description": TEXT})
_SOURCE = record(
    {
        "alias": TEXT,
        "certificate": TEXT,
        "protocol": one_of("lxd", "simplestreams", "direct"),
        "server": TEXT,
        "image_type": TEXT,
    }
)
_STATUS = one_of("Stopped", "Running", "Starting", "Stopping", "Frozen", "Error")
_TYPE = one_of("container", "virtual-machine")

RECORDS: dict[str, Schema] = {
    "Error": record(
        {
            "type": {"const": "error"},
            "status": TEXT,
            "status_code": {"const": 0},
            "operation": TEXT,
            "error_code": {"type": "integer", "minimum": 400, "maximum": 599},
            "error": {"type": "string", "minLength": 1},
            "metadata": {"type": "null"},
        }
    ),
    "Operation": record(
        {
            "id": {"type": "string", "format": "uuid"},
            "class": one_of("task", "websocket", "token"),
            "description": TEXT,
            "created_at": DATE,
            "updated_at": DATE,
            "status": one_of("Running", "Cancelling", "Pending", "Success", "Failure", "Cancelled"),
            "status_code": {"enum": [103, 104, 105, 200, 400, 401]},
            "resources": nullable({"type": "object", "additionalProperties": TEXTS}),
            "metadata": nullable({"type": "object"}),
            "may_cancel": FLAG,
            "err": TEXT,
            "location": TEXT,
        }
    ),
    "Server": record(
        {
            "api_extensions": TEXTS,
            "api_status": {"const": "stable"},
            "api_version": {"const": "1.0"},
            "auth": one_of("trusted", "untrusted"),
            "public": FLAG,
            "auth_methods": TEXTS,
        },
        {
            "config": STRINGS,
            "environment": record({"addresses": TEXTS, "architectures": TEXTS, "server_version": TEXT}),
        },
    ),
    "Image": record(
        {
            "auto_update": FLAG,
            "properties": STRINGS,
            "public": FLAG,
            "expires_at": DATE,
            "profiles": TEXTS,
            "aliases": array(_IMAGE_ALIAS),
            "architecture": TEXT,
            "cached": FLAG,
            "filename": TEXT,
            "fingerprint": FINGERPRINT,
            "size": COUNT,
            "type": _TYPE,
            "created_at": DATE,
            "last_used_at": DATE,
            "uploaded_at": DATE,
        },
        {"update_source": _SOURCE, "pinned": FLAG, "deleted_at": DATE},
    ),
    "Alias": record({"name": TEXT, "description": TEXT, "target": FINGERPRINT, "type": _TYPE}),
    "AliasMoved": record({"previous": nullable(FINGERPRINT), "target": FINGERPRINT}),
    "AliasMove": record({"target": nullable(FINGERPRINT), "moved_at": DATE, "reason": TEXT}),
    "Usage": record(
        {
            "images": array(
                record(
                    {
                        "fingerprint": FINGERPRINT,
                        "aliases": TEXTS,
                        "size": COUNT,
                        "unique": COUNT,
                        "shared": COUNT,
                        "used_by": TEXTS,
                        "pinned": FLAG,
                        "cached": FLAG,
                        "deleted": FLAG,
                    }
                )
            ),
            "logical": COUNT,
            "unique": COUNT,
            "shared": COUNT,
            "stored": COUNT,
            "reclaimable": COUNT,
        }
    ),
    "Pruned": record({"fingerprint": FINGERPRINT, "aliases": TEXTS, "size": COUNT, "reason": TEXT, "removed": FLAG}),
    "Outdated": record({"fingerprint": FINGERPRINT, "aliases": TEXTS, "newer": TEXT, "reason": TEXT}),
    "Instance": record(
        {
            "architecture": TEXT,
            "config": STRINGS,
            "devices": DEVICES,
            "ephemeral": FLAG,
            "profiles": TEXTS,
            "stateful": FLAG,
            "description": TEXT,
            "created_at": DATE,
            "expanded_config": STRINGS,
            "expanded_devices": DEVICES,
            "name": TEXT,
            "status": _STATUS,
            "status_code": WHOLE,
            "last_used_at": DATE,
            "location": TEXT,
            "type": {"const": "container"},
            "project": {"const": "default"},
        },
        {
            "backups": {"type": "null"},
            "state": ref("InstanceState"),
            "snapshots": nullable(array(ref("Snapshot"))),
        },
    ),
    "InstanceState": record(
        {
            "status": _STATUS,
            "status_code": WHOLE,
            "disk": {"type": "object", "additionalProperties": record({"usage": WHOLE})},
            "memory": {"type": "object", "additionalProperties": COUNT},
            "network": nullable({"type": "object", "additionalProperties": {"type": "object"}}),
            "pid": COUNT,
            "processes": COUNT,
            "cpu": record({"usage": COUNT}),
        }
    ),
    "Snapshot": record(
        {
            "architecture": TEXT,
            "config": STRINGS,
            "devices": DEVICES,
            "ephemeral": FLAG,
            "profiles": TEXTS,
            "created_at": DATE,
            "expires_at": DATE,
            "name": TEXT,
            "size": WHOLE,
        }
    ),
    "Metadata": record(
        {
            "architecture": TEXT,
            "creation_date": WHOLE,
            "expiry_date": WHOLE,
            "properties": STRINGS,
            "templates": {"type": "object", "additionalProperties": ref("Template")},
        }
    ),
    "Template": record(
        {"when": TEXTS, "create_only": FLAG, "template": TEXT, "properties": nullable(STRINGS)},
    ),
    "Profile": record({"name": TEXT, "description": TEXT, "config": STRINGS, "devices": DEVICES, "used_by": TEXTS}),
    "StoragePool": record(
        {
            "name": TEXT,
            "description": TEXT,
            "driver": TEXT,
            "config": STRINGS,
            "used_by": TEXTS,
            "status": TEXT,
            "locations": TEXTS,
        }
    ),
    "StoragePoolResources": record(
        {"space": record({"used": COUNT, "total": COUNT}), "inodes": record({"used": COUNT, "total": COUNT})}
    ),
    "Volume": record({"name": TEXT, "type": TEXT, "used_by": TEXTS, "content_type": TEXT, "config": STRINGS}),
    "Project": record({"name": {"const": "default"}, "description": TEXT, "config": STRINGS, "used_by": TEXTS}),
    "Certificate": record(
        {
            "name": TEXT,
            "type": TEXT,
            "restricted": FLAG,
            "projects": TEXTS,
            "certificate": TEXT,
            "fingerprint": FINGERPRINT,
        }
    ),
    "Token": record(
        {
            "id": TEXT,
            "name": TEXT,
            "purpose": one_of("join", "read"),
            "scope": TEXT,
            "created_at": DATE,
            "expires_at": nullable(DATE),
        }
    ),
    "NewToken": record({"id": TEXT, "token": TEXT}),
}
