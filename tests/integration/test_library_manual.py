"""The examples of docs/library.md, run as a reader would: in order, in one folder, with a daemon there."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.busybox_images import images, tiny_image
from tests.daemon_process import Daemon, running_daemon
from tests.fakes.fault_server import FaultServer
from tests.fakes.streams_tree import StreamsTree
from tests.fakes.tls_identity import make_identity

pytestmark = [pytest.mark.root]

MANUAL = Path(__file__).parents[2] / "docs/library.md"
FAR = "https://images.example.com"
PRINTED = {  # a piece of what each chapter's example prints
    "Look at an image before trusting it": "container",
    "Make an image": "",
    "Render an image's template": "Debian WEB",
    "Fetch an image from any server": "['unified']",
    "Drive a daemon": "0 web1\n\nImage alias not found",
}


@pytest.fixture(scope="module")
def daemon() -> Iterator[Daemon]:
    with running_daemon(driver="overlay") as running:
        yield running


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place, made = tmp_path_factory.mktemp("reader"), images()
    shutil.copy(made / "meta.tar.gz", place / "metadata.tar.xz")
    shutil.copy(made / "rootfs.squashfs", place)
    (place / "tree").mkdir()
    subprocess.run(["tar", "-C", place / "tree", "-xpf", made / "rootfs.tar.gz"], check=True)
    return place


@pytest.fixture(scope="module")
def web(folder: Path) -> Iterator[FaultServer]:
    identity = make_identity(folder)
    (folder / "server.crt").write_text(identity.pem)
    tree = StreamsTree()
    tree.unified(tree.product("tiny/1"), "20260101_0000", tiny_image(1))
    with FaultServer(identity.server_context()) as server:
        tree.publish(server)
        yield server


def examples() -> dict[str, str]:
    chapters = re.split(r"^## ", MANUAL.read_text(), flags=re.MULTILINE)[1:]
    found = {chapter.partition("\n")[0]: re.findall(r"```python\n(.*?)```", chapter, re.DOTALL) for chapter in chapters}
    return {title: "".join(blocks) for title, blocks in found.items() if blocks}


def test_every_chapter_with_an_example_is_run() -> None:
    assert list(examples()) == list(PRINTED)


@pytest.mark.parametrize("title", PRINTED)
def test_the_example_does_what_it_says(title: str, daemon: Daemon, folder: Path, web: FaultServer) -> None:
    code = examples()[title].replace(FAR, web.url)
    environment = {**os.environ, "LXD_DIR": str(daemon.folder)}
    done = subprocess.run(
        [sys.executable, "-I", "-W", "error", "-c", code], cwd=folder, env=environment, capture_output=True, timeout=60
    )
    assert done.returncode == 0, done.stderr.decode()
    assert PRINTED[title] in done.stdout.decode()


def test_the_examples_have_the_types_they_claim(folder: Path) -> None:
    for number, code in enumerate(examples().values()):
        (folder / f"example_{number}.py").write_text(code)
    files = sorted(str(path) for path in folder.glob("example_*.py"))
    done = subprocess.run(
        [sys.executable, "-m", "mypy", "--strict", "--no-error-summary", "--cache-dir", folder / "cache", *files],
        cwd=folder,
        capture_output=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stdout.decode()
