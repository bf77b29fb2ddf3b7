"""Finding an alias in a stream of 3,000 products, as simplestreams mirrors have them."""

from __future__ import annotations

import hashlib
import json
import shutil
from contextlib import ExitStack
from pathlib import Path

from bench import image
from bench.pair import Row, alternate, note
from bench.server import LxdServer, ours, real
from bench.webserver import WebServer, nginx

PRODUCTS = 3_000


def rows(rounds: int) -> list[Row]:
    with ExitStack() as stack:
        folder = stack.enter_context(image.scratch())
        folder.chmod(0o755)
        site = folder / "site"
        _publish(site)
        web = stack.enter_context(nginx(folder / "nginx", site))
        mine, theirs = stack.enter_context(ours()), stack.enter_context(real())
        for server in (mine, theirs):
            _trust(server, web)
        words = ("image", "info", f"stream:distro{PRODUCTS // 2}/12")
        sides = {"ours": lambda: mine.time(*words), "real": lambda: theirs.time(*words)}
        note("streams: warming up")
        alternate(1, sides)
        before = len(web.accesses())
        mine.lxc(*words)
        fetched = sum(size for _, status, size in web.accesses()[before:] if status == 200)
        note("streams: measuring")
        taken = alternate(2 * rounds, sides)
    return [
        Row(f"alias in a stream of {PRODUCTS} products", "ms", taken["ours"], 1 / 5, taken["real"], "LXD"),
        Row("the same again: bytes of the index fetched", "MB", [float(fetched)], 0),
    ]


def _trust(server: LxdServer, web: WebServer) -> None:
    """Both clients take a server's certificate from the same place."""
    certificates = server.folder / "client" / "servercerts"
    certificates.mkdir(exist_ok=True)
    server.lxc("remote", "add", "stream", web.url, "--protocol", "simplestreams", "--public")
    shutil.copy(web.certificate, certificates / "stream.crt")


def _publish(site: Path) -> None:
    streams = site / "streams" / "v1"
    streams.mkdir(parents=True)
    products = {f"distro{number}:12:amd64:default": _product(number) for number in range(PRODUCTS)}
    index = {
        "format": "index:1.0",
        "index": {
            "images": {
                "datatype": "image-downloads",
                "path": "streams/v1/images.json",
                "format": "products:1.0",
                "products": sorted(products),
            }
        },
    }
    body = {"content_id": "images", "datatype": "image-downloads", "format": "products:1.0", "products": products}
    (streams / "index.json").write_text(json.dumps(index))
    (streams / "images.json").write_text(json.dumps(body))


def _product(number: int) -> dict[str, object]:
    """Two versions of an image in two forms, as images.linuxcontainers.org has them."""
    versions = {}
    for serial in ("20260101_05:24", "20260102_05:24"):
        folder = f"images/distro{number}/12/amd64/default/{serial}"

        def sha(name: str, place: str = folder) -> str:
            return hashlib.sha256(f"{place}/{name}".encode()).hexdigest()

        meta = {
            "path": f"{folder}/lxd.tar.xz",
            "size": 700,
            "sha256": sha("meta"),
            "combined_squashfs_sha256": sha("squashfs combined"),
            "combined_rootxz_sha256": sha("tar combined"),
            "combined_sha256": sha("tar combined"),
        }
        versions[serial] = {
            "items": {
                "lxd.tar.xz": {"ftype": "lxd.tar.xz", **meta},
                "incus.tar.xz": {"ftype": "incus.tar.xz", **meta},
                "root.squashfs": {
                    "ftype": "squashfs",
                    "path": f"{folder}/rootfs.squashfs",
                    "size": 90_000_000,
                    "sha256": sha("squashfs"),
                },
                "root.tar.xz": {
                    "ftype": "root.tar.xz",
                    "path": f"{folder}/rootfs.tar.xz",
                    "size": 80_000_000,
                    "sha256": sha("tar"),
                },
            }
        }
    return {
        "aliases": f"distro{number}/12/default,distro{number}/12",
        "arch": "amd64",
        "os": f"Distro{number}",
        "release": "12",
        "release_title": "12",
        "variant": "default",
        "lxd_requirements": {},
        "requirements": {},
        "versions": versions,
    }
