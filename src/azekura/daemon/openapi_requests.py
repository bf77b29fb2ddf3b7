"""The bodies of requests, as JSON schemas: what :mod:`azekura.daemon.body` and the routes read."""

from __future__ import annotations

from azekura.daemon.openapi_schemas import (
    COUNT,
    DATE,
    DEVICES,
    FINGERPRINT,
    FLAG,
    STRINGS,
    TEXT,
    TEXTS,
    WHOLE,
    Schema,
    array,
    nullable,
    one_of,
    request,
)

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
