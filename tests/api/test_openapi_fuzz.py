"""schemathesis against a running daemon: every operation of our own OpenAPI document, right and wrong values.

No answer may be a 500, and each must be one that the document describes. The daemon hosts containers, so that the
routes below an instance have one to work on.
"""

from __future__ import annotations

import copy
import os
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import hypothesis
import pytest
import requests
import schemathesis
import urllib3
from requests.adapters import HTTPAdapter
from schemathesis.config import SchemathesisConfig
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)
from tests.busybox_images import images, tiny_image
from tests.daemon_process import Daemon, running_daemon
from tests.rest import Rest

from azekura.daemon.openapi import document

pytestmark = [pytest.mark.root, pytest.mark.slow]

EXAMPLES = int(os.environ.get("AZEKURA_FUZZ_EXAMPLES", "12"))  # values tried for each operation
BASE = "http://daemon"
NOWHERE = "https://127.0.0.1:1"
GOOD = (501, 507)  # of the 5xx: not offered, no space

KNOWN = {
    "/1.0/images/aliases/": ["known", "a/b"],
    "/1.0/images/": ["known-fingerprint"],
    "/1.0/instances/": ["stopped", "runner"],
    "/1.0/profiles/": ["default", "known"],
    "/1.0/storage-pools/": ["default", "spare"],
    "/1.0/projects/": ["default"],
}


def _with_known_names(fingerprint: str) -> dict[str, Any]:
    """The document, with names that are there among the values of path parameters."""
    whole = copy.deepcopy(document())
    for path in [path for path in whole["paths"] if path.startswith("/1.0/containers")]:
        del whole["paths"][path]
    for path, operations in whole["paths"].items():
        known = next((names for prefix, names in KNOWN.items() if path.startswith(prefix + "{")), None)
        for operation in operations.values():
            for parameter in operation["parameters"]:
                if known and parameter.get("in") == "path" and parameter["name"] in ("name", "fingerprint"):
                    names = [fingerprint if name == "known-fingerprint" else name for name in known]
                    parameter["schema"] = {"anyOf": [{"enum": names}, {"enum": names}, parameter["schema"]]}
    return whole


import hashlib  # noqa: E402 - needed for the document above the first test

FINGERPRINT = hashlib.sha256(tiny_image(600_000)).hexdigest()
CONFIG = SchemathesisConfig.from_dict(
    {"phases": {"coverage": {"enabled": os.environ.get("AZEKURA_FUZZ_COVERAGE") == "1"}}, "generation": {"mode": "all"}}
)
SCHEMA = schemathesis.openapi.from_dict(_with_known_names(FINGERPRINT), config=CONFIG)


class _UnixAdapter(HTTPAdapter):
    """Sends everything to one unix socket."""

    def __init__(self, path: Path) -> None:
        self._path = str(path)
        super().__init__()

    def get_connection_with_tls_context(self, *_: Any, **__: Any) -> urllib3.HTTPConnectionPool:
        return _Pool(self._path)


class _Connection(urllib3.connection.HTTPConnection):
    def __init__(self, path: str) -> None:
        super().__init__("daemon", timeout=20)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(20)
        self.sock.connect(self._path)


class _Pool(urllib3.HTTPConnectionPool):
    def __init__(self, path: str) -> None:
        super().__init__("daemon")
        self._path = path

    def _new_conn(self) -> Any:
        return _Connection(self._path)


@pytest.fixture(scope="module")
def target() -> Iterator[Daemon]:
    with running_daemon(driver="overlay") as daemon:
        yield daemon
        log = daemon.log.read_text()
        assert "Traceback" not in log, log[log.index("Traceback") - 800 :][:5000]


@pytest.fixture(scope="module")
def session(target: Daemon) -> Iterator[requests.Session]:
    with requests.Session() as one:
        one.mount(BASE, _UnixAdapter(target.folder / "unix.socket"))
        yield one


@pytest.fixture
def furnished(target: Daemon) -> None:
    """What the known names stand for is there, whatever the operation before did to it."""
    rest = Rest(target.folder / "unix.socket")
    if rest.get(f"images/{FINGERPRINT}").status != 200:
        rest.finished(rest.upload(tiny_image(600_000)))
    for alias in KNOWN["/1.0/images/aliases/"]:
        rest.post("images/aliases", {"name": alias, "target": FINGERPRINT})
    rest.post("profiles", {"name": "known"})
    if rest.get("storage-pools/spare").status != 200:
        rest.post("storage-pools", {"name": "spare", "driver": "dir"})
    root = {"root": {"type": "disk", "path": "/", "pool": "default"}}
    rest.put("profiles/default", {"devices": root})
    for name in KNOWN["/1.0/instances/"]:
        if rest.get(f"instances/{name}").status != 200:
            if rest.get("images/aliases/busybox").status != 200:
                rest.finished(rest.upload((images() / "unified.tar.gz").read_bytes(), X_LXD_aliases="alias=busybox"))
            source = {"type": "image", "alias": "busybox"}
            rest.done(rest.post("instances", {"name": name, "source": source, "devices": root}))
    if rest.get("instances/runner/state").metadata["status"] == "Stopped":
        rest.put("instances/runner", {"devices": root})
        rest.finished(rest.put("instances/runner/state", {"action": "start"}))


def _harmless(case: Any) -> None:
    """Keep the run short and on this machine: no long waits, no strangers' servers, no disks of the host's."""
    if case.path.endswith("/wait") and isinstance(case.query, dict):
        case.query["timeout"] = "0.01"
    body = case.body
    if not isinstance(body, dict):
        return
    source = body.get("source")
    for holder in (body, source):
        if isinstance(holder, dict):
            for key in ("server", "url", "target"):
                if isinstance(holder.get(key), str) and case.path in ("/1.0/images", "/1.0/instances", _EXPORT):
                    holder[key] = NOWHERE
    if isinstance(body.get("config"), dict):
        for key in ("core.https_address", "source", "raw.lxc"):
            body["config"].pop(key, None)
    if isinstance(body.get("devices"), dict):
        for device in body["devices"].values():
            if isinstance(device, dict):
                device.pop("source", None)
    if case.path.endswith("/state") or case.path == "/1.0/instances":
        inner = body.get("state")
        (inner if isinstance(inner, dict) else body)["timeout"] = 1


_EXPORT = "/1.0/images/{fingerprint}/export"


@SCHEMA.parametrize()
@hypothesis.settings(
    max_examples=EXAMPLES,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=list(hypothesis.HealthCheck),
    phases=[hypothesis.Phase.explicit, hypothesis.Phase.generate],
)
def test_every_answer_is_a_documented_one(case: Any, session: requests.Session, furnished: None) -> None:
    _harmless(case)
    response = case.call(base_url=BASE, session=session, timeout=20)
    assert response.status_code < 500 or response.status_code in GOOD, (
        f"{case.as_curl_command()}\n{response.text[:500]}"
    )
    case.validate_response(
        response,
        checks=[
            status_code_conformance,
            content_type_conformance,
            response_headers_conformance,
            response_schema_conformance,
        ],
    )
