"""``lxc start``, ``stop``, ``restart`` and ``pause``."""

from __future__ import annotations

import sys

from azekura.cli.command import INTEGER, MANY, OPTIONAL, Command, Flag
from azekura.client.address import quote
from azekura.errors import AzekuraError, Cancelled, InvalidRequest, RemoteError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from azekura.cli.invocation import Invocation
    from azekura.client.envelope import Record
    from azekura.client.server import Server

FROZEN = 110
RUNNING = 103
STOPPED = 102
_WORDS = {"start": "start", "stop": "stop", "restart": "restart", "pause": "freeze"}


def change_state(call: Invocation, server: Server, name: str, order: Record, argument: str) -> None:
    """Ask for another state and wait until it is reached.

    Raises:
        RemoteError: it wasn't; the message says where the log is.
    """
    progress = call.progress(f"{call.command.summary.split()[0]}: %s")
    operation = server.start("PUT", f"instances/{quote(name)}/state", order, watcher=progress)
    try:
        operation.wait()
    except AzekuraError as exc:
        raise with_hint(exc, argument) from exc
    finally:
        if progress is not None:
            progress.done()


def with_hint(exc: AzekuraError, argument: str) -> AzekuraError:
    """What kept an instance from another state, with where to read more about it if there is more."""
    if isinstance(exc, Cancelled) or " is already " in str(exc):  # its log has nothing to say to that
        return exc
    return RemoteError(f"{exc}\nTry `lxc info --show-log {argument}` for more info")


def run(call: Invocation) -> int | None:
    if call.options.switch("all"):
        if call.command is not COMMANDS["pause"] and call.options.given("console"):
            raise InvalidRequest("--console can't be used with --all")
        _everywhere(call)
        return None
    names = call.arguments
    if not names:
        from azekura.cli.help import command_usage

        sys.stderr.write(command_usage(call.path, call.command))
        return None
    with_console = call.path != "pause" and call.options.given("console")
    if with_console and len(names) != 1:
        raise InvalidRequest("--console only works with a single instance")
    if len(names) > 1:
        _batch(call, names)
        return None
    _one(call, names[0])
    if with_console:
        from azekura.cli.console import attach

        return attach(*call.locate(names[0]), call.options.text("console"))
    return None


def _order(call: Invocation) -> Record:
    given = {flag.name for flag in call.command.flags}
    options = call.options
    return {
        "action": _WORDS[call.path],
        "timeout": options.number("timeout") if "timeout" in given else -1,
        "force": "force" in given and options.switch("force"),
        "stateful": "stateful" in given and options.switch("stateful"),
    }


def _one(call: Invocation, argument: str) -> None:
    server, name = call.locate(argument)
    if not name:
        raise InvalidRequest(f"Must supply instance name for: {argument}")
    order = _order(call)
    if call.path == "start":
        instance = server.get(f"instances/{quote(name)}")
        if instance.get("status_code") == FROZEN:
            order["action"] = "unfreeze"
        elif instance.get("stateful") and not call.options.switch("stateless"):
            order["stateful"] = True
    change_state(call, server, name, order, argument)


def _batch(call: Invocation, names: list[str]) -> None:
    """All of them at the same time; failures are told together at the end."""
    from concurrent.futures import ThreadPoolExecutor

    failures = []
    quiet = call.quiet
    call.quiet = True  # several progress lines would overwrite each other
    with ThreadPoolExecutor(max_workers=8) as pool:
        running = [(name, pool.submit(_one, call, name)) for name in names]
        for name, future in running:
            error = future.exception()
            if isinstance(error, AzekuraError):
                failures.append((name, error))
            elif error is not None:
                raise error
    call.quiet = quiet
    for name, failure in failures:
        for line in f"error: {failure}".split("\n"):
            sys.stderr.write(f"{name}: {line}\n")
    if failures:
        sys.stderr.write("\n")
        raise RemoteError(f"Some instances failed to {call.path}")


def _everywhere(call: Invocation) -> None:
    """Every instance of the servers named."""
    for argument in call.arguments or [f"{call.config.default_remote}:"]:
        remote, name = call.split(argument)
        if name:
            raise InvalidRequest("Both --all and instance name given")
        server = call.server(remote)
        if server.has_extension("instance_bulk_state_change"):
            try:
                server.run("PUT", "instances", {"state": _order(call)})
            except RemoteError as exc:
                raise RemoteError(f"{remote}: {exc}") from exc
            continue
        done = {"start": RUNNING, "stop": STOPPED, "pause": FROZEN}.get(call.path)
        names = [
            f"{remote}:{instance['name']}"
            for instance in server.get("instances", {"recursion": "1"})
            if instance.get("status_code") != done
        ]
        if names:
            _batch(call, names)


ALL = Flag("all", "Every instance of the server")
CONSOLE = Flag("console", "Then attach to the console", kind=OPTIONAL, bare="console")
FORCE = Flag("force", "Without asking its init", short="f")
TIMEOUT = Flag("timeout", "Seconds to wait for a clean end", kind=INTEGER, default="-1")
_USAGE = "[<remote>:]<instance> [[<remote>:]<instance>...]"


def _command(summary: str, *flags: Flag, description: str = "") -> Command:
    return Command(
        summary, run, usage=_USAGE, minimum=0, maximum=MANY, flags=flags, description=description, bare_usage=True
    )


COMMANDS = {
    "pause": _command("Pause instances", ALL, description='"lxc start" lets them go on.'),
    "restart": _command("Restart instances", ALL, CONSOLE, FORCE, TIMEOUT),
    "start": _command("Start instances", ALL, CONSOLE, Flag("stateless", "Leave a saved state aside")),
    "stop": _command(
        "Stop instances", ALL, CONSOLE, FORCE, Flag("stateful", "Save what is running for the next start"), TIMEOUT
    ),
}
