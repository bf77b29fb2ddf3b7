"""What ``lxc init`` and ``lxc launch`` say while an instance is made."""

from __future__ import annotations

import sys

from azekura.cli.action import with_hint
from azekura.client.address import quote
from azekura.client.operations import Watcher
from azekura.errors import AzekuraError, InvalidRequest, NotFound

TYPE_CHECKING = False
if TYPE_CHECKING:
    from azekura.cli.invocation import Invocation
    from azekura.cli.progress import Progress
    from azekura.client.envelope import Record
    from azekura.client.operations import Operation
    from azekura.client.server import Server

STAGE = "stage"  # of an operation that creates and starts: "create", then "start"; servers that say nothing do one
NO_NETWORK = """
The instance you are starting doesn't have any network attached to it.
  To create a new network, use: lxc network create
  To attach a network to an instance, use: lxc network attach

"""


class Birth(Watcher):
    """An instance's way into the world, and what is said on it: how far its image is, then, once it is there, the
    name that it was given, that it has no network, and that it starts.
    """

    def __init__(self, call: Invocation, server: Server, name: str, start: bool, progress: Progress | None) -> None:
        self.name = name
        self._unnamed = not name
        self._call = call
        self._server = server
        self._start = start
        self._progress = progress
        self._devices: Record | None = None
        self._announced = False

    @property
    def shows_progress(self) -> bool:
        return self._progress is not None

    def watch(self, operation: Operation) -> Record:
        """Wait for the operation's end; returns its record.

        Raises:
            AzekuraError: it failed, in the server's words; those of a failed start say where the log is.
        """
        self.name = self.name or _name_in(operation.record)
        try:
            record = operation.wait(self._look)
        except AzekuraError as exc:
            if not starts(operation.record):
                raise
            self._wipe()
            self._announce()
            raise with_hint(exc, self._call.argument(1) or self.name) from exc
        finally:
            self._wipe()
        self._announce()
        return record

    def progress(self, operation: Record) -> None:
        if self._progress is None:
            return
        if starts(operation):
            self._wipe()
            self._announce()
        else:
            self._progress.progress(operation)

    def warn(self, message: str) -> None:
        if self._progress is not None:
            self._progress.warn(message)

    def _wipe(self) -> None:
        if self._progress is not None:
            self._progress.done()

    def _look(self) -> None:
        """Learn already, while nothing else is to be done, what is asked for later."""
        try:
            self._devices = self._server.get(f"instances/{quote(self.name)}").get("expanded_devices") or {}
        except NotFound:
            pass  # it isn't there yet, or not any more

    def _announce(self) -> None:
        """Said once, when the instance is there."""
        if self._announced:
            return
        self._announced = True
        if self._unnamed:
            print(f"Instance name is: {self.name}")
        if self._devices is None:
            self._look()
        if self._devices is not None and not any(one.get("type") == "nic" for one in self._devices.values()):
            sys.stderr.write(NO_NETWORK)
        if self._start:
            self._call.say(f"Starting {self.name}")


def starts(operation: Record) -> bool:
    """Whether the instance is created and its start has begun."""
    return (operation.get("metadata") or {}).get(STAGE) == "start"


def _name_in(operation: Record) -> str:
    resources = operation.get("resources") or {}
    for key in ("instances", "containers"):
        for address in resources.get(key) or ():
            return str(address).partition("?")[0].rsplit("/", 1)[-1]
    raise InvalidRequest("Failed to get the new instance name")
