"""A depot and its clock for each test."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.fakes.depot import TurnableClock, folder_depot

from azekura.services.depot import Depot


@pytest.fixture
def both(tmp_path: Path) -> Iterator[tuple[Depot, TurnableClock]]:
    with folder_depot(tmp_path) as pair:
        yield pair


@pytest.fixture
def depot(both: tuple[Depot, TurnableClock]) -> Depot:
    return both[0]


@pytest.fixture
def clock(both: tuple[Depot, TurnableClock]) -> TurnableClock:
    return both[1]
