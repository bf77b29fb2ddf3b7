"""The bytes between our standard streams and the websockets of a running command, one thread for each direction."""

from __future__ import annotations

import os
import signal
import threading

from azekura.client.json_text import dumps
from azekura.client.websocket import BINARY, WebSocket
from azekura.errors import AzekuraError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType

BLOCK = 128 * 1024


def start(work: Callable[..., None], *arguments: object) -> threading.Thread:
    """Run ``work`` in a thread that doesn't keep the process alive."""
    thread = threading.Thread(target=work, args=arguments, daemon=True)
    thread.start()
    return thread


def pump_in(descriptor: int, target: WebSocket) -> None:
    """Send what can be read; a text message says that there is no more."""
    try:
        while data := os.read(descriptor, BLOCK):
            target.send_binary(data)
        target.send_text("")
    except (OSError, AzekuraError):
        return  # the command has ended, or the terminal is gone: what it said is told elsewhere


def pump_out(source: WebSocket, descriptor: int) -> None:
    """Write what comes, until the server says that there is no more."""
    try:
        while (message := source.receive()) is not None:
            kind, data = message
            if kind != BINARY:
                break
            view = memoryview(data)
            while view:
                view = view[os.write(descriptor, view) :]
    except (OSError, AzekuraError):
        pass  # our own reader is gone, or the connection: the operation's result says more
    finally:
        source.close()


class Control:
    """The channel for signals and the window's size."""

    def __init__(self, channel: WebSocket) -> None:
        self._channel = channel
        start(self._drain)

    def _drain(self) -> None:
        # the server may ping
        try:
            while self._channel.receive() is not None:
                pass
        except (OSError, AzekuraError):
            return

    def _send(self, message: dict[str, object]) -> None:
        try:
            self._channel.send_text(dumps(message))
        except (OSError, AzekuraError):
            return  # the command has ended

    def forward(self, numbers: tuple[signal.Signals, ...]) -> None:
        """From now on these signals are the command's, not ours."""
        for number in numbers:
            signal.signal(number, self._on_signal)

    def _on_signal(self, number: int, _frame: FrameType | None) -> None:
        self._send({"command": "signal", "args": None, "signal": number})

    def follow_window(self) -> None:
        signal.signal(signal.SIGWINCH, self._on_resize)

    def _on_resize(self, _number: int, _frame: FrameType | None) -> None:
        try:
            size = os.get_terminal_size(1)
        except OSError:
            return
        self._send(
            {"command": "window-resize", "args": {"width": str(size.columns), "height": str(size.lines)}, "signal": 0}
        )
