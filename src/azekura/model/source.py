"""Where an image came from, and is refreshed from."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Protocol(StrEnum):
    """How a remote is spoken to."""

    LXD = "lxd"
    SIMPLESTREAMS = "simplestreams"
    DIRECT = "direct"


@dataclass(frozen=True, slots=True)
class ImageSource:
    """``server`` is a URL without credentials; ``alias`` is the text that was asked for and is asked for again."""

    server: str
    protocol: Protocol
    alias: str
    certificate: str = ""  # PEM of the server's certificate where it is pinned
    image_type: str = "container"


class Origin(StrEnum):
    """Through which door the bytes came in. It decides whether the kernel may mount a squashfs as it is."""

    ADMIN = "admin"  # imported over the unix socket by who administers this host
    MADE_HERE = "made-here"  # published or built by this daemon
    NETWORK = "network"  # a remote, or a client on the network
