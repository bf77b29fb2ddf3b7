"""The REST API as an OpenAPI 3.1 document: ``GET /1.0/openapi.json``, published as docs/openapi.json.

``python -m azekura.daemon.openapi`` prints it. It is made from the route table, so no route can be missing in it.
"""

from __future__ import annotations

import functools
import json
import re
import sys
from typing import Any

from azekura import LXD_VERSION
from azekura.daemon.application import Route
from azekura.daemon.callers import Access
from azekura.daemon.openapi_bodies import (
    HEADERS,
    PATH_SCHEMAS,
    QUERIES,
    SHAPES,
    Answer,
    Bytes,
    Document,
    Later,
    Now,
    Shape,
    Stream,
)
from azekura.daemon.openapi_requests import REQUESTS
from azekura.daemon.openapi_schemas import RECORDS, TEXT, Schema, record, ref
from azekura.daemon.routes.table import routes

OLDER_NAME = "/1.0/containers"  # of /1.0/instances
_JSON = "application/json"
_BYTES = "application/octet-stream"
_FORM = "multipart/form-data"
_ANY_BYTES: Schema = {"type": "string", "format": "binary"}
_WHO = {
    Access.ANYONE: "Anyone, as far as they may see it",
    Access.TRUSTED: "Trusted clients",
    Access.ADMIN: "Unrestricted clients",
}


def path_of(route: Route) -> str:
    """The route's path as OpenAPI writes it: parameters without their patterns."""
    return re.sub(r"\{(\w+):[^}]*\}", r"{\1}", route.path)


def shape_of(route: Route) -> Shape:
    """What the route takes and gives.

    Raises:
        KeyError: it is missing in ``openapi_bodies.SHAPES``.
    """
    path = path_of(route)
    if path.startswith(OLDER_NAME):
        path = "/1.0/instances" + path.removeprefix(OLDER_NAME)
    return SHAPES[route.method, path]


def _envelope(metadata: Schema) -> Schema:
    return record(
        {
            "type": {"const": "sync"},
            "status": {"const": "Success"},
            "status_code": {"const": 200},
            "operation": {"const": ""},
            "error_code": {"const": 0},
            "error": {"const": ""},
            "metadata": metadata,
        }
    )


def _json(schema: Schema) -> dict[str, Any]:
    return {_JSON: {"schema": schema}}


_ERRORS = {
    "4XX": ("Refused", "Refused, with the reason"),
    "501": ("NotOffered", "Not offered here"),
    "507": ("NoSpace", "No space left"),
}
_ETAG = {"ETag": {"description": "For If-Match", "schema": TEXT}}
_LOCATION = {"Location": {"description": "Where it is", "schema": TEXT}}

_BEGUN = {
    "description": "Begun: wait for the operation",
    "headers": _LOCATION,
    "content": {_JSON: {"schema": ref("Begun")}},
}


def _answers(answer: Answer) -> dict[str, Any]:
    match answer:
        case Now(metadata, created, etag, or_later):
            good: dict[str, Any] = {
                "description": "Created" if created else "Done",
                "content": _json(_envelope(metadata)),
            }
            if etag or created:
                good["headers"] = {**(_ETAG if etag else {}), **(_LOCATION if created else {})}
            found = {"201" if created else "200": good}
            if or_later:
                found["202"] = _BEGUN
        case Later():
            found = {"202": _BEGUN}
        case Bytes(also, ranges, form):
            content: dict[str, Any] = {_BYTES: {"schema": _ANY_BYTES}}
            if form:
                content[_FORM] = {"schema": {"type": "object"}}
            if also is not None:
                content[_JSON] = {"schema": _envelope(also)}
            found = {"200": {"description": "The file", "content": content}}
            if ranges:
                found["206"] = {"description": "A part of the file", "content": {_BYTES: {"schema": _ANY_BYTES}}}
                found["304"] = {"description": "Not changed"}
        case Stream():
            found = {"101": {"description": "A websocket"}}
        case Document(kept):
            found = {"200": {"description": "The document", "content": _json({"type": "object"})}}
            if kept:
                found["304"] = {"description": "Not changed"}
    return {**found, **{status: {"$ref": f"#/components/responses/{name}"} for status, (name, _) in _ERRORS.items()}}


