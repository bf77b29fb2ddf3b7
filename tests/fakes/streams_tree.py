"""Builds simplestreams trees, as publishers lay them out, into a FaultServer."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from typing import Any

from tests.fakes.fault_server import FaultServer


def sha256(*parts: bytes) -> str:
    return hashlib.sha256(b"".join(parts)).hexdigest()


@dataclass
class StreamsTree:
    """``add`` products and versions, then ``publish``."""

    products: dict[str, dict[str, Any]] = field(default_factory=dict)
    files: dict[str, bytes] = field(default_factory=dict)

    def product(self, name: str, *, arch: str = "amd64", aliases: str = "", **more: Any) -> dict[str, Any]:
        os_, release = ([*name.split("/"), "current"])[:2]
        key = f"{os_}:{release}:{arch}:default"
        return self.products.setdefault(
            key,
            {
                "aliases": aliases or f"{name},{name}/default",
                "arch": arch,
                "os": os_.capitalize(),
                "release": release,
                "release_title": release,
                "variant": "default",
                "requirements": {},
                "versions": {},
                **more,
            },
        )

    def split(
        self,
        product: dict[str, Any],
        serial: str,
        metadata: bytes,
        *,
        squashfs: bytes | None = None,
        rootxz: bytes | None = None,
        disk: bytes | None = None,
        flavours: tuple[str, ...] = ("lxd", "incus"),
    ) -> str:
        """A version with these files; returns the fingerprint of the first kind given."""
        folder = f"images/{product['os']}/{product['release']}/{product['arch']}/{serial}".lower()
        items: dict[str, Any] = {}
        base = {"path": f"{folder}/lxd.tar.xz", "size": len(metadata), "sha256": sha256(metadata)}
        fingerprints = []
        for body, key, ftype, name in (
            (squashfs, "combined_squashfs_sha256", "squashfs", "rootfs.squashfs"),
            (rootxz, "combined_rootxz_sha256", "root.tar.xz", "root.tar.xz"),
            (disk, "combined_disk-kvm-img_sha256", "disk-kvm.img", "disk.qcow2"),
        ):
            if body is not None:
                base[key] = sha256(metadata, body)
                fingerprints.append(sha256(metadata, body))
                path = f"{folder}/{name}"
                items[name] = {"ftype": ftype, "path": path, "size": len(body), "sha256": sha256(body)}
                self.files[path] = body
        for flavour in flavours:
            items[f"{flavour}.tar.xz"] = {"ftype": f"{flavour}.tar.xz", **base}
        self.files[str(base["path"])] = metadata
        product["versions"][serial] = {"items": items}
        return fingerprints[0]

    def unified(self, product: dict[str, Any], serial: str, tarball: bytes) -> str:
        path = f"images/{product['os']}/{product['arch']}/{serial}/lxd_combined.tar.gz".lower()
        item = {"ftype": "lxd_combined.tar.gz", "path": path, "size": len(tarball), "sha256": sha256(tarball)}
        self.files[path] = tarball
        product["versions"][serial] = {"items": {"lxd_combined.tar.gz": item}}
        return sha256(tarball)

    def delta(self, product: dict[str, Any], serial: str, base: str, patch: bytes) -> str:
        """A squashfs patch from version ``base`` to ``serial``; returns its path."""
        path = f"images/{product['os']}/{product['arch']}/{serial}/delta-{base}.vcdiff".lower()
        product["versions"][serial]["items"][f"root.{base}.vcdiff"] = {
            "ftype": "squashfs.vcdiff",
            "delta_base": base,
            "path": path,
            "size": len(patch),
            "sha256": sha256(patch),
        }
        self.files[path] = patch
        return path

    def index(self, path: str = "streams/v1/images.json", updated: str = "") -> bytes:
        entry = {
            "datatype": "image-downloads",
            "path": path,
            "format": "products:1.0",
            "products": sorted(self.products) or ["none"],
        }
        return json.dumps({"format": "index:1.0", "updated": updated, "index": {"images": entry}}).encode()

    def catalogue(self, updated: str = "") -> bytes:
        document = {"content_id": "images", "datatype": "image-downloads", "format": "products:1.0"}
        return json.dumps({**document, "updated": updated, "products": self.products}).encode()

    def publish(self, server: FaultServer, prefix: str = "") -> None:
        for path, body in self.files.items():
            server.serve(f"{prefix}/{path}", body)
        server.serve(f"{prefix}/streams/v1/images.json", self.catalogue())
        server.serve(f"{prefix}/streams/v1/index.json", self.index())
