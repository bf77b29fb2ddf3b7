"""The same stream, read by Debian's own ``lxc`` 5.0.2 and by us: same images, same names, same choices."""

from __future__ import annotations

import json
import os
import random
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.fakes.fault_server import FaultServer
from tests.fakes.real_lxd import LXC
from tests.fakes.streams_tree import StreamsTree
from tests.fakes.tls_identity import make_identity

from azekura.model.architecture import runnable
from azekura.model.source import Protocol
from azekura.remotes import open_server
from azekura.remotes.port import ImageServer, RemoteImage
from azekura.wire.times import format_time

pytestmark = pytest.mark.interop


class Lxc:
    """Debian's client with one remote, ``x``."""

    def __init__(self, folder: Path, url: str, pem: str) -> None:
        (folder / "servercerts").mkdir(parents=True)
        (folder / "servercerts" / "x.crt").write_text(pem)
        (folder / "config.yml").write_text(
            f"default-remote: local\nremotes:\n  local:\n    addr: unix://\n"
            f"  x:\n    addr: {url}\n    protocol: simplestreams\n    public: true\n"
        )
        self._environment = {**os.environ, "LXD_CONF": str(folder), "LC_ALL": "C.UTF-8", "TZ": "UTC"}

    def json(self, *words: str) -> Any:
        done = subprocess.run(
            [LXC, *words, "--format", "json"], env=self._environment, check=True, capture_output=True, timeout=60
        )
        return json.loads(done.stdout)

    def fingerprint(self, alias: str, *words: str) -> str:
        done = subprocess.run(
            [LXC, "image", "info", f"x:{alias}", *words],
            env=self._environment,
            check=False,
            capture_output=True,
            text=True,
            timeout=60,
        )
        first = done.stdout.splitlines()[0] if done.stdout else ""
        return first.removeprefix("Fingerprint: ") if done.returncode == 0 else ""


def tricky_stream() -> StreamsTree:
    """Names fought over by products, kinds and architectures; what LXD leaves out; no fingerprint twice."""
    random_ = random.Random(11)
    tree = StreamsTree()
    names = ["a", "a/amd64", "b", "b/c", "b/c/arm64", "abc", "default", "d/e/f"]
    for number in range(14):
        arch = random_.choice(["amd64", "arm64", "i386", "armhf", "s390x", "vax"])
        product = tree.product(
            f"os{number % 4}/{number}",
            arch=arch,
            aliases=",".join(random_.sample(names, random_.randrange(1, 5))),
            support_eol=random_.choice(["2028-06-30", "", "soon"]),
            lxd_requirements=random_.choice([{}, {"secureboot": "false"}]),
            release_title=random_.choice(["Title", "12"]),
            version=random_.choice(["", "12"]),
        )
        for serial in random_.sample(["20260101_0000", "20260202_05:24", "20260303", "20251212_2359"], 3):
            blob = random_.randbytes
            tree.split(
                product,
                serial,
                blob(20),
                squashfs=blob(30),
                rootxz=random_.choice([None, blob(40)]),
                disk=random_.choice([None, blob(50)]),
            )
            product["versions"][serial]["label"] = random_.choice(["", "release"])
        tree.split(product, "v2", random_.randbytes(9), squashfs=b"never seen")
        if random_.random() < 0.5:
            tree.unified(product, "20260404_0000", random_.randbytes(60))
    return tree


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Lxc, ImageServer, StreamsTree]]:
    if not Path(LXC).exists():
        pytest.skip("Debian's lxc is needed")
    folder = tmp_path_factory.mktemp("lxc")
    identity = make_identity(folder)
    tree = tricky_stream()
    with FaultServer(identity.server_context()) as web:
        tree.publish(web)
        server = open_server(
            web.url, Protocol.SIMPLESTREAMS, certificate_pem=identity.pem, architectures=runnable(), cache_dir=folder
        )
        yield Lxc(folder / "conf", web.url, identity.pem), server, tree


def as_lxd_shows(image: RemoteImage) -> dict[str, Any]:
    return {
        "fingerprint": image.known_fingerprint,
        "type": image.type.value,
        "architecture": image.architecture,
        "properties": dict(image.properties),
        "aliases": sorted(image.aliases),
        "size": image.size,
        "filename": image.filename,
        "public": image.public,
        "created_at": format_time(image.created_at),
        "expires_at": format_time(image.expires_at),
    }


def test_both_see_the_same_images(both: tuple[Lxc, ImageServer, StreamsTree]) -> None:
    lxc, server, _ = both
    theirs = {
        record["fingerprint"]: {
            **{key: record[key] for key in as_lxd_shows(server.list()[0]) if key != "aliases"},
            "aliases": sorted(alias["name"] for alias in record["aliases"] or []),
        }
        for record in lxc.json("image", "list", "x:")
    }
    ours = {image.known_fingerprint: as_lxd_shows(image) for image in server.list()}
    assert ours == theirs
    assert len(ours) > 40


def test_both_see_the_same_aliases(both: tuple[Lxc, ImageServer, StreamsTree]) -> None:
    lxc, server, _ = both
    theirs = {(row["name"], row["type"]): row["target"] for row in lxc.json("image", "alias", "list", "x:")}
    ours = {(alias.name, alias.type.value): alias for alias in server.aliases()}
    assert sorted(ours) == sorted(theirs)
    here = [key for key, alias in ours.items() if alias.architecture in runnable()]
    assert here
    assert {key: ours[key].target.value for key in here} == {key: theirs[key] for key in here}


def test_both_choose_the_same_image_for_a_name(both: tuple[Lxc, ImageServer, StreamsTree]) -> None:
    """Where nothing of that name runs here, LXD's choice hangs on an unstable sort; any is right then."""
    lxc, server, _ = both
    architectures = {image.known_fingerprint: image.architecture for image in server.list()}
    compared = 0
    for name in sorted({alias.name for alias in server.aliases()}):
        image = server.resolve(name, type=None, architectures=runnable())
        chosen = lxc.fingerprint(name)
        if image.architecture in runnable():
            compared += 1
            assert image.known_fingerprint == chosen
        else:
            assert architectures[chosen] not in runnable()
    assert compared > 2
