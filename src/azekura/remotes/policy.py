"""How patient, how generous and how trusting a download is."""

from __future__ import annotations

import hashlib
import random
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum

from azekura.client.proxy import Proxies

DOCUMENT_RETRIES = 2  # at most, for indexes and records: someone waits for the answer
SLICE = 0.25  # seconds between two looks at cancelled()


@dataclass(frozen=True, slots=True)
class DownloadPolicy:
    """Limits of one server's downloads. Times are seconds, sizes bytes.

    ``allow_host`` is the administrator's allow-list: it is asked for each host (lower-case name or address, without
    port) before a packet is sent there, redirects included. None means that no list is set: LXD servers and
    simplestreams may then redirect anywhere over HTTPS, a direct URL's image must come from the URL's own origin.
    ``proxies`` are the environment's where nothing else is said.
    """

    retries: int = 5  # attempts in a row that bring nothing, after the first
    backoff: float = 0.5
    backoff_limit: float = 30.0
    stall_timeout: float = 30.0  # silence on an open connection
    connect_timeout: float = 10.0
    minimum_rate: int = 64  # bytes/s over a stall_timeout; slower than that counts as silence
    max_size: int = 256 * 1024**3  # of a file whose size nobody announced
    redirects: int = 8
    allow_host: Callable[[str], bool] | None = None
    proxies: Proxies = field(default_factory=Proxies.of)
    sleep: Callable[[float], None] = time.sleep
    clock: Callable[[], float] = time.monotonic
    jitter: Callable[[], float] = random.random  # in [0, 1)

    def pause(self, failures: int, at_least: float = 0.0) -> float:
        """Seconds to wait after the ``failures``-th failure in a row: doubling, with half of it left to chance."""
        full = min(self.backoff * 2.0 ** min(max(failures - 1, 0), 20), self.backoff_limit)
        return max(full * (0.5 + self.jitter() / 2), min(at_least, self.backoff_limit))


class SignatureRule(StrEnum):
    """Whether a simplestreams index must carry a signature."""

    REQUIRED = "required"
    IF_PRESENT = "if-present"
    OFF = "off"


@dataclass(frozen=True, slots=True)
class SigningPolicy:
    """``keys`` are OpenPGP certificates, armoured or not; a signature by any of them counts, so keys can rotate."""

    rule: SignatureRule = SignatureRule.OFF
    keys: tuple[bytes, ...] = ()

    @property
    def trusted(self) -> str:
        """One name for all keys together: what was checked with other keys must be checked again."""
        return hashlib.sha256(b"\0".join(sorted(self.keys))).hexdigest()
