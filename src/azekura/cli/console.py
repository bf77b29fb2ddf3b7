"""``lxc console``: the boot console of an instance, and what was written to it."""

from __future__ import annotations

import os
import sys

from azekura.cli.command import TEXT, Command, Flag
from azekura.cli.instance import path_of
from azekura.errors import AzekuraError, Cancelled, HostError, InvalidRequest

TYPE_CHECKING = False
if TYPE_CHECKING:
    from azekura.cli.invocation import Invocation
    from azekura.client.server import Server
    from azekura.client.websocket import WebSocket

DETACH = b"\x01q"  # ctrl-a q


def run(call: Invocation) -> int | None:
    server, name = call.locate(call.arguments[0])
    kind = call.options.text("type")
    if kind not in ("console", "vga"):
        raise InvalidRequest(f'Unknown output type "{kind}"')
    if call.options.switch("show-log"):
        if kind != "console":
            raise InvalidRequest("The --show-log flag is only supported for by 'console' output type")
        answer = server.open("GET", f"{path_of(name)}/console")
        try:
            if answer.status != 200:
                from azekura.client.envelope import ANSWER_LIMIT, open_envelope

                open_envelope(answer.status, answer.read(ANSWER_LIMIT))
            sys.stdout.write("\nConsole log:\n\n")
            sys.stdout.flush()
            while block := answer.read_some():
                sys.stdout.buffer.write(block)
            sys.stdout.buffer.write(b"\n")
        finally:
            answer.close()
        return None
    return attach(server, name, kind)


def attach(server: Server, name: str, kind: str) -> int:
    """Connect the terminal to the console until the user leaves it with ctrl-a q.

    Raises:
        HostError: no terminal.
        InvalidRequest: another kind than the text console.
    """
    if kind == "vga":
        raise InvalidRequest("Graphical consoles are not part of this client, containers have none")
    from azekura.cli.streams import Control, pump_out, start
    from azekura.cli.terminal import raw

    if not os.isatty(0):
        raise HostError("inappropriate ioctl for device")
    size = os.get_terminal_size(1)
    order = {"width": size.columns, "height": size.lines, "type": "console"}
    operation = server.start("POST", f"{path_of(name)}/console", order)
    fds = (operation.record.get("metadata") or {}).get("fds") or {}
    sys.stdout.write("To detach from the console, press: <ctrl>+a q\n\r")
    sys.stdout.flush()
    with raw(0):
        channel, console = server.websockets(
            f"{operation.path}/websocket", [{"secret": fds["control"]}, {"secret": fds["0"]}]
        )
        Control(channel).follow_window()
        output = start(pump_out, console, 1)
        start(_keys, console)
        output.join()
        channel.close()
        sys.stdout.write("\n\r")
        sys.stdout.flush()
    try:
        operation.wait()
    except Cancelled:
        pass
    except AzekuraError as exc:
        # leaving is no failure
        if "closed" not in str(exc):
            raise
    return 0


def _keys(console: WebSocket) -> None:
    """Send what is typed, but for the word to leave."""
    held = b""
    try:
        while data := os.read(0, 4096):
            data = held + data
            held = b""
            at = data.find(DETACH)
            if at >= 0:
                if at:
                    console.send_binary(data[:at])
                break
            if data.endswith(DETACH[:1]):
                data, held = data[:-1], data[-1:]
            if data:
                console.send_binary(data)
    except (OSError, AzekuraError):
        pass
    console.close()


COMMANDS = {
    "console": Command(
        "Attach to the console of an instance",
        run,
        usage="[<remote>:]<instance>",
        minimum=1,
        maximum=1,
        flags=(
            Flag("show-log", "Show what was written to the console instead"),
            Flag("type", "console or vga", short="t", kind=TEXT, default="console"),
        ),
        description="Leave it again with ctrl-a q.",
    )
}
