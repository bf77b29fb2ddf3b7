"""``lxc config template …``: the files from which an instance's own files are made."""

from __future__ import annotations

import sys

from azekura.cli.command import FORMAT, Command
from azekura.cli.instance import path_of
from azekura.cli.natural import sort_rows
from azekura.cli.table import render
from azekura.client.body import bytes_body
from azekura.client.envelope import ANSWER_LIMIT, open_envelope

TYPE_CHECKING = False
if TYPE_CHECKING:
    from azekura.cli.invocation import Invocation
    from azekura.client.server import Server


def _path(name: str) -> str:
    return f"{path_of(name)}/metadata/templates"


def _write(server: Server, name: str, template: str, content: bytes) -> None:
    body = bytes_body(content, "application/octet-stream")
    server.envelope("POST", _path(name), query={"path": template}, body=body)


def _read(server: Server, name: str, template: str) -> bytes:
    answer = server.open("GET", _path(name), query={"path": template})
    try:
        content = answer.read(ANSWER_LIMIT)
        if answer.status != 200:
            open_envelope(answer.status, content)
        return content
    finally:
        answer.close()


def create(call: Invocation) -> None:
    server, name = call.locate(call.arguments[0])
    _write(server, name, call.arguments[1], b"")


def delete(call: Invocation) -> None:
    server, name = call.locate(call.arguments[0])
    server.delete(_path(name), query={"path": call.arguments[1]})


def edit(call: Invocation) -> None:
    from azekura.cli.editor import edit_until_right, is_interactive, standard_input

    server, name = call.locate(call.arguments[0])
    template = call.arguments[1]
    if not is_interactive():
        _write(server, name, template, standard_input().encode())
        return
    content = _read(server, name, template).decode(errors="replace")
    edit_until_right(content, lambda text: _write(server, name, template, text.encode()))


def list_templates(call: Invocation) -> None:
    server, name = call.locate(call.arguments[0])
    names = server.get(_path(name))
    rows = [[str(template)] for template in names]
    sort_rows(rows)
    sys.stdout.write(render(call.options.text("format"), ["FILENAME"], rows, names))


def show(call: Invocation) -> None:
    server, name = call.locate(call.arguments[0])
    content = _read(server, name, call.arguments[1])
    sys.stdout.flush()
    sys.stdout.buffer.write(content)


_TEMPLATE = "[<remote>:]<instance> <template>"
COMMANDS = {
    "create": Command("Make an empty template", create, usage=_TEMPLATE, minimum=2, maximum=2),
    "delete": Command("Delete a template", delete, usage=_TEMPLATE, minimum=2, maximum=2),
    "edit": Command("Edit a template", edit, usage=_TEMPLATE, minimum=2, maximum=2),
    "list": Command(
        "List templates", list_templates, usage="[<remote>:]<instance>", minimum=1, maximum=1, flags=(FORMAT,)
    ),
    "show": Command("Show a template", show, usage=_TEMPLATE, minimum=2, maximum=2),
}
