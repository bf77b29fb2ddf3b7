"""/1.0/operations and /1.0/events: work that outlives its request, and being told of it."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from tests.daemon_process import Daemon
from tests.fakes.fault_server import FaultServer, stall
from tests.fakes.tls_identity import make_identity
from tests.rest import Rest, eventually

from azekura.client.server import Server

NewImage = Callable[[], bytes]


@contextmanager
def deaf_server(folder: Path) -> Iterator[str]:
    """A host that takes connections and never says a word; its URL."""
    listening = socket.create_server(("127.0.0.1", 0))
    try:
        yield f"https://127.0.0.1:{listening.getsockname()[1]}"
    finally:
        listening.close()


def test_a_finished_operation_can_be_asked_for(rest: Rest, new_image: NewImage) -> None:
    started = rest.upload(new_image())
    operation = rest.finished(started)
    time.sleep(5.5)
    again = rest.get(f"operations/{operation['id']}")
    assert again.metadata == operation
    listed = rest.get("operations?recursion=1").metadata
    assert operation["id"] not in [one["id"] for one in listed.get("success", [])]


def test_operations_are_listed_by_status(rest: Rest, new_image: NewImage) -> None:
    operation = rest.finished(rest.upload(new_image()))
    assert f"/1.0/operations/{operation['id']}" in rest.get("operations").metadata["success"]
    records = rest.get("operations?recursion=1").metadata["success"]
    assert operation in records


@pytest.mark.parametrize("path", ["", "/wait", "/wait?timeout=0", "/websocket"])
@pytest.mark.parametrize("name", ["nosuch", "%00", "%FF", "00000000-0000-0000-0000-000000000000"])
def test_an_unknown_operation_is_not_found(rest: Rest, name: str, path: str) -> None:
    assert rest.get(f"operations/{name}{path}").status == 404
    assert rest.delete(f"operations/{name}").status == 404


def test_wait_comes_back_after_its_timeout(rest: Rest, tmp_path: Path) -> None:
    with deaf_server(tmp_path) as url:
        started = rest.post("images", {"source": {"type": "url", "url": f"{url}/x"}})
        operation = started.envelope["metadata"]
        begun = time.monotonic()
        waited = rest.get(f"operations/{operation['id']}/wait?timeout=1").metadata
        assert 0.8 < time.monotonic() - begun < 5
        assert waited["status"] == "Running"
        assert rest.get(f"operations/{operation['id']}/wait?timeout=0").metadata["status"] == "Running"
        assert rest.delete(f"operations/{operation['id']}").status == 200


@pytest.mark.parametrize("timeout", ["nan", "x", "", "1;2", "0x10", "--1"])
def test_a_timeout_that_is_no_number_is_refused(rest: Rest, new_image: NewImage, timeout: str) -> None:
    operation = rest.finished(rest.upload(new_image()))
    answer = rest.get(f"operations/{operation['id']}/wait?timeout={timeout}")
    assert answer.status == 400
    assert "timeout" in answer.error


def test_an_endless_timeout_is_as_long_as_it_takes(rest: Rest, new_image: NewImage) -> None:
    for timeout in ("inf", "-inf", "-1", "1e300", "-5"):
        started = rest.upload(new_image())
        waited = rest.get(f"operations/{started.envelope['metadata']['id']}/wait?timeout={timeout}")
        assert waited.metadata["status"] == "Success"


def test_a_download_is_cancelled(rest: Rest, tmp_path: Path) -> None:
    identity = make_identity(tmp_path)
    with FaultServer(identity.server_context()) as web:
        web.serve("/1.0/images/aliases/x", b" " * 1000)
        web.script("/1.0/images/aliases/x", stall(500, 2))
        source = {"type": "image", "alias": "x", "server": web.url, "certificate": identity.pem}
        operation = rest.post("images", {"source": source}).envelope["metadata"]
        assert operation["may_cancel"]
        eventually(lambda: bool(web.seen))
        assert rest.delete(f"operations/{operation['id']}").status == 200
        ended = rest.get(f"operations/{operation['id']}/wait?timeout=50").metadata
        assert ended["status"] == "Cancelled"
        assert ended["status_code"] == 401
        assert ended["err"]
        assert rest.delete(f"operations/{operation['id']}").status == 400


def test_a_finished_operation_cannot_be_cancelled(rest: Rest, new_image: NewImage) -> None:
    operation = rest.finished(rest.upload(new_image()))
    assert rest.delete(f"operations/{operation['id']}").status == 400


def test_a_task_has_no_websocket(rest: Rest, new_image: NewImage) -> None:
    operation = rest.finished(rest.upload(new_image()))
    assert rest.get(f"operations/{operation['id']}/websocket").status == 400


class Listener:
    """Collects events until it is closed."""

    def __init__(self, server: Server, query: dict[str, str]) -> None:
        self.events: list[dict[str, Any]] = []
        self._socket = server.websocket("events", query)
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        while True:
            message = self._socket.receive()
            if message is None:
                return
            self.events.append(json.loads(message[1]))

    def statuses(self, operation_id: str) -> list[str]:
        return [
            one["metadata"]["status"]
            for one in list(self.events)
            if one["type"] == "operation" and one["metadata"]["id"] == operation_id
        ]

    def wait_for(self, condition: Callable[[], bool]) -> None:
        deadline = time.monotonic() + 10
        while not condition():
            assert time.monotonic() < deadline, self.events
            time.sleep(0.02)

    def close(self) -> None:
        self._socket.close()


@pytest.fixture
def listener(daemon: Daemon) -> Iterator[Listener]:
    one = Listener(daemon.server(), {"type": "operation,lifecycle"})
    yield one
    one.close()


def test_every_state_of_an_operation_is_told(rest: Rest, listener: Listener, new_image: NewImage) -> None:
    operation = rest.finished(rest.upload(new_image()))
    listener.wait_for(lambda: "Success" in listener.statuses(operation["id"]))
    assert listener.statuses(operation["id"])[:2] == ["Pending", "Running"]
    last = [one for one in listener.events if one["metadata"].get("id") == operation["id"]][-1]
    assert last["metadata"]["metadata"]["fingerprint"]
    assert last["location"] == "none"
    assert last["project"] == "default"


def test_lifecycle_events_name_what_happened(rest: Rest, listener: Listener, new_image: NewImage, unique: str) -> None:
    fingerprint = rest.add_image(new_image())
    rest.post("images/aliases", {"name": unique, "target": fingerprint})
    rest.post(f"images/aliases/{unique}/move", {"target": fingerprint})
    rest.delete(f"images/aliases/{unique}")
    rest.patch(f"images/{fingerprint}", {"public": True})
    rest.get(f"images/{fingerprint}/export")
    rest.done(rest.delete(f"images/{fingerprint}"))

    def actions() -> list[str]:
        return [one["metadata"]["action"] for one in list(listener.events) if one["type"] == "lifecycle"]

    listener.wait_for(lambda: "image-deleted" in actions())
    assert actions() == [
        "image-created",
        "image-alias-created",
        "image-alias-updated",
        "image-alias-deleted",
        "image-updated",
        "image-retrieved",
        "image-deleted",
    ]


def test_a_listener_hears_only_what_it_asked_for(daemon: Daemon, rest: Rest, new_image: NewImage) -> None:
    one = Listener(daemon.server(), {"type": "lifecycle"})
    rest.add_image(new_image())
    one.wait_for(lambda: bool(one.events))
    time.sleep(0.2)
    assert {event["type"] for event in one.events} == {"lifecycle"}
    one.close()


@pytest.mark.parametrize("kind", ["nosuch", "operation,nosuch", "%00", "%FF"])
def test_unknown_kinds_of_events_are_refused(rest: Rest, kind: str) -> None:
    answer = rest.get(f"events?type={kind}")
    assert answer.status == 400
    assert answer.error


def test_events_without_an_upgrade_are_refused(rest: Rest) -> None:
    answer = rest.get("events")
    assert answer.status == 400
    assert answer.error


def test_a_listener_that_hangs_up_does_no_harm(daemon: Daemon, rest: Rest, new_image: NewImage) -> None:
    for _ in range(3):
        Listener(daemon.server(), {}).close()
    rest.add_image(new_image())


def test_secrets_are_not_told_to_listeners_of_a_restart(rest: Rest, new_image: NewImage) -> None:
    fingerprint = rest.add_image(new_image())
    operation = rest.post(f"images/{fingerprint}/secret").envelope["metadata"]
    assert rest.get(f"operations/{operation['id']}").metadata["class"] == "token"
    assert rest.delete(f"operations/{operation['id']}").status == 200
    assert rest.get(f"operations/{operation['id']}").metadata["status"] == "Cancelled"
