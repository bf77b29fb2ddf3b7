"""Start-up is what users feel: what the two most used commands load, and that every command can be loaded."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from tests.fakes.api_server import Request, api_server

from azekura.cli.command import MANY, Command
from azekura.cli.help import command_help, group_help
from azekura.cli.tree import HIDDEN, ROOT, Group, load

# each of these costs more than the whole of our own code
HEAVY = (
    "argparse",
    "asyncio",
    "cryptography",
    "dataclasses",
    "datetime",
    "enum",
    "hashlib",
    "http.client",
    "inspect",
    "ipaddress",
    "json",
    "logging",
    "pathlib",
    "re",
    "rich",
    "selectors",
    "shutil",
    "socket",
    "ssl",
    "subprocess",
    "tempfile",
    "threading",
    "typing",
    "urllib.parse",
    "urllib3",
    "yaml",
    "azekura.model",
    "azekura.remotes",
    "azekura.wire",
)
PROBE = """
import sys
before = set(sys.modules)
from azekura.cli.main import main
code = main(sys.argv[1:])
print(code, *sorted(set(sys.modules) - before), file=sys.stderr)
"""


def _loaded(arguments: list[str], folder: Path, socket: Path) -> set[str]:
    environment = {**os.environ, "LXD_CONF": str(folder), "LXD_SOCKET": str(socket), "LXD_GLOBAL_CONF": str(folder)}
    done = subprocess.run(
        [sys.executable, "-S", "-c", PROBE, *arguments],
        env={**environment, "PYTHONPATH": str(Path(__file__).parents[2] / "src")},
        capture_output=True,
        text=True,
        check=True,
    )
    code, *names = done.stderr.split()
    assert code == "0", done.stderr
    return set(names)


@pytest.mark.parametrize("arguments", [["image", "list"], ["list"]])
def test_lists_load_little(arguments: list[str], tmp_path: Path) -> None:
    (tmp_path / "config.yml").write_text("default-remote: local\nremotes:\n  local:\n    addr: unix://\naliases: {}\n")

    def answer(request: Request) -> None:
        if request.path == "/1.0/images":
            image = {"fingerprint": "a" * 64, "size": 5, "uploaded_at": "2026-01-02T03:04:05Z", "type": "container"}
            request.sync([image])
        else:
            request.sync([{"name": "c1", "status": "Running", "status_code": 103, "type": "container", "state": {}}])

    with api_server(answer) as api:
        loaded = _loaded(arguments, tmp_path, api.path)
    assert not loaded.intersection(HEAVY)
    own = {name for name in loaded if name.startswith("azekura.")}
    assert len(own) <= 22, sorted(own)


def _commands(group: Group, path: str = "") -> list[tuple[str, Command | Group]]:
    found: list[tuple[str, Command | Group]] = []
    for names in group.names():
        child = group.children[" ".join(names)]
        full = f"{path} {names[0]}".strip()
        if isinstance(child, Group):
            found += [(full, child), *_commands(child, full)]
        else:
            found.append((full, load(child, names[0])))
    return found


ALL = _commands(ROOT)


@pytest.mark.parametrize(("path", "command"), ALL, ids=[path for path, _ in ALL])
def test_every_command_explains_itself(path: str, command: Command | Group) -> None:
    text = group_help(path, command) if isinstance(command, Group) else command_help(path, command)
    assert text.startswith("Description:\n  ")
    assert f"Usage:\n  lxc {path}" in text
    assert all(len(line) <= 130 for line in text.splitlines())
    if isinstance(command, Command):
        assert command.maximum == MANY or command.minimum <= command.maximum
        names = [flag.name for flag in command.flags]
        assert len(names) == len(set(names))
        shorts = [flag.short for flag in command.flags if flag.short]
        assert len(shorts) == len(set(shorts))
        assert all(flag.words for flag in command.flags)


def test_hidden_commands_exist() -> None:
    assert {name for names in ROOT.names() for name in names} >= HIDDEN
