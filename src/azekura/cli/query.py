"""``lxc query``: a request of the user's own to the API."""

from __future__ import annotations

import json
import sys

from azekura.cli.command import TEXT, Command, Flag
from azekura.client.body import bytes_body
from azekura.client.envelope import ANSWER_LIMIT, open_envelope
from azekura.errors import InvalidRequest

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from azekura.cli.invocation import Invocation
    from azekura.client.body import Body
    from azekura.client.envelope import Record
    from azekura.client.server import Server

_ENVELOPE = ("type", "status", "status_code", "operation", "error_code", "error", "metadata")


def run(call: Invocation) -> None:
    options = call.options
    argument = call.arguments[0]
    remote, path = (call.config.default_remote, argument) if argument.startswith("/") else call.split(argument)
    if not path.startswith("/"):
        raise InvalidRequest("Query path must start with /")
    if call.options.given("project"):
        raise InvalidRequest("--project cannot be used with the query command")
    server = call.server(remote)
    data = options.text("data")
    if data == "-":
        data = sys.stdin.buffer.read().decode(errors="surrogateescape")
    body = bytes_body(_as_json(data).encode("utf-8", "surrogateescape")) if options.given("data") else None
    envelope = _ask(server, options.text("request"), path, body)
    if envelope is None:
        return
    if options.switch("wait") and envelope["type"] == "async":
        from azekura.client.operations import Operation

        envelope["metadata"] = Operation(server, envelope["metadata"]).wait()
    if options.switch("raw"):
        _show({key: envelope.get(key) for key in _ENVELOPE}, sort=False)
    elif envelope.get("metadata") not in (None, {}):
        _show(envelope["metadata"], sort=True)


def _ask(server: Server, method: str, path: str, body: Body | None) -> Record | None:
    """The answer's envelope; what isn't JSON is a file, which is written out as it comes."""
    answer = server.open(method, path, body=body)
    try:
        if answer.status >= 400 or "json" in answer.headers.get("content-type", "json"):
            return open_envelope(answer.status, answer.read(ANSWER_LIMIT))
        sys.stdout.flush()
        while data := answer.read_some():
            sys.stdout.buffer.write(data)
        return None
    finally:
        answer.close()


def _as_json(text: str) -> str:
    """What is no JSON is sent as a text in JSON."""
    try:
        json.loads(text)
    except ValueError:
        return json.dumps(text)
    return text


def _show(value: Any, *, sort: bool) -> None:
    sys.stdout.write(json.dumps(value, indent="\t", ensure_ascii=False, sort_keys=sort) + "\n\n")


COMMANDS = {
    "query": Command(
        "Send a request of your own to the API",
        run,
        usage="[<remote>:]<API path>",
        minimum=1,
        maximum=1,
        flags=(
            Flag("data", "The request's body (- for standard input)", short="d", kind=TEXT),
            Flag("raw", "Show the whole answer"),
            Flag("request", "Method", short="X", kind=TEXT, default="GET"),
            Flag("wait", "Wait for the end of the operation"),
        ),
        examples=(("lxc query -X DELETE --wait /1.0/instances/first", ""),),
    )
}
