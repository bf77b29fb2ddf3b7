"""``lxc monitor``: the server's events as they happen."""

from __future__ import annotations

import json
import sys

from azekura.cli.command import TEXT, TEXTS, Command, Flag
from azekura.client.envelope import parse_json
from azekura.errors import ConnectionFailed, InvalidRequest

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from azekura.cli.invocation import Invocation
    from azekura.client.envelope import Record

LEVELS = ("panic", "fatal", "error", "warning", "info", "debug", "trace")


def run(call: Invocation) -> None:
    options = call.options
    form = "pretty" if options.switch("pretty") else options.text("format")
    if form not in ("json", "pretty", "yaml"):
        raise InvalidRequest(f"Invalid format: {form}")
    level = options.text("loglevel")
    if level and form != "pretty":
        raise InvalidRequest("Log level filtering can only be used with pretty formatting")
    if level and level not in LEVELS:
        raise InvalidRequest(f'not a valid log level: "{level}"')
    remote, name = call.split(call.argument(0))
    if name:
        raise InvalidRequest("Monitor takes a remote, not a name")
    query = {}
    types = options.texts("type")
    if form == "pretty" and not types:
        types = ["logging", "lifecycle"]
    if types:
        query["type"] = ",".join(types)
    if options.switch("all-projects"):
        query["all-projects"] = "true"
    events = call.server(remote).websocket("events", query)
    while (message := events.receive()) is not None:
        event = parse_json(message[1])
        if form == "pretty":
            _show_line(event, level or "trace")
        elif form == "json":
            sys.stdout.write(json.dumps(event, separators=(",", ":"), ensure_ascii=False, sort_keys=True) + "\n\n")
        else:
            from azekura.cli.yaml_output import dump

            sys.stdout.write(dump(_sorted(event), plain_text=True) + "\n\n")
        sys.stdout.flush()
    raise ConnectionFailed("The server ended the stream of events")


def _sorted(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _sorted(value[key]) for key in sorted(value)}
    return [_sorted(item) for item in value] if isinstance(value, list) else value


def _show_line(event: Record, level: str) -> None:
    """One line as of a log."""
    metadata = event.get("metadata") or {}
    kind = event.get("type")
    context: Record = {}
    own_level = "info"
    if kind == "logging":
        own_level, text = str(metadata.get("level", "info")), str(metadata.get("message", ""))
        context = metadata.get("context") or {}
    elif kind == "lifecycle":
        text = f"Action: {metadata.get('action')}, Source: {metadata.get('source')}"
        requestor = metadata.get("requestor")
        if requestor:
            text += f", Requestor: {requestor.get('protocol')}/{requestor.get('username')} ({requestor.get('address')})"
        context = metadata.get("context") or {}
    else:
        text = f"ID: {metadata.get('id')}, Class: {metadata.get('class')}, Description: {metadata.get('description')}"
        context = {"Status": metadata.get("status"), "Err": metadata.get("err")}
    if own_level in LEVELS and LEVELS.index(own_level) > LEVELS.index(level):
        return
    stamp = str(event.get("timestamp", ""))[:19] + "Z"
    pairs = {"time": stamp, "level": own_level, "msg": text, **{key: context[key] for key in sorted(context)}}
    print(" ".join(f"{key}={_quoted(key, str(value))}" for key, value in pairs.items()))


def _quoted(key: str, text: str) -> str:
    plain = text and all(char.isalnum() or char in "-._/@^+" for char in text)
    return text if plain and key not in ("time", "msg") else json.dumps(text, ensure_ascii=False)


COMMANDS = {
    "monitor": Command(
        "Show the server's events as they happen",
        run,
        usage="[<remote>:]",
        maximum=1,
        flags=(
            Flag("all-projects", "Events of all projects"),
            Flag("format", "Form: json, pretty or yaml", short="f", kind=TEXT, default="yaml"),
            Flag("loglevel", "Least level of log messages (pretty only)", kind=TEXT),
            Flag("pretty", "One line an event"),
            Flag("type", "Kind of events: logging, lifecycle or operation (may be repeated)", kind=TEXTS),
        ),
    )
}
