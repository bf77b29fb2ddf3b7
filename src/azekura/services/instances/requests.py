"""What a request to create an instance asks for: a union of sources, read from LXD's JSON."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from azekura.errors import InvalidRequest, Unsupported
from azekura.model.source import Protocol
from azekura.services.instances.instance_types import type_limits
from azekura.wire.fields import Body


@dataclass(frozen=True, slots=True)
class FromLocalImage:
    """``reference`` is an alias, a fingerprint or a prefix of one; empty with ``properties`` to match by those."""

    reference: str
    properties: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class FromRemoteImage:
    server: str
    protocol: Protocol
    reference: str
    certificate: str
    secret: str


@dataclass(frozen=True, slots=True)
class FromInstance:
    """``source`` is an instance or one of its snapshots, ``c1`` or ``c1/snap0``. ``refresh``: where an instance of
    the new name is there already, it is brought up to date."""

    source: str
    instance_only: bool
    refresh: bool = False


@dataclass(frozen=True, slots=True)
class FromNothing:
    """An empty root file system."""


Source = FromLocalImage | FromRemoteImage | FromInstance | FromNothing


@dataclass(frozen=True, slots=True)
class InstanceRequest:
    """``profiles`` None: the image's, or ``default``."""

    name: str
    source: Source
    config: Mapping[str, str]
    devices: Mapping[str, Mapping[str, str]]
    profiles: tuple[str, ...] | None
    ephemeral: bool
    description: str
    start: bool


def instance_request(raw: Any) -> InstanceRequest:
    """Read InstancesPost.

    Raises:
        InvalidRequest: malformed, in LXD's words where it has any.
        Unsupported: virtual machines and migration.
    """
    body = Body(raw, "instance")
    if body.text("type") == "virtual-machine":
        raise Unsupported("This server runs containers only, no virtual machines")
    if body.text("type") not in ("", "container"):
        raise InvalidRequest(f"Invalid instance type: {body.text('type')[:40]}")
    return InstanceRequest(
        name=body.text("name"),
        source=_source(body.body("source")),
        config={**type_limits(body.text("instance_type")), **body.mapping("config")},
        devices=body.devices("devices"),
        profiles=body.texts("profiles") if body.has("profiles") else None,
        ephemeral=body.flag("ephemeral"),
        description=body.text("description"),
        start=body.flag("start"),
    )


def _source(body: Body) -> Source:
    match body.text("type"):
        case "image":
            reference = body.text("fingerprint") or body.text("alias")
            if body.text("server"):
                if not reference:
                    raise InvalidRequest("Must specify one of alias or fingerprint for init from image")
                return FromRemoteImage(
                    body.text("server"),
                    parse_protocol(body.text("protocol")),
                    reference,
                    body.text("certificate"),
                    body.text("secret"),
                )
            properties = body.mapping("properties")
            if not reference and not properties:
                raise InvalidRequest("Must specify one of alias, fingerprint or properties for init from image")
            return FromLocalImage(reference, properties)
        case "none":
            return FromNothing()
        case "copy":
            if not body.text("source"):
                raise InvalidRequest("must specify a source instance")
            return FromInstance(
                body.text("source"), body.flag("instance_only") or body.flag("container_only"), body.flag("refresh")
            )
        case "migration":
            raise Unsupported("This server takes no instances from other servers: publish an image and copy that")
        case other:
            raise InvalidRequest(f"Unknown source type {other[:40]}")


def parse_protocol(text: str) -> Protocol:
    """``lxd`` (the default), ``simplestreams`` or ``direct``.

    Raises:
        InvalidRequest: another word, in LXD's words.
    """
    try:
        return Protocol(text or "lxd")
    except ValueError:
        raise InvalidRequest(f"Unsupported protocol: {text[:40]}") from None
