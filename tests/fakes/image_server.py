"""A small image server that speaks LXD's API, in memory, over real HTTP(S): what the port's suite runs against.

It knows public and private images, aliases, secrets, client certificates, unified and split exports, ranges.
"""

from __future__ import annotations

import hashlib
import json
import ssl
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from tests.fakes.fault_server import Answer, FaultServer, Resource


@dataclass
class Stored:
    """One image. ``rootfs`` None: unified, and ``metadata`` is the tarball."""

    metadata: bytes
    rootfs: bytes | None = None
    public: bool = True
    type: str = "container"
    architecture: str = "x86_64"
    properties: dict[str, str] = field(default_factory=dict)
    aliases: list[str] = field(default_factory=list)

    @property
    def fingerprint(self) -> str:
        return hashlib.sha256(self.metadata + (self.rootfs or b"")).hexdigest()

    def record(self) -> dict[str, Any]:
        return {
            "auto_update": False,
            "properties": self.properties,
            "public": self.public,
            "expires_at": "1970-01-01T00:00:00Z",
            "profiles": ["default"],
            "aliases": [{"name": name, "description": ""} for name in self.aliases],
            "architecture": self.architecture,
            "cached": False,
            "filename": "image.tar.xz",
            "fingerprint": self.fingerprint,
            "size": len(self.metadata) + len(self.rootfs or b""),
            "type": self.type,
            "created_at": "2026-01-02T03:04:05Z",
            "last_used_at": "0001-01-01T00:00:00Z",
            "uploaded_at": "2026-01-02T03:04:06Z",
        }

    def export(self, *, boundary: str = "b0undary") -> Resource:
        """The body of ``/export``; split ones with an ETag and ranges too, which LXD's own lack."""
        etag = f'"{self.fingerprint}"'
        if self.rootfs is None:
            name = f"inline;filename={self.fingerprint}.tar.xz"
            return Resource(
                self.metadata, {"Content-Type": "application/octet-stream", "Content-Disposition": name}, etag
            )
        role = "rootfs" if self.type == "container" else "rootfs.img"
        body = b""
        for part, filename, data in (("metadata", "meta-x.tar.xz", self.metadata), (role, "x.squashfs", self.rootfs)):
            head = f'Content-Disposition: form-data; name="{part}"; filename="{filename}"'
            body += (
                f"--{boundary}\r\n{head}\r\nContent-Type: application/octet-stream\r\n\r\n".encode() + data + b"\r\n"
            )
        body += f"--{boundary}--\r\n".encode()
        return Resource(body, {"Content-Type": f"multipart/form-data; boundary={boundary}"}, etag)


class ImageServerFake(FaultServer):
    """Use in ``with``. Where the TLS context asks for client certificates, showing one makes the caller trusted."""

    def __init__(self, context: ssl.SSLContext | None = None) -> None:
        super().__init__(context)
        self.images: dict[str, Stored] = {}
        self.secrets: dict[str, str] = {}  # secret → fingerprint

    def add(self, image: Stored) -> str:
        self.images[image.fingerprint] = image
        return image.fingerprint

    def find(self, answer: Answer) -> Resource | None:
        url = urlsplit(answer.path)
        parts = url.path.split("/")
        if parts[:3] != ["", "1.0", "images"]:
            return super().find(answer)
        trusted = isinstance(answer.request, ssl.SSLSocket) and answer.request.getpeercert() is not None
        secret = parse_qs(url.query).get("secret", [""])[0]
        shown = [
            image
            for image in self.images.values()
            if trusted or image.public or self.secrets.get(secret) == image.fingerprint
        ]
        match parts[3:]:
            case []:
                return _sync([image.record() for image in shown])
            case ["aliases"]:
                if not trusted:
                    return _error(403, "not authorized")
                return _sync([_alias(name, image) for image in shown for name in image.aliases])
            case ["aliases", *name]:
                wanted = unquote("/".join(name))
                for image in shown:
                    if wanted in image.aliases:
                        return _sync(_alias(wanted, image))
                return _error(404, "Image alias not found")
            case [reference, *rest]:
                found = [image for image in shown if image.fingerprint.startswith(reference)]
                if len(found) > 1:
                    return _error(500, "More than one image matches")
                if not found:
                    return _error(404, "Image not found")
                return found[0].export() if rest == ["export"] else _sync(found[0].record())
        return None


def _alias(name: str, image: Stored) -> dict[str, str]:
    return {"name": name, "target": image.fingerprint, "description": "", "type": image.type}


def _json(status: int, envelope: dict[str, Any]) -> Resource:
    return Resource(json.dumps(envelope).encode(), {"Content-Type": "application/json"}, status=status)


def _sync(metadata: Any) -> Resource:
    return _json(200, {"type": "sync", "status": "Success", "status_code": 200, "metadata": metadata})


def _error(code: int, message: str) -> Resource:
    return _json(code, {"type": "error", "error": message, "error_code": code, "metadata": None})
