"""The user's terminal in raw mode, for as long as something in an instance has it."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


class raw:  # noqa: N801 - used as ``with raw(0):``, and contextlib takes time to import
    """Hand every key on as it is; put the terminal back afterwards. None leaves everything alone."""

    def __init__(self, descriptor: int | None) -> None:
        self._descriptor = descriptor
        self._before: list[Any] = []

    def __enter__(self) -> None:
        if self._descriptor is not None:
            import termios
            import tty

            self._before = termios.tcgetattr(self._descriptor)
            tty.setraw(self._descriptor)

    def __exit__(self, *_: object) -> None:
        if self._descriptor is not None:
            import termios

            termios.tcsetattr(self._descriptor, termios.TCSADRAIN, self._before)
