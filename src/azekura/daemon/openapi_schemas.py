"""The records and requests of the REST API as JSON Schema, for the OpenAPI document.

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

_INSTANCE_PUT: dict[str, Schema] = {
    "config": STRINGS,
    "devices": DEVICES,
    "profiles": TEXTS,
    "ephemeral": FLAG,
    "description": TEXT,
}
_STATE: dict[str, Schema] = {
    "action": one_of("start", "stop", "restart", "freeze", "unfreeze"),
    "timeout": WHOLE,
    "force": FLAG,
    "stateful": FLAG,
}

REQUESTS: dict[str, Schema] = {
    "ServerPut": request({"config": STRINGS}),
    "ImagesPost": request(
        {
            "source": request(
                {
                    "type": one_of("image", "url", "instance", "container", "snapshot"),
                    "mode": one_of("pull", "push"),
                    "server": TEXT,
                    "protocol": one_of("lxd", "simplestreams", "direct"),
                    "alias": TEXT,
                    "fingerprint": TEXT,
                    "certificate": TEXT,
                    "secret": TEXT,
                    "image_type": TEXT,
                    "url": TEXT,
                    "name": TEXT,
                },
                "type",
            ),
            "public": FLAG,
            "auto_update": FLAG,
            "filename": TEXT,
            "properties": STRINGS,
            "profiles": TEXTS,
            "aliases": array(request({"name": TEXT, "description": TEXT}, "name")),
            "reuse": FLAG,
            "expires_at": DATE,
            "compression_algorithm": TEXT,
        },
        "source",
    ),
    "ImagePut": request(
        {"auto_update": FLAG, "public": FLAG, "properties": STRINGS, "expires_at": DATE, "profiles": TEXTS}
    ),
    "ImagePatch": request({"auto_update": FLAG, "public": FLAG, "properties": STRINGS}),
    "ImageExportPost": request({"target": TEXT, "secret": TEXT, "certificate": TEXT}, "target", "secret"),
    "ImagePin": request({"pinned": {"type": "boolean", "default": True}}),
    "ImagesPrune": request({"older_than_days": COUNT, "unused": FLAG, "to_free": COUNT, "dry_run": FLAG}),
    "AliasesPost": request({"name": TEXT, "target": TEXT, "description": TEXT}, "name", "target"),
    "AliasPut": request({"target": TEXT, "description": TEXT}, "target"),
    "AliasPatch": request({"target": TEXT, "description": TEXT}),
    "AliasMovePost": request({"target": TEXT, "expect": nullable(FINGERPRINT)}, "target"),
    "AliasRollbackPost": request({"steps": {"type": "integer", "minimum": 1, "default": 1}}),
    "Rename": request({"name": TEXT}, "name"),
    "InstancesPost": request(
        {
            "name": TEXT,
            "type": one_of("", "container", "virtual-machine"),
            "source": request(
                {
                    "type": one_of("image", "none", "copy", "migration"),
                    "alias": TEXT,
                    "fingerprint": TEXT,
                    "properties": STRINGS,
                    "server": TEXT,
                    "protocol": one_of("lxd", "simplestreams", "direct"),
                    "certificate": TEXT,
                    "secret": TEXT,
                    "source": TEXT,
                    "instance_only": FLAG,
                },
                "type",
            ),
            **_INSTANCE_PUT,
            "start": FLAG,
        },
        "source",
    ),
    "InstancePut": request({**_INSTANCE_PUT, "restore": TEXT}),
    "InstancePatch": request(_INSTANCE_PUT),
    "InstancesState": request({"state": request(_STATE, "action")}, "state"),
    "InstanceStatePut": request(_STATE, "action"),
    "ExecPost": request(
        {
            "command": {"type": "array", "items": TEXT, "minItems": 1},
            "environment": STRINGS,
            "cwd": TEXT,
            "user": COUNT,
            "group": COUNT,
            "interactive": FLAG,
            "width": COUNT,
            "height": COUNT,
            "wait-for-websocket": FLAG,
            "record-output": FLAG,
        },
        "command",
    ),
    "SnapshotsPost": request({"name": TEXT, "stateful": FLAG, "expires_at": DATE}),
    "MetadataPut": request(
        {
            "architecture": TEXT,
            "creation_date": WHOLE,
            "expiry_date": WHOLE,
            "properties": STRINGS,
            "templates": {
                "type": "object",
                "additionalProperties": request(
                    {"when": TEXTS, "create_only": FLAG, "template": TEXT, "properties": STRINGS}, "template"
                ),
            },
        }
    ),
    "ProfilesPost": request({"name": TEXT, "description": TEXT, "config": STRINGS, "devices": DEVICES}, "name"),
    "ProfilePut": request({"description": TEXT, "config": STRINGS, "devices": DEVICES}),
    "StoragePoolsPost": request(
        {"name": TEXT, "driver": one_of("overlay", "dir", "btrfs"), "config": STRINGS, "description": TEXT},
        "name",
        "driver",
    ),
    "StoragePoolPut": request({"config": STRINGS, "description": TEXT}),
    "CertificatesPost": request(
        {
            "name": TEXT,
            "type": one_of("", "client"),
            "certificate": TEXT,
            "password": TEXT,
            "trust_token": TEXT,
            "token": FLAG,
            "restricted": FLAG,
            "projects": TEXTS,
        }
    ),
    "CertificatePut": request({"name": TEXT, "restricted": FLAG, "projects": TEXTS}),
    "CredentialsPut": request(
        {
            "server": {"type": "string", "pattern": "^https://"},
            "bearer": TEXT,
            "user": TEXT,
            "password": TEXT,
            "certificate": TEXT,
            "key": TEXT,
            "ca": TEXT,
        },
        "server",
    ),
    "TokensPost": request({"name": TEXT, "scope": {"type": "string", "minLength": 1}, "expires_at": DATE}, "scope"),
}
