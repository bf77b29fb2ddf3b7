"""Read tokens: made, used over TLS, listed and revoked with the client."""

from __future__ import annotations

import json
import socket
import ssl
import urllib.request
from collections.abc import Iterator

import pytest
from tests.busybox_images import tiny_image
from tests.daemon_process import Daemon, running_daemon


@pytest.fixture(scope="module")
def daemon() -> Iterator[Daemon]:
    with running_daemon() as process:
        for number, alias in ((1, "debian/12"), (2, "secret/1")):
            path = process.root / f"{number}.tar.gz"
            path.write_bytes(tiny_image(number))
            process.lxc("image", "import", str(path), "--alias", alias)
        yield process


def _aliases(daemon: Daemon, port: int, token: str) -> set[str]:
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    request = urllib.request.Request(
        f"https://127.0.0.1:{port}/1.0/images?recursion=1", headers={"Authorization": f"Bearer {token}"}
    )
    with urllib.request.urlopen(request, context=context, timeout=20) as answer:
        images = json.loads(answer.read())["metadata"]
    return {alias["name"] for image in images for alias in image["aliases"]}


def test_a_token_reads_what_its_scope_says_until_it_is_revoked(daemon: Daemon) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    daemon.lxc("config", "set", "core.https_address", f"127.0.0.1:{port}")
    token = daemon.lxc("config", "token", "create", "ci", "--read", "debian/*", "--expires", "30d").strip()
    assert _aliases(daemon, port, token) == {"debian/12"}
    listed = daemon.lxc("config", "token", "list", "-f", "csv")
    assert listed.startswith("ci,debian/*,")
    assert token not in listed
    daemon.lxc("config", "token", "revoke", "ci")
    assert _aliases(daemon, port, token) == set()
    assert daemon.lxc("config", "token", "list", "-f", "csv") == ""


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("create", "ci"), "Say which images it may read"),
        (("create", "ci", "--read", "x", "--expires", "soon"), "Not a date"),
        (("revoke", "nobody"), 'There is no token "nobody"'),
    ],
)
def test_a_mistake_gets_one_sentence(daemon: Daemon, words: tuple[str, ...], said: str) -> None:
    done = daemon.run_lxc("config", "token", *words, check=False)
    assert done.returncode == 1
    assert said in done.stderr.decode()
