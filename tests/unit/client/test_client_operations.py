"""Waiting for operations, with and without progress, and giving up on them."""

from __future__ import annotations

import json
from typing import Any

import pytest
from tests.fakes.api_server import Request, api_server

from azekura.client.operations import Operation, Watcher
from azekura.errors import Cancelled, InvalidRequest, RemoteError

RUNNING = {"id": "op1", "status": "Running", "status_code": 103, "metadata": None, "err": ""}
DONE = {**RUNNING, "status": "Success", "status_code": 200, "metadata": {"fingerprint": "abc"}}
FAILED = {**RUNNING, "status": "Failure", "status_code": 400, "err": "No space"}


class Told(Watcher):
    def __init__(self) -> None:
        self.states: list[Any] = []
        self.warnings: list[str] = []

    def progress(self, operation: dict[str, Any]) -> None:
        self.states.append(operation["metadata"])

    def warn(self, message: str) -> None:
        self.warnings.append(message)


def test_finished_operation_is_returned() -> None:
    def handler(request: Request) -> None:
        request.operation(RUNNING) if request.method == "POST" else request.sync(DONE)

    with api_server(handler) as api:
        assert api.server.run("POST", "images", {})["metadata"] == {"fingerprint": "abc"}
        assert [request.path for request in api.requests] == ["/1.0/images", "/1.0/operations/op1/wait"]


def test_failed_operation_raises_in_the_servers_words() -> None:
    def handler(request: Request) -> None:
        request.operation(RUNNING) if request.method == "POST" else request.sync(FAILED)

    with api_server(handler) as api, pytest.raises(RemoteError, match=r"^No space$"):
        api.server.run("POST", "images", {})


def test_operation_final_from_the_start_needs_no_wait() -> None:
    with api_server(lambda request: request.operation(DONE)) as api:
        api.server.run("POST", "images", {})
        assert len(api.requests) == 1


def test_operation_cancelled_elsewhere_raises_cancelled() -> None:
    gone = {**RUNNING, "status": "Cancelled", "status_code": 401}

    def handler(request: Request) -> None:
        request.operation(RUNNING) if request.method == "POST" else request.sync(gone)

    with api_server(handler) as api, pytest.raises(Cancelled):
        api.server.run("POST", "images", {})


def test_watcher_is_told_of_each_event_of_its_operation_only() -> None:
    def handler(request: Request) -> None:
        if request.path == "/1.0/events":
            request.switch()
            for record in ({**RUNNING, "id": "other"}, {**RUNNING, "metadata": {"x_progress": "5%"}}, DONE):
                event = {"type": "operation", "metadata": record}
                request.send_frame(1, json.dumps(event).encode())
            request.read_frame()
        elif request.method == "POST":
            request.operation(RUNNING)
        else:
            request.sync(RUNNING)

    told = Told()
    with api_server(handler) as api:
        assert api.server.run("POST", "images", {}, watcher=told)["status_code"] == 200
        assert api.requests[0].path == "/1.0/events", "listening begins before the request"
    assert told.states == [None, {"x_progress": "5%"}, {"fingerprint": "abc"}]


def test_broken_event_stream_does_not_break_the_wait() -> None:
    def handler(request: Request) -> None:
        if request.path == "/1.0/events":
            request.switch()
        elif request.method == "POST":
            request.operation(RUNNING)
        else:
            request.sync(DONE if request.path.endswith("/wait") else RUNNING)

    with api_server(handler) as api:
        assert api.server.run("POST", "images", {}, watcher=Told())["status_code"] == 200


class Interrupted(Operation):
    """An operation whose wait is interrupted a number of times, as by Ctrl-C."""

    times = 0

    def _wait(self) -> None:
        if self.times:
            self.times -= 1
            raise KeyboardInterrupt
        super()._wait()


def test_interrupt_asks_the_server_to_stop() -> None:
    with api_server(lambda request: request.sync({})) as api:
        operation = Interrupted(api.server, dict(RUNNING))
        operation.times = 1
        with pytest.raises(Cancelled, match="Remote operation canceled by user"):
            operation.wait()
        assert api.requests[0].method == "DELETE"


def test_refused_stop_lets_the_wait_go_on() -> None:
    def handler(request: Request) -> None:
        if request.method == "DELETE":
            request.refuse(400, "This operation can't be cancelled")
        else:
            request.sync(DONE)

    told = Told()
    with api_server(handler) as api:
        operation = Interrupted(api.server, dict(RUNNING), None, told)
        operation.times = 1
        assert operation.wait()["status_code"] == 200
    assert told.warnings == ["This operation can't be cancelled (interrupt 2 more times to force)"]


def test_third_interrupt_leaves_the_operation_to_itself() -> None:
    with api_server(lambda request: request.refuse(400, "no")) as api:
        operation = Interrupted(api.server, dict(RUNNING))
        operation.times = 3
        with pytest.raises(Cancelled, match="The remote operation will keep running"):
            operation.wait()


def test_answer_without_operation_is_refused() -> None:
    from azekura.errors import BadAnswer

    with api_server(lambda request: request.sync({})) as api, pytest.raises(BadAnswer):
        api.server.start("POST", "images", {})


def test_refused_start_closes_the_event_stream() -> None:
    closed: list[int] = []

    def handler(request: Request) -> None:
        if request.path == "/1.0/events":
            request.switch()
            closed.append(request.read_frame()[0])
        else:
            request.refuse(400, "bad")

    with api_server(handler) as api:
        with pytest.raises(InvalidRequest):
            api.server.start("POST", "images", {}, watcher=Told())
        for _ in range(100):
            if closed:
                break
            __import__("time").sleep(0.02)
    assert closed == [8]
