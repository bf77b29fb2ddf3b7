"""What only PostgreSQL can do to a catalog: vanish and come back, be misconfigured."""

from __future__ import annotations

from pathlib import Path

import psycopg
import pytest
from tests.conformance.postgres_server import PostgresServer

from azekura.catalog import Catalog, open_catalog
from azekura.errors import InvalidRequest, StorageFailed


@pytest.fixture
def catalog_place(postgres: PostgresServer) -> str:  # narrower than the shared one: PostgreSQL alone
    return postgres.new_database()


def end_all_connections(server: PostgresServer) -> None:
    server.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND datname IS NOT NULL"
    )


def test_a_restarted_server_is_met_with_new_connections(catalog: Catalog, postgres: PostgresServer) -> None:
    with catalog.write() as tx:
        tx.settings.set({"a": "b"})
    end_all_connections(postgres)
    with catalog.read() as tx:
        assert tx.settings.all() == {"a": "b"}
    end_all_connections(postgres)
    with catalog.write() as tx:
        tx.settings.set({"a": "c"})
    with catalog.read() as tx:
        assert tx.settings.all() == {"a": "c"}


def test_a_server_that_goes_away_during_a_transaction_undoes_it(catalog: Catalog, postgres: PostgresServer) -> None:
    with pytest.raises(StorageFailed), catalog.write() as tx:  # noqa: PT012 - the block is what is tested
        tx.settings.set({"a": "b"})
        end_all_connections(postgres)
        tx.settings.set({"c": "d"})
    with pytest.raises(StorageFailed), catalog.write() as tx:  # noqa: PT012
        tx.settings.set({"a": "b"})
        end_all_connections(postgres)
    with catalog.read() as tx:
        assert tx.settings.all() == {}


def test_no_server_is_storage_failed_without_the_password(tmp_path: Path) -> None:
    with pytest.raises(StorageFailed) as caught:
        open_catalog(f"postgresql://me:hunter2@/db?host={tmp_path}")
    assert "hunter2" not in str(caught.value)
    assert "postgresql://me:***@/db" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_no_such_database_is_storage_failed(postgres: PostgresServer) -> None:
    with pytest.raises(StorageFailed, match="does not exist"):
        open_catalog(postgres.url("nope"))


def test_a_database_of_another_encoding_is_refused(postgres: PostgresServer) -> None:
    url = postgres.new_database(encoding="SQL_ASCII")
    with pytest.raises(StorageFailed, match="encoded in SQL_ASCII; the catalog needs UTF8"):
        open_catalog(url)
    postgres.drop(url)


def test_a_lock_held_for_too_long_is_reported_as_busy(
    catalog: Catalog, catalog_place: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("azekura.catalog.postgresql._LOCK_TIMEOUT", 50)
    impatient = open_catalog(catalog_place)
    with catalog.write(), pytest.raises(StorageFailed, match="is busy"), impatient.write():
        pass
    with impatient.write() as tx:
        tx.settings.set({"a": "b"})
    impatient.close()


def test_a_name_sorts_by_code_point_whatever_the_database_says(catalog_place: str) -> None:
    open_catalog(catalog_place).close()
    with psycopg.connect(catalog_place) as connection:
        row = connection.execute(
            "SELECT count(*) FROM information_schema.columns WHERE collation_name = 'C'"
        ).fetchone()
    assert row is not None
    assert row[0] > 50


@pytest.mark.parametrize("url", ["mysql://root@localhost/x", "postgresql://host:port/x", "://", "sqlite://"])
def test_other_urls_are_invalid_requests(url: str) -> None:
    with pytest.raises(InvalidRequest):
        open_catalog(url)
