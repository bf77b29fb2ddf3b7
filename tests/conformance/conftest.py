"""Fixtures that several suites share."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest
from tests.conformance.postgres_server import PostgresServer, running_server

from azekura.catalog import Catalog, open_catalog
from azekura.catalog.schema import metadata


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    with running_server() as server:
        yield server


@pytest.fixture(scope="session")
def shared_database(postgres: PostgresServer) -> str:
    """The URL of a database that tests empty and use one after the other: to make one takes a third of a second."""
    url = postgres.new_database()
    open_catalog(url).close()
    return url


@pytest.fixture(scope="session")
def empty_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty catalog to be copied."""
    path = tmp_path_factory.mktemp("catalog") / "empty.db"
    open_catalog(path).close()
    return path


@pytest.fixture(params=["sqlite", "postgresql"])
def fresh_place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """Where a catalog can be opened that isn't there yet, once per kind of database."""
    if request.param == "sqlite":
        yield str(tmp_path / "catalog.db")
        return
    server: PostgresServer = request.getfixturevalue("postgres")
    url = server.new_database()
    yield url
    server.drop(url)


@pytest.fixture(params=["sqlite", "postgresql"])
def catalog_place(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Where an empty catalog is, once per kind of database."""
    if request.param == "sqlite":
        return str(shutil.copy(request.getfixturevalue("empty_file"), tmp_path / "catalog.db"))
    url: str = request.getfixturevalue("shared_database")
    tables = ", ".join(table.name for table in metadata.sorted_tables)
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(f"TRUNCATE {tables} RESTART IDENTITY".encode())
    return url


@pytest.fixture
def open_here(catalog_place: str) -> Iterator[Callable[[], Catalog]]:
    """Opens the same catalog as often as called, as so many servers would."""
    opened: list[Catalog] = []

    def open_again() -> Catalog:
        opened.append(open_catalog(catalog_place))
        return opened[-1]

    yield open_again
    for catalog in opened:
        catalog.close()


@pytest.fixture
def catalog(open_here: Callable[[], Catalog]) -> Catalog:
    return open_here()
