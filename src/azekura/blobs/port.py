"""The port: what every content store promises. ``tests/conformance/test_blobs_port.py`` holds each of them to it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Protocol, Self


@dataclass(frozen=True, slots=True)
class BlobInfo:
    """A blob's name (sha256 of its bytes, 64 lower-case hex digits) and its size in bytes."""

    sha256: str
    size: int


class Ingest(Protocol):
    """Bytes on their way in. Nobody sees them before :meth:`commit`; leaving the ``with`` block without it discards
    them.

    A second ingest of the same bytes may run at the same time: both commits succeed and one blob is kept.
    """

    size: int  # bytes written so far

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    def write(self, data: bytes | memoryview) -> None:
        """Append ``data``.

        Raises:
            NoSpace: the store is full; the ingest is discarded at once, so that its bytes are free again.
            StorageFailed: the store can't write; the ingest is discarded.
        """

    def seal(self) -> BlobInfo:
        """End writing and make the bytes durable. They stay invisible. Sealing twice returns the same.

        Raises:
            NoSpace, StorageFailed: as :meth:`write`.
        """

    def path(self) -> Path | None:
        """After :meth:`seal`, a local file with the bytes, for those who must look before the commit.

        It is gone after commit or abort. None where the store has no local files.
        """

    def commit(self, expected: str | None = None) -> BlobInfo:
        """Make the blob visible under its sha256, in one atomic and durable step; seals first where that wasn't done.

        That the blob is there already is fine: its bytes are the same. Committing twice returns the same.

        Raises:
            FingerprintMismatch: the sha256 isn't ``expected``; nothing is kept.
            NoSpace, StorageFailed: nothing is kept.
        """

    def abort(self) -> None:
        """Discard the bytes. After commit or another abort it does nothing."""


class BlobStore(Protocol):
    """Immutable byte strings, named by their sha256. A name that isn't 64 lower-case hex digits is never found.

    The store knows nothing of references: who deletes makes sure, in the catalog and inside one write transaction
    with the deletion, that nothing refers to the blob any more (docs/catalog.md, blobs).
    """

    def ingest(self, *, expected_size: int | None = None) -> Ingest:
        """Begin to take in a blob. ``expected_size`` (bytes) is reserved where the store can; it is no limit.

        Raises:
            NoSpace: ``expected_size`` doesn't fit.
            StorageFailed: the store can't write.
        """

    def open(self, sha256: str) -> BinaryIO:
        """The blob's bytes, from the first on; the caller closes it. A later delete doesn't cut a reader off.

        Raises:
            NotFound: no such blob.
        """

    def path(self, sha256: str) -> Path | None:
        """The blob as a local file (read only, please), None where the store has no local files.

        Raises:
            NotFound: no such blob.
        """

    def size(self, sha256: str) -> int:
        """Bytes.

        Raises:
            NotFound: no such blob.
        """

    def delete(self, sha256: str) -> None:
        """Remove the blob.

        Raises:
            NotFound: no such blob.
        """

    def list(self) -> Iterator[BlobInfo]:
        """All visible blobs, in no order. Blobs that come or go meanwhile may be listed or not."""

    def sweep(self) -> int:
        """Remove what ingests of dead processes left; those of living ones are spared. Returns how many went."""

    def quarantine(self, sha256: str) -> Path | None:
        """Take the blob out of sight without deleting it; where it is now, None where the store has no local files.

        Raises:
            NotFound: no such blob.
        """

    def verify(self, sha256: str) -> bool:
        """Read the blob again and tell whether its bytes still have their name.

        Raises:
            NotFound: no such blob.
        """
