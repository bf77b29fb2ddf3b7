"""What each route takes and gives, for the OpenAPI document: one line a route, beside ``routes/table.py``."""

from __future__ import annotations

from dataclasses import dataclass

from azekura.daemon.openapi_schemas import (
    FINGERPRINT,
    NOTHING,
    TEXT,
    TEXTS,
    Schema,
    array,
    one_of,
    ref,
)


@dataclass(frozen=True, slots=True)
class Now:
    """Answered at once, with ``metadata`` in the envelope. ``created``: 201 and a Location. ``or_later``: or 202."""

    metadata: Schema
    created: bool = False
    etag: bool = False
    or_later: bool = False


@dataclass(frozen=True, slots=True)
class Later:
    """Answered with an operation."""


@dataclass(frozen=True, slots=True)
class Bytes:
    """A file. ``also``: or, for other objects of that name, an envelope with this ``metadata``."""

    also: Schema | None = None
    ranges: bool = False
    form: bool = False  # or a form with two files, for a split image


@dataclass(frozen=True, slots=True)
class Stream:
    """A websocket."""


@dataclass(frozen=True, slots=True)
class Document:
    """A JSON document without an envelope. ``kept``: by clients too, who ask whether it has changed."""

    kept: bool = False


Answer = Now | Later | Bytes | Stream | Document


@dataclass(frozen=True, slots=True)
class Shape:
    """``body`` names a schema, or is ``bytes``/``upload``; ``query`` names parameters; ``guarded``: takes If-Match."""

    answer: Answer
    body: str = ""
    query: tuple[str, ...] = ()
    headers: tuple[str, ...] = ()
    guarded: bool = False


def _listing(name: str) -> Now:
    """URLs, or with ``recursion`` records."""
    return Now(array({"anyOf": [TEXT, ref(name)]}))


DONE = Now(NOTHING)
CREATED = Now(NOTHING, created=True)
LATER = Later()
LIST = ("recursion",)
FILTERED = ("recursion", "filter")
REFUSED = Now(NOTHING)

QUERIES: dict[str, tuple[Schema, str, bool]] = {  # schema, what it means, whether it is needed
    "recursion": (
        {"type": "integer", "minimum": 0, "maximum": 2},
        "0: URLs, 1: records, 2: all that belongs to them",
        False,
    ),
    "filter": (TEXT, "[not] FIELD eq|ne VALUE [and|or ...]", False),
    "deleted": (one_of("0", "1"), "ours: images that can be brought back, instead of the others", False),
    "secret": (TEXT, "a secret that was given out for this", False),
    "reference": (TEXT, "an alias, a fingerprint or the beginning of one", True),
    "server": (TEXT, "the server's https:// URL", True),
    "timeout": ({"type": "number"}, "seconds to wait; -1: as long as it takes", False),
    "type": (TEXT, "kinds of events, comma-separated: operation, lifecycle, logging", False),
    "path": (TEXT, "a path inside the container", True),
    "template": (TEXT, "a template's file name; without it: the list", False),
}

UPLOAD_HEADERS: dict[str, tuple[Schema, str]] = {
    "X-LXD-filename": (TEXT, "a label, shown and never opened"),
    "X-LXD-public": (one_of("0", "1", "true", "false"), "whether everybody may have it"),
    "X-LXD-properties": (TEXT, "properties as a query string"),
    "X-LXD-fingerprint": (FINGERPRINT, "the upload is refused when its fingerprint is another"),
    "X-LXD-profiles": (TEXT, "profiles as a query string: profile=a&profile=b"),
    "X-LXD-aliases": (TEXT, "aliases as a query string: alias=a&alias=b"),
    "X-LXD-reuse": (one_of("0", "1"), "aliases that exist move to the new image once it is there"),
    "X-LXD-secret": (TEXT, "what POST /1.0/images with mode push gave out"),
}
FILE_HEADERS: dict[str, tuple[Schema, str]] = {
    "X-LXD-uid": ({"type": "integer", "minimum": 0}, "owner inside the container"),
    "X-LXD-gid": ({"type": "integer", "minimum": 0}, "group inside the container"),
    "X-LXD-mode": ({"type": "string", "pattern": "^[0-7]{3,4}$"}, "mode, octal"),
    "X-LXD-type": (one_of("file", "directory", "symlink"), "what to make"),
    "X-LXD-write": (one_of("overwrite", "append"), "how to write a file that is there"),
}
HEADERS = {**UPLOAD_HEADERS, **FILE_HEADERS}

