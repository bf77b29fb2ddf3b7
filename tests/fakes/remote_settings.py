"""Policies and calls that make tests of remotes short."""

from __future__ import annotations

from typing import Any

from tests.fakes.memory_sink import MemorySink

from azekura.remotes.policy import DownloadPolicy
from azekura.remotes.port import ImageServer, RemoteImage


def quick(**changes: Any) -> DownloadPolicy:
    """Impatient: no pauses, and half a second of silence is too long."""
    settings = {"sleep": lambda _: None, "stall_timeout": 0.5, "connect_timeout": 2.0, "minimum_rate": 0}
    return DownloadPolicy(**{**settings, **changes})


def bring(server: ImageServer, image: RemoteImage, **changes: Any) -> MemorySink:
    """The image's files, in memory."""
    sink = MemorySink()
    arguments = {"progress": lambda *_: None, "cancelled": lambda: False}
    server.download(image, sink, **{**arguments, **changes})
    return sink
