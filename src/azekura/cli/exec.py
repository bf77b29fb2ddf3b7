"""``lxc exec``: run a command in an instance."""

from __future__ import annotations

import os
import signal
import sys

from azekura.cli.command import MANY, TEXT, TEXTS, UNSIGNED, Command, Flag
from azekura.cli.instance import path_of
from azekura.cli.streams import Control, pump_in, pump_out, start
from azekura.cli.terminal import raw
from azekura.errors import AzekuraError, InvalidRequest

TYPE_CHECKING = False
if TYPE_CHECKING:
    from azekura.cli.invocation import Invocation
    from azekura.client.envelope import Record

FORWARDED = (
    signal.SIGHUP,
    signal.SIGINT,
    signal.SIGQUIT,
    signal.SIGTERM,
    signal.SIGUSR1,
    signal.SIGUSR2,
    signal.SIGCONT,
)


def run(call: Invocation) -> int:
    options = call.options
    server, name = call.locate(call.arguments[0])
    if options.switch("force-interactive") and options.switch("force-noninteractive"):
        raise InvalidRequest("You can't pass -t and -T at the same time")
    mode = options.text("mode")
    if mode != "auto" and (options.switch("force-interactive") or options.switch("force-noninteractive")):
        raise InvalidRequest("You can't pass -t or -T at the same time as --mode")
    environment = _environment(options.texts("env"))
    stdin_is_terminal = not options.switch("disable-stdin") and _is_terminal(0)
    if options.switch("disable-stdin"):
        interactive = False
    elif options.switch("force-interactive") or mode == "interactive":
        interactive = True
    elif options.switch("force-noninteractive") or mode == "non-interactive":
        interactive = False
    else:
        interactive = stdin_is_terminal and _is_terminal(1)
    width, height = _size() if interactive else (0, 0)
    order: Record = {
        "command": call.arguments[1:],
        "wait-for-websocket": True,
        "interactive": interactive,
        "environment": environment,
        "width": width,
        "height": height,
        "record-output": False,
        "user": options.number("user"),
        "group": options.number("group"),
        "cwd": options.text("cwd"),
    }
    operation = server.start("POST", f"{path_of(name)}/exec", order)
    fds = (operation.record.get("metadata") or {}).get("fds") or {}

    names = ["control", "0"] if interactive else ["control", "0", "1", "2"]
    try:
        with raw(0 if interactive and stdin_is_terminal else None):
            channels = server.websockets(f"{operation.path}/websocket", [{"secret": fds[name]} for name in names])
            control = Control(channels[0])
            control.forward(FORWARDED)
            if interactive:
                control.follow_window()
                outputs = [start(pump_out, channels[1], 1)]
                start(pump_in, 0, channels[1])
            else:
                outputs = [start(pump_out, channels[2], 1), start(pump_out, channels[3], 2)]
                stdin = os.open(os.devnull, os.O_RDONLY) if options.switch("disable-stdin") else 0
                start(pump_in, stdin, channels[1])
            # asked now, so that the answer is there as soon as the command has ended
            try:
                record = operation.wait()
            finally:
                for output in outputs:
                    output.join(None if operation.is_final else 0)
    except AzekuraError as exc:
        code = _code_for(str(exc))
        if code is None:
            raise
        sys.stderr.write(f"Error: {exc}\n")
        return code
    return int((record.get("metadata") or {}).get("return", 0))


def _code_for(message: str) -> int | None:
    """What a shell would exit with where the command couldn't be run at all."""
    return {"Command not executable": 126, "Command not found": 127}.get(message)


def _environment(pairs: list[str]) -> dict[str, str]:
    """What the command finds in its environment: the terminal's kind, and what the user gave."""
    environment = {}
    if terminal := os.environ.get("TERM"):
        environment["TERM"] = terminal
    for pair in pairs:
        key, _, value = pair.partition("=")
        environment[key] = value
    return environment


def _is_terminal(descriptor: int) -> bool:
    try:
        return os.isatty(descriptor)
    except OSError:
        return False


def _size() -> tuple[int, int]:
    try:
        size = os.get_terminal_size(1)
    except OSError:
        return 0, 0
    return size.columns, size.lines


COMMANDS = {
    "exec": Command(
        "Run a command in an instance",
        run,
        usage="[<remote>:]<instance> [flags] [--] <command line>",
        minimum=2,
        maximum=MANY,
        flags=(
            Flag("cwd", "Directory to run it in (the user's home, if not given)", kind=TEXT),
            Flag("disable-stdin", "Give it nothing to read", short="n"),
            Flag("env", "Variable NAME=VALUE of its environment (may be repeated)", kind=TEXTS),
            Flag("force-interactive", "Give it a terminal", short="t"),
            Flag("force-noninteractive", "Give it no terminal", short="T"),
            Flag("group", "Group id to run as", kind=UNSIGNED, default="0"),
            Flag("mode", "auto, interactive or non-interactive", kind=TEXT, default="auto"),
            Flag("user", "User id to run as", kind=UNSIGNED, default="0"),
        ),
        description=(
            "The command is started as it is, without a shell: pipes, wildcards and variables need one, as in\n\n"
            '    lxc exec <instance> -- sh -c "cd /tmp && ls *"\n\n'
            "It gets a terminal if our standard input and output are terminals."
        ),
    )
}
