"""Names and records of the folders in a pool."""

from __future__ import annotations

import os
import secrets
from pathlib import Path

NEW, OLD = ".new-", ".old-"


def visible_names(folder: Path) -> list[str]:
    """What is in a folder, sorted, without what is being made or removed."""
    return sorted(entry.name for entry in folder.iterdir() if not entry.name.startswith("."))


def temporary_name(prefix: str) -> str:
    """A name that nothing has: ``NEW`` or ``OLD`` and a random number."""
    return prefix + secrets.token_hex(8)


def note_image(folder: Path, image: str | None, *, lasting: bool) -> None:
    """Record the image that the volume or snapshot in ``folder`` is made from; ``lasting``: over a power loss."""
    text = f"{image}\n" if image else ""
    if lasting:
        write_synced(folder / "image", text)
    else:
        (folder / "image").write_text(text)


def image_of(folder: Path) -> str | None:
    """The image that the volume or snapshot in ``folder`` was made from."""
    return (folder / "image").read_text().strip() or None


def write_synced(file: Path, text: str) -> None:
    """Write a record that must not be found empty after a power loss."""
    with file.open("w", encoding="ascii") as stream:
        stream.write(text)
        stream.flush()
        os.fsync(stream.fileno())


def sync_path(path: Path) -> None:
    """Wait until a file, or the names in a folder, are on the disk."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
