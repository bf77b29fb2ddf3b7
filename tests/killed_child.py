"""Killing a process at any line of our own code, to see what it leaves behind."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from types import FrameType
from typing import Any


def lines_run(code: tuple[str, ...], work: Callable[[], None]) -> int:
    """How many lines ``work`` runs (in a child) in files whose path begins with one of ``code``."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        count = 0

        def trace(frame: FrameType, event: str, argument: Any) -> Any:
            nonlocal count
            if not frame.f_code.co_filename.startswith(code):
                return None
            count += event == "line"
            return trace

        sys.settrace(trace)
        try:
            work()
            sys.settrace(None)
            os.write(writing, str(count).encode())
            os._exit(0)
        finally:
            os._exit(1)
    os.close(writing)
    with os.fdopen(reading) as pipe:
        text = pipe.read()
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0, "the work itself failed"
    return int(text)


def killed_before_line(number: int, code: tuple[str, ...], work: Callable[[], None]) -> bool:
    """Run ``work`` in a child that kills itself (-9) before the ``number``-th line it runs in files whose path begins
    with one of ``code``. Whether it came that far: False means that the work was done before.
    """
    child = os.fork()
    if child == 0:
        count = 0

        def trace(frame: FrameType, event: str, argument: Any) -> Any:
            nonlocal count
            if not frame.f_code.co_filename.startswith(code):
                return None
            if event == "line":
                count += 1
                if count == number:
                    os.kill(os.getpid(), signal.SIGKILL)
            return trace

        sys.settrace(trace)
        try:
            work()
            os._exit(0)
        finally:
            os._exit(1)
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    assert status in (0, -signal.SIGKILL)
    return status != 0