_IMAGE = "/1.0/images/{fingerprint}"
_ALIAS = "/1.0/images/aliases/{name}"
_ONE = "/1.0/instances/{name}"
_SNAPSHOT = f"{_ONE}/snapshots/{{snapshot}}"
_STREAMS = "/streams/v1"
_PROFILE, _POOL = "/1.0/profiles/{name}", "/1.0/storage-pools/{name}"
_PROJECT, _CERTIFICATE = "/1.0/projects/{name}", "/1.0/certificates/{fingerprint}"

SHAPES: dict[tuple[str, str], Shape] = {
    ("GET", "/"): Shape(Now(TEXTS)),
    ("GET", "/1.0"): Shape(Now(ref("Server"))),
    ("PUT", "/1.0"): Shape(DONE, "ServerPut", guarded=True),
    ("PATCH", "/1.0"): Shape(DONE, "ServerPut", guarded=True),
    ("GET", "/1.0/openapi.json"): Shape(Document()),
    ("GET", "/1.0/resources"): Shape(Now({"type": "object"})),
    ("GET", "/1.0/projects"): Shape(_listing("Project"), query=LIST),
    ("POST", "/1.0/projects"): Shape(REFUSED, "Rename"),
    ("GET", _PROJECT): Shape(Now(ref("Project"), etag=True)),
    ("PUT", _PROJECT): Shape(REFUSED),
    ("PATCH", _PROJECT): Shape(REFUSED),
    ("DELETE", _PROJECT): Shape(REFUSED),
    ("GET", "/1.0/networks"): Shape(Now({"type": "array", "maxItems": 0}), query=LIST),
    ("GET", "/1.0/networks/{name}"): Shape(Now({"type": "object"})),
    ("GET", "/1.0/warnings"): Shape(Now({"type": "array", "maxItems": 0})),
    # images
    ("GET", "/1.0/images"): Shape(_listing("Image"), query=(*FILTERED, "deleted")),
    ("POST", "/1.0/images"): Shape(LATER, "upload", headers=tuple(UPLOAD_HEADERS)),
    ("GET", "/1.0/images/usage"): Shape(Now(ref("Usage"))),
    ("POST", "/1.0/images/prune"): Shape(Now(array(ref("Pruned"))), "ImagesPrune"),
    ("GET", "/1.0/images/outdated"): Shape(Now(array(ref("Outdated")))),
    ("GET", "/1.0/images/resolve"): Shape(Now(ref("Image"), etag=True), query=("reference",)),
    ("GET", "/1.0/images/aliases"): Shape(_listing("Alias"), query=LIST),
    ("POST", "/1.0/images/aliases"): Shape(CREATED, "AliasesPost"),
    ("POST", f"{_ALIAS}/move"): Shape(Now(ref("AliasMoved")), "AliasMovePost"),
    ("GET", f"{_ALIAS}/history"): Shape(Now(array(ref("AliasMove")))),
    ("POST", f"{_ALIAS}/rollback"): Shape(Now(ref("AliasMoved")), "AliasRollbackPost"),
    ("GET", _ALIAS): Shape(Now(ref("Alias"), etag=True)),
    ("PUT", _ALIAS): Shape(DONE, "AliasPut", guarded=True),
    ("PATCH", _ALIAS): Shape(DONE, "AliasPatch", guarded=True),
    ("POST", _ALIAS): Shape(CREATED, "Rename"),
    ("DELETE", _ALIAS): Shape(DONE),
    ("GET", _IMAGE): Shape(Now(ref("Image"), etag=True), query=("secret",)),
    ("PUT", _IMAGE): Shape(DONE, "ImagePut", guarded=True),
    ("PATCH", _IMAGE): Shape(DONE, "ImagePatch", guarded=True),
    ("DELETE", _IMAGE): Shape(LATER),
    ("GET", f"{_IMAGE}/export"): Shape(Bytes(ranges=True, form=True), query=("secret",)),
    ("HEAD", f"{_IMAGE}/export"): Shape(Bytes(ranges=True, form=True), query=("secret",)),
    ("POST", f"{_IMAGE}/export"): Shape(LATER, "ImageExportPost"),
    ("POST", f"{_IMAGE}/refresh"): Shape(LATER),
    ("POST", f"{_IMAGE}/secret"): Shape(LATER),
    ("POST", f"{_IMAGE}/pin"): Shape(DONE, "ImagePin"),
    ("POST", f"{_IMAGE}/undelete"): Shape(Now(ref("Image"))),
    ("GET", f"{_IMAGE}/used-by"): Shape(Now(TEXTS)),
    # simplestreams
    ("GET", f"{_STREAMS}/index.json"): Shape(Document(kept=True)),
    ("HEAD", f"{_STREAMS}/index.json"): Shape(Document(kept=True)),
    ("GET", f"{_STREAMS}/images.json"): Shape(Document(kept=True)),
    ("HEAD", f"{_STREAMS}/images.json"): Shape(Document(kept=True)),
    ("GET", f"{_STREAMS}/files/{{name}}"): Shape(Bytes(ranges=True)),
    ("HEAD", f"{_STREAMS}/files/{{name}}"): Shape(Bytes(ranges=True)),
    # instances
    ("GET", "/1.0/instances"): Shape(_listing("Instance"), query=FILTERED),
    ("POST", "/1.0/instances"): Shape(LATER, "InstancesPost"),
    ("PUT", "/1.0/instances"): Shape(LATER, "InstancesState"),
    ("GET", _ONE): Shape(Now(ref("Instance"), etag=True), query=LIST),
    ("PUT", _ONE): Shape(LATER, "InstancePut", guarded=True),
    ("PATCH", _ONE): Shape(DONE, "InstancePatch", guarded=True),
    ("POST", _ONE): Shape(LATER, "Rename"),
    ("DELETE", _ONE): Shape(LATER),
    ("GET", f"{_ONE}/state"): Shape(Now(ref("InstanceState"))),
    ("PUT", f"{_ONE}/state"): Shape(LATER, "InstanceStatePut"),
    ("POST", f"{_ONE}/exec"): Shape(LATER, "ExecPost"),
    ("GET", f"{_ONE}/console"): Shape(Bytes()),
    ("DELETE", f"{_ONE}/console"): Shape(DONE),
    ("POST", f"{_ONE}/console"): Shape(REFUSED),
    ("GET", f"{_ONE}/files"): Shape(Bytes(also=TEXTS), query=("path",)),
    ("HEAD", f"{_ONE}/files"): Shape(Bytes(also=TEXTS), query=("path",)),
    ("POST", f"{_ONE}/files"): Shape(DONE, "bytes", query=("path",), headers=tuple(FILE_HEADERS)),
    ("DELETE", f"{_ONE}/files"): Shape(DONE, query=("path",)),
    ("GET", f"{_ONE}/snapshots"): Shape(_listing("Snapshot"), query=LIST),
    ("POST", f"{_ONE}/snapshots"): Shape(LATER, "SnapshotsPost"),
    ("GET", _SNAPSHOT): Shape(Now(ref("Snapshot"))),
    ("POST", _SNAPSHOT): Shape(LATER, "Rename"),
    ("DELETE", _SNAPSHOT): Shape(LATER),
    ("GET", f"{_ONE}/metadata"): Shape(Now(ref("Metadata"), etag=True)),
    ("PUT", f"{_ONE}/metadata"): Shape(DONE, "MetadataPut"),
    ("PATCH", f"{_ONE}/metadata"): Shape(DONE, "MetadataPut"),
    ("GET", f"{_ONE}/metadata/templates"): Shape(Bytes(also=TEXTS), query=("template",)),
    ("POST", f"{_ONE}/metadata/templates"): Shape(DONE, "bytes", query=("template",)),
    ("DELETE", f"{_ONE}/metadata/templates"): Shape(DONE, query=("template",)),
    ("GET", f"{_ONE}/logs"): Shape(Now(TEXTS)),
    ("GET", f"{_ONE}/logs/{{file}}"): Shape(Bytes()),
    ("DELETE", f"{_ONE}/logs/{{file}}"): Shape(DONE),
    ("GET", f"{_ONE}/backups"): Shape(Now({"type": "array", "maxItems": 0})),
    # profiles and pools
    ("GET", "/1.0/profiles"): Shape(_listing("Profile"), query=LIST),
    ("POST", "/1.0/profiles"): Shape(CREATED, "ProfilesPost"),
    ("GET", _PROFILE): Shape(Now(ref("Profile"), etag=True)),
    ("PUT", _PROFILE): Shape(DONE, "ProfilePut", guarded=True),
    ("PATCH", _PROFILE): Shape(DONE, "ProfilePut", guarded=True),
    ("POST", _PROFILE): Shape(CREATED, "Rename"),
    ("DELETE", _PROFILE): Shape(DONE),
    ("GET", "/1.0/storage-pools"): Shape(_listing("StoragePool"), query=LIST),
    ("POST", "/1.0/storage-pools"): Shape(CREATED, "StoragePoolsPost"),
    ("GET", _POOL): Shape(Now(ref("StoragePool"), etag=True)),
    ("PUT", _POOL): Shape(DONE, "StoragePoolPut", guarded=True),
    ("PATCH", _POOL): Shape(DONE, "StoragePoolPut", guarded=True),
    ("DELETE", _POOL): Shape(DONE),
    ("GET", f"{_POOL}/resources"): Shape(Now(ref("StoragePoolResources"))),
    ("GET", f"{_POOL}/volumes"): Shape(_listing("Volume"), query=LIST),
    ("GET", f"{_POOL}/volumes/{{type}}/{{volume}}"): Shape(Now({"type": "object"})),
    # operations and trust
    ("GET", "/1.0/operations"): Shape(
        Now({"type": "object", "additionalProperties": array({"anyOf": [TEXT, ref("Operation")]})}), query=LIST
    ),
    ("GET", "/1.0/operations/{id}"): Shape(Now(ref("Operation"))),
    ("DELETE", "/1.0/operations/{id}"): Shape(DONE),
    ("GET", "/1.0/operations/{id}/wait"): Shape(Now(ref("Operation")), query=("timeout", "secret")),
    ("GET", "/1.0/operations/{id}/websocket"): Shape(Stream(), query=("secret",)),
    ("GET", "/1.0/events"): Shape(Stream(), query=("type",)),
    ("GET", "/1.0/certificates"): Shape(_listing("Certificate"), query=LIST),
    ("POST", "/1.0/certificates"): Shape(Now(NOTHING, created=True, or_later=True), "CertificatesPost"),
    ("GET", _CERTIFICATE): Shape(Now(ref("Certificate"), etag=True)),
    ("PUT", _CERTIFICATE): Shape(DONE, "CertificatePut"),
    ("PATCH", _CERTIFICATE): Shape(DONE, "CertificatePut"),
    ("DELETE", _CERTIFICATE): Shape(DONE),
    ("GET", "/1.0/tokens"): Shape(Now(array(ref("Token")))),
    ("POST", "/1.0/tokens"): Shape(Now(ref("NewToken"), created=True), "TokensPost"),
    ("DELETE", "/1.0/tokens/{id}"): Shape(DONE),
    ("GET", "/1.0/credentials"): Shape(Now(TEXTS)),
    ("PUT", "/1.0/credentials"): Shape(DONE, "CredentialsPut"),
    ("DELETE", "/1.0/credentials"): Shape(DONE, query=("server",)),
}

PATH_SCHEMAS: dict[str, Schema] = {
    "{fingerprint}": {"type": "string", "pattern": "^[0-9a-f]{1,64}$"},
    "{id}": {"type": "string", "minLength": 1},
}