def _parameters(path: str, shape: Shape) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = [
        {"name": name, "in": "path", "required": True, "schema": PATH_SCHEMAS.get(f"{{{name}}}", TEXT)}
        for name in re.findall(r"\{(\w+)\}", path)
    ]
    for key in shape.query:
        schema, meaning, required = QUERIES[key]
        name = "path" if key == "template" else key
        found.append({"name": name, "in": "query", "description": meaning, "required": required, "schema": schema})
    for name in shape.headers:
        schema, meaning = HEADERS[name]
        found.append({"name": name, "in": "header", "description": meaning, "schema": schema})
    if shape.guarded:
        meaning = "Refuse (412) when the record is not the one with this ETag any more"
        found.append({"name": "If-Match", "in": "header", "description": meaning, "schema": TEXT})
    if path != "/":
        found.append({"$ref": "#/components/parameters/project"})
    return found


def _body(name: str) -> dict[str, Any]:
    if name == "upload":
        form = {
            "type": "object",
            "properties": {"metadata": _ANY_BYTES, "rootfs": _ANY_BYTES, "rootfs.img": _ANY_BYTES},
        }
        content = {
            _BYTES: {"schema": _ANY_BYTES},
            _FORM: {"schema": {**form, "required": ["metadata"]}},
            **_json(ref("ImagesPost")),
        }
        return {"required": True, "content": content}
    if name == "bytes":
        return {"content": {_BYTES: {"schema": _ANY_BYTES}}}
    return {"required": "required" in REQUESTS[name], "content": _json(ref(name))}


def _operation(route: Route) -> dict[str, Any]:
    path, shape = path_of(route), shape_of(route)
    words = ["versions"] if path == "/" else re.findall(r"[A-Za-z0-9]+", path.removeprefix("/1.0")) or ["server"]
    described: dict[str, Any] = {
        "operationId": "_".join([route.method.lower(), *words]),
        "summary": route.summary,
        "description": f"{_WHO[route.access]}.",
        "tags": [words[0]],
        "parameters": _parameters(path, shape),
        "responses": _answers(shape.answer),
    }
    if route.access is Access.ANYONE:
        described["security"] = [{}, {"certificate": []}, {"token": []}]
    if shape.body:
        described["requestBody"] = _body(shape.body)
    if path.startswith(OLDER_NAME):
        described["deprecated"] = True
    return described


@functools.cache
def document() -> dict[str, Any]:
    """The whole API but for ``/internal``, which is the daemon's own. Don't change what this returns."""
    paths: dict[str, dict[str, Any]] = {}
    for route in routes():
        if not route.path.startswith("/internal"):
            paths.setdefault(path_of(route), {})[route.method.lower()] = _operation(route)
    begun = record(
        {
            "type": {"const": "async"},
            "status": {"const": "Operation created"},
            "status_code": {"const": 100},
            "operation": {"type": "string", "pattern": "^/1.0/operations/"},
            "error_code": {"const": 0},
            "error": {"const": ""},
            "metadata": ref("Operation"),
        }
    )
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Azekura",
            "version": "1.0",
            "description": f"LXD's REST API as LXD {LXD_VERSION} speaks it, and what is ours alone (docs/rest-api.md).",
        },
        "servers": [{"url": "https://localhost:8443"}],
        "security": [{"certificate": []}],
        "paths": dict(sorted(paths.items())),
        "components": {
            "schemas": {**RECORDS, "Begun": begun, **REQUESTS},
            "responses": {
                name: {"description": meaning, "content": _json(ref("Error"))} for name, meaning in _ERRORS.values()
            },
            "parameters": {
                "project": {
                    "name": "project",
                    "in": "query",
                    "description": "There is one",
                    "schema": {"type": "string", "enum": ["default"]},
                }
            },
            "securitySchemes": {
                "certificate": {"type": "mutualTLS", "description": "A client certificate of the trust store"},
                "token": {"type": "http", "scheme": "bearer", "description": "Reads images (POST /1.0/tokens)"},
            },
        },
    }


def document_text() -> str:
    """The document as it is published."""
    return json.dumps(document(), indent=1, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    sys.stdout.write(document_text())
