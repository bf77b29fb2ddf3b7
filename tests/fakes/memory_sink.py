"""A sink that keeps an image's files in memory, and counts what happened to it."""

from __future__ import annotations

import hashlib


class MemoryPart:
    def __init__(self) -> None:
        self.data = bytearray()
        self.restarts = 0

    @property
    def written(self) -> int:
        return len(self.data)

    def write(self, data: bytes) -> None:
        self.data += data

    def restart(self) -> None:
        self.data.clear()
        self.restarts += 1


class MemorySink:
    """Implements ``azekura.remotes.port.ImageSink``."""

    def __init__(self) -> None:
        self.parts: dict[str, MemoryPart] = {}
        self.announced: dict[str, int | None] = {}

    def part(self, role: str, size: int | None) -> MemoryPart:
        self.parts[role] = MemoryPart()
        self.announced[role] = size
        return self.parts[role]

    def bytes_of(self, role: str) -> bytes:
        return bytes(self.parts[role].data)

    @property
    def fingerprint(self) -> str:
        """sha256 of the unified tarball, or of metadata and rootfs."""
        total = hashlib.sha256()
        for role in ("unified", "metadata", "rootfs", "rootfs.img"):
            if role in self.parts:
                total.update(self.parts[role].data)
        return total.hexdigest()


class HashingPart(MemoryPart):
    """Implements ``azekura.remotes.port.HashingWriter``."""

    def received_sha256(self) -> str:
        return hashlib.sha256(self.data).hexdigest()


class HashingMemorySink:
    """Implements ``azekura.remotes.port.HashingSink``."""

    def __init__(self) -> None:
        self.parts: dict[str, HashingPart] = {}

    def part(self, role: str, size: int | None) -> HashingPart:
        self.parts[role] = HashingPart()
        return self.parts[role]

    def received_fingerprint(self) -> str:
        return hashlib.sha256(b"".join(bytes(part.data) for part in self.parts.values())).hexdigest()
