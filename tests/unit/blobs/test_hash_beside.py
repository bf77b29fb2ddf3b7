"""The hash that is computed beside writing is the same one."""

from __future__ import annotations

import hashlib
import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from azekura.blobs.beside import HashBeside


@given(st.lists(st.integers(0, 200_000), max_size=8))
def test_pieces_of_any_size_hash_as_their_whole(sizes: list[int]) -> None:
    pieces = [bytes([number % 256]) * size for number, size in enumerate(sizes)]
    hashing = HashBeside()
    for piece in pieces:
        hashing.update(piece)
    assert hashing.hexdigest() == hashlib.sha256(b"".join(pieces)).hexdigest()
    hashing.close()


def test_a_view_may_change_as_soon_as_it_was_taken() -> None:
    hashing, buffer = HashBeside(), bytearray(300_000)
    whole = hashlib.sha256()
    for number in range(20):
        buffer[:] = bytes([number]) * len(buffer)
        whole.update(buffer)
        hashing.update(memoryview(buffer))
    assert hashing.hexdigest() == whole.hexdigest()
    hashing.close()


def test_a_digest_in_the_middle_is_of_the_bytes_until_there() -> None:
    hashing = HashBeside()
    hashing.update(b"a" * 100_000)
    assert hashing.hexdigest() == hashlib.sha256(b"a" * 100_000).hexdigest()
    hashing.update(b"b" * 100_000)
    assert hashing.hexdigest() == hashlib.sha256(b"a" * 100_000 + b"b" * 100_000).hexdigest()
    hashing.close()
    hashing.close()


@pytest.mark.parametrize("size", [10, 1 << 20])
def test_its_thread_ends_with_it_and_small_blobs_have_none(size: int) -> None:
    before = set(threading.enumerate())
    hashing = HashBeside()
    hashing.update(b"x" * size)
    own = set(threading.enumerate()) - before
    assert len(own) == (1 if size > 1000 else 0)
    hashing.hexdigest()
    hashing.close()
    for thread in own:
        thread.join(5)
        assert not thread.is_alive()
