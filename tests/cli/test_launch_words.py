"""``lxc launch`` and ``lxc init``: the same words, whether a server starts what it creates or must be asked twice."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from tests.fakes.api_server import Request, api_server

from azekura.cli.main import main

NO_NETWORK = "\nThe instance you are starting doesn't have any network attached to it.\n"
HINT = "Try `lxc info --show-log c1` for more info"


@dataclass
class Host:
    """A server that launches. ``create`` and ``start`` are how its operations end: with an error, or well ("")."""

    extensions: tuple[str, ...] = ()
    tells_stage: bool = False
    create: str = ""
    start: str = ""
    devices: dict[str, dict[str, str]] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    order: Any = None

    @property
    def starts_itself(self) -> bool:
        return "instance_create_start" in self.extensions

    def __call__(self, request: Request) -> None:
        self.asked.append(f"{request.method} {request.path.removeprefix('/1.0').lstrip('/')}")
        match request.method, request.path.split("/")[2:]:
            case "GET", []:
                request.sync({"api_extensions": list(self.extensions)})
            case "GET", ["images", "aliases", "deb"]:
                request.sync({"name": "deb", "target": "ab" * 32, "type": "container"})
            case "POST", ["instances"]:
                self.order = request.json()
                request.operation(self._record("create", 103, stage="create"))
            case "GET", ["instances", "c1"]:
                request.sync({"name": "c1", "expanded_devices": self.devices})
            case "PUT", ["instances", "c1", "state"]:
                request.operation(self._record("start", 103))
            case "GET", ["operations", "create", "wait"]:
                both = self.starts_itself and self.order.get("start")
                error = self.create or (self.start if both else "")
                request.sync(self._record("create", 400 if error else 200, error, "create" if self.create else "start"))
            case "GET", ["operations", "start", "wait"]:
                request.sync(self._record("start", 400 if self.start else 200, self.start))
            case _:
                request.refuse(500, f"unexpected: {request.method} {request.path}")

    def _record(self, name: str, code: int, error: str = "", stage: str = "") -> dict[str, Any]:
        told = {"stage": stage} if self.tells_stage and self.order.get("start") else None
        resources = {"instances": ["/1.0/instances/c1"]}
        return {"id": name, "status_code": code, "err": error, "metadata": told, "resources": resources}


OLD: dict[str, Any] = {"extensions": (), "tells_stage": False}
SILENT: dict[str, Any] = {"extensions": ("instance_create_start",), "tells_stage": False}
OURS: dict[str, Any] = {"extensions": ("instance_create_start",), "tells_stage": True}
Lxc = Callable[..., tuple[int, str, str]]


@pytest.fixture
def lxc(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Lxc:
    """``lxc(host, *words)`` → exit code, standard output, standard error."""
    monkeypatch.setenv("LXD_CONF", str(tmp_path / "conf"))
    monkeypatch.setenv("LXD_GLOBAL_CONF", str(tmp_path / "none"))
    monkeypatch.setattr("sys.stdin", None)
    (tmp_path / "conf").mkdir()
    (tmp_path / "conf/config.yml").write_text("default-remote: local\nremotes: {}\naliases: {}\n")

    def run(host: Host, *words: str) -> tuple[int, str, str]:
        with api_server(host) as api:
            monkeypatch.setenv("LXD_SOCKET", str(api.path))
            return main(list(words)), *capfd.readouterr()

    return run


@pytest.mark.parametrize("kind", [OLD, SILENT, OURS], ids=["old", "silent", "ours"])
@pytest.mark.parametrize("network", [False, True])
def test_launch_says_the_same_of_every_server(lxc: Lxc, kind: dict[str, Any], network: bool) -> None:
    host = Host(**kind, devices={"eth0": {"type": "nic"}} if network else {})
    code, out, err = lxc(host, "launch", "deb", "c1")
    assert (code, out) == (0, "Creating c1\nStarting c1\n")
    assert err.startswith(NO_NETWORK) != network
    assert ("PUT instances/c1/state" in host.asked) == (kind is OLD)


@pytest.mark.parametrize("kind", [OLD, SILENT, OURS], ids=["old", "silent", "ours"])
def test_launch_without_a_name_tells_the_one_that_was_given(lxc: Lxc, kind: dict[str, Any]) -> None:
    code, out, _ = lxc(Host(**kind), "launch", "deb")
    assert (code, out) == (0, "Creating the instance\nInstance name is: c1\nStarting c1\n")


@pytest.mark.parametrize("kind", [OLD, SILENT, OURS], ids=["old", "silent", "ours"])
def test_failed_creation_ends_the_launch(lxc: Lxc, kind: dict[str, Any]) -> None:
    host = Host(**kind, create="No root device could be found")
    assert lxc(host, "launch", "deb", "c1") == (1, "Creating c1\n", "Error: No root device could be found\n")


@pytest.mark.parametrize("kind", [OLD, OURS], ids=["old", "ours"])
def test_failed_start_says_where_the_log_is(lxc: Lxc, kind: dict[str, Any]) -> None:
    code, out, err = lxc(Host(**kind, start="no init"), "launch", "deb", "c1")
    assert (code, out) == (1, "Creating c1\nStarting c1\n")
    assert err.startswith(NO_NETWORK)
    assert err.endswith(f"Error: no init\n{HINT}\n")


@pytest.mark.parametrize("kind", [OLD, OURS], ids=["old", "ours"])
def test_quiet_launch_says_nothing(lxc: Lxc, kind: dict[str, Any]) -> None:
    host = Host(**kind, devices={"eth0": {"type": "nic"}})
    assert lxc(host, "launch", "deb", "c1", "--quiet") == (0, "", "")


@pytest.mark.parametrize("kind", [OLD, OURS], ids=["old", "ours"])
def test_init_starts_nothing(lxc: Lxc, kind: dict[str, Any]) -> None:
    host = Host(**kind, devices={"eth0": {"type": "nic"}})
    assert lxc(host, "init", "deb", "c1") == (0, "Creating c1\n", "")
    assert "start" not in host.order
    assert "GET " not in host.asked


def test_a_launch_takes_four_requests(lxc: Lxc) -> None:
    host = Host(**OURS)
    lxc(host, "launch", "deb", "c1")
    assert sorted(host.asked) == [
        "GET images/aliases/deb",
        "GET instances/c1",
        "GET operations/create/wait",
        "POST instances",
    ]
