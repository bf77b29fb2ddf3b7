"""What one daemon process holds."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from azekura.services.depot import Depot
from azekura.services.images.streams import Streams
from azekura.services.instances.lifecycle import Lifecycle
from azekura.services.settings import Settings
from azekura.services.trust import Trust

if TYPE_CHECKING:
    from azekura.daemon.background import Background
    from azekura.daemon.exec_sessions import ExecSessions
    from azekura.daemon.listeners import Listeners

REQUEST_THREADS = 16
READ_THREADS = 16  # for downloads alone: a slow import must not starve them
UPLOAD_THREADS = 8


@dataclass
class ServerState:
    """The parts that request handlers work with. Blocking work goes to one of the bounded thread pools."""

    depot: Depot
    lifecycle: Lifecycle
    settings: Settings
    trust: Trust
    certificate_pem: str = ""
    certificate_fingerprint: str = ""
    requests: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(REQUEST_THREADS, "request"))
    readers: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(READ_THREADS, "reader"))
    uploads: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(UPLOAD_THREADS, "upload"))
    ready: asyncio.Event = field(default_factory=asyncio.Event)
    stopping: asyncio.Event = field(default_factory=asyncio.Event)
    listeners: Listeners | None = None
    background: Background | None = None
    exec_sessions: ExecSessions | None = None
    downloads: int = 0  # running now; many of them get smaller slices
    streams: Streams = field(init=False)
    streams_turn: asyncio.Lock = field(default_factory=asyncio.Lock)
    stop_instances: float | None = None  # seconds given to containers when `lxd shutdown` asked for it

    def __post_init__(self) -> None:
        self.streams = Streams(self.depot)

    def close(self) -> None:
        for pool in (self.requests, self.readers, self.uploads):
            pool.shutdown(wait=False, cancel_futures=True)
