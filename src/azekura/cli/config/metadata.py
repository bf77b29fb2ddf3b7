"""``lxc config metadata …``: the metadata that an instance took from its image, and gives to images made of it."""

from __future__ import annotations

import sys

from azekura.cli.command import Command
from azekura.cli.editor import edit_until_right, is_interactive, standard_input
from azekura.cli.instance import path_of
from azekura.cli.yaml_input import compose, plain
from azekura.cli.yaml_output import dump
from azekura.errors import InvalidRequest

TYPE_CHECKING = False
if TYPE_CHECKING:
    from azekura.cli.invocation import Invocation
    from azekura.client.envelope import Record

HEADER = """\
### This is a YAML representation of the instance metadata.
### Any line starting with a '# will be ignored.
###
### Properties are lines of text, templates name the file they make:
### properties:
###   os: Debian
### templates:
###   /etc/hostname:
###     when:
###     - create
###     create_only: false
###     template: hostname.tpl
###     properties: {}
"""


def parse(text: str) -> Record:
    """
    Raises:
        InvalidRequest: not YAML, or not metadata.
    """
    root = compose(text)
    value = plain(root) if root is not None else {}
    if not isinstance(value, dict):
        raise InvalidRequest("The metadata must be a map")
    record: Record = {"architecture": value.get("architecture", "")}
    for key in ("creation_date", "expiry_date"):
        try:
            record[key] = int(value.get(key) or 0)
        except (TypeError, ValueError) as exc:
            raise InvalidRequest(f"{key} must be a number of seconds since 1970") from exc
    record["properties"] = value.get("properties") or {}
    templates = value.get("templates") or {}
    if not isinstance(templates, dict) or not all(isinstance(entry, dict) for entry in templates.values()):
        raise InvalidRequest("templates must be a map of maps")
    record["templates"] = {path: _template(entry) for path, entry in templates.items()}
    return record


def _template(entry: Record) -> Record:
    when = entry.get("when") or []
    return {
        **entry,
        "when": when if isinstance(when, list) else [when],
        "create_only": str(entry.get("create_only", "")).lower() in ("true", "yes", "on", "y"),
        "template": entry.get("template", ""),
        "properties": entry.get("properties") or {},
    }


def show(call: Invocation) -> None:
    server, name = call.locate(call.arguments[0])
    sys.stdout.write(dump(server.get(f"{path_of(name)}/metadata")))


def edit(call: Invocation) -> None:
    server, name = call.locate(call.arguments[0])
    path = f"{path_of(name)}/metadata"
    if not is_interactive():
        server.put(path, parse(standard_input()))
        return
    record, etag = server.get_with_etag(path)
    edit_until_right(f"{HEADER}\n{dump(record)}", lambda text: server.put(path, parse(text), etag=etag))


COMMANDS = {
    "edit": Command("Edit the metadata of an instance", edit, usage="[<remote>:]<instance>", minimum=1, maximum=1),
    "show": Command("Show the metadata of an instance", show, usage="[<remote>:]<instance>", minimum=1, maximum=1),
}
