"""One run of one command: its arguments and flags, the settings, and the way to servers."""

from __future__ import annotations

import os
import sys

from azekura.errors import InvalidRequest

TYPE_CHECKING = False
if TYPE_CHECKING:
    from azekura.cli.command import Command
    from azekura.cli.flags import Options
    from azekura.cli.progress import Progress
    from azekura.client.config import Config
    from azekura.client.server import Server

_PUBLIC = ("image ", "init", "launch", "query", "remote ")  # what can be asked of a server that doesn't know us


class Invocation:
    """``path`` is the command's full name, as in ``image list``."""

    def __init__(self, path: str, command: Command, arguments: list[str], options: Options, config: Config) -> None:
        self.path = path
        self.command = command
        self.arguments = arguments
        self.options = options
        self.config = config
        self.quiet = options.switch("quiet")
        self.project = options.text("project") or os.environ.get("LXD_PROJECT", "")
        self._servers: dict[str, Server] = {}

    def server(self, remote: str) -> Server:
        """The server of a remote; the same object each time.

        Raises:
            NotFound, InvalidRequest: see :meth:`Config.server`.
        """
        if self.config.remote(remote).public and not self.path.startswith(_PUBLIC):
            raise InvalidRequest("The remote isn't a private LXD server")
        if remote not in self._servers:
            self._servers[remote] = self.config.server(remote, project=self.project or None)
        return self._servers[remote]

    def split(self, text: str) -> tuple[str, str]:
        """``[remote:]name`` as (remote, name)."""
        return self.config.split(text)

    def locate(self, text: str) -> tuple[Server, str]:
        """``[remote:]name`` as (server, name)."""
        remote, name = self.config.split(text)
        return self.server(remote), name

    def argument(self, position: int, default: str = "") -> str:
        return self.arguments[position] if position < len(self.arguments) else default

    def progress(self, title: str) -> Progress | None:
        """A line that tells of progress, where somebody is watching; ``title`` has a ``%s`` for the state."""
        if self.quiet or not sys.stdout.isatty():
            return None
        from azekura.cli.progress import Progress

        return Progress(title)

    def say(self, text: str) -> None:
        """Closing words, left out when quiet."""
        if not self.quiet:
            print(text)
