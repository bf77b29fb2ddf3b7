"""The user's terminal in raw mode, for as long as something in an instance has it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def raw(descriptor: int | None) -> Iterator[None]:
    """Hand every key on as it is; put the terminal back afterwards. None leaves everything alone."""
    if descriptor is None:
        yield
        return
    import termios
    import tty

    before = termios.tcgetattr(descriptor)
    try:
        tty.setraw(descriptor)
        yield
    finally:
        termios.tcsetattr(descriptor, termios.TCSADRAIN, before)
