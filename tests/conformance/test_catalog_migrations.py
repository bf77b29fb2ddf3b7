"""Old catalogs open in this version, newer ones are refused, and a migration happens whole or not at all."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory

from azekura.catalog import open_catalog
from azekura.catalog.database import Database
from azekura.catalog.migrating import MIGRATIONS, bring_up_to_date
from azekura.catalog.opening import database_at
from azekura.catalog.schema import REVISIONS, VERSION_TABLE, metadata
from azekura.errors import StorageFailed
from azekura.model.fingerprint import Fingerprint

FINGERPRINT = Fingerprint.parse("ab" * 32)
# as the first version wrote it
OLD_ROWS = f"""
INSERT INTO images (fingerprint, type, architecture, metadata_sha256, metadata_size, metadata_extension, created_at,
    uploaded_at, origin, filename, public, auto_update, cached, expires_at, last_used_at, properties, profiles)
VALUES ('{FINGERPRINT}', 'container', 'x86_64', '{FINGERPRINT}', 5, '.tar.xz', 0, 1000000, 'admin', 'old.tar.xz',
    TRUE, FALSE, FALSE, 0, -62135596800000000, '{{"os":"Debian"}}', '["default"]');
INSERT INTO image_metadata VALUES ('{FINGERPRINT}', CAST('yaml' AS BYTES));
INSERT INTO aliases VALUES ('debian/12', '{FINGERPRINT}', 'stable', 'container');
INSERT INTO storage_pools VALUES ('default', 'dir', '{{}}', '');
INSERT INTO profiles VALUES ('default', '', '{{}}', '{{}}');
INSERT INTO instances VALUES ('c1', 'x86_64', 'default', 0, '{{}}', '{{}}', FALSE, '', 0, '{FINGERPRINT}');
INSERT INTO instance_profiles VALUES ('c1', 0, 'default')
"""


@contextmanager
def opened(place: str) -> Iterator[Database]:
    database = database_at(place)
    try:
        yield database
    finally:
        database.close()


def run(database: Database, statements: str) -> None:
    with database.writing() as connection:
        octets = "BYTEA" if connection.dialect.name == "postgresql" else "BLOB"
        for statement in statements.replace("BYTES", octets).split(";\n"):
            connection.exec_driver_sql(statement)


def test_a_catalog_of_the_first_version_opens_with_all_it_had(fresh_place: str) -> None:
    with opened(fresh_place) as database:
        bring_up_to_date(database, target=REVISIONS[0])
        run(database, OLD_ROWS)
    catalog = open_catalog(fresh_place)
    with catalog.write() as tx:
        image = tx.images.get(FINGERPRINT)
        assert (image.filename, image.properties, image.pinned) == ("old.tar.xz", {"os": "Debian"}, False)
        assert [alias.name for alias in image.aliases] == ["debian/12"]
        assert tx.images.metadata_yaml(FINGERPRINT) == b"yaml"
        assert tx.instances.get("c1").profiles == ("default",)
        assert [(move.target, move.reason) for move in tx.aliases.history("debian/12")] == [
            (FINGERPRINT, "history begins")
        ]
        tx.images.delete(FINGERPRINT, image.uploaded_at)
        assert tx.images.undelete(FINGERPRINT).aliases == image.aliases
    catalog.close()


def test_opening_again_changes_nothing(fresh_place: str) -> None:
    open_catalog(fresh_place).close()
    catalog = open_catalog(fresh_place)
    with catalog.write() as tx:
        tx.settings.set({"a": "b"})
    catalog.close()
    catalog = open_catalog(fresh_place)
    with catalog.read() as tx:
        assert tx.settings.all() == {"a": "b"}
    catalog.close()


def test_a_newer_catalog_is_refused_in_one_sentence_that_names_both_revisions(fresh_place: str) -> None:
    open_catalog(fresh_place).close()
    with opened(fresh_place) as database:
        run(database, f"UPDATE {VERSION_TABLE} SET version_num = '9042'")
    with pytest.raises(StorageFailed) as caught:
        open_catalog(fresh_place)
    assert "its schema is 9042" in str(caught.value)
    assert f"the newest known here is {REVISIONS[-1]}" in str(caught.value)
    assert caught.value.hint is not None


def test_a_migration_that_fails_leaves_the_catalog_as_it_was(fresh_place: str) -> None:
    with opened(fresh_place) as database:
        bring_up_to_date(database, target=REVISIONS[0])
        run(database, OLD_ROWS + ";\nCREATE TABLE alias_moves (in_the_way INTEGER)")
        with pytest.raises(StorageFailed, match="alias_moves"):
            bring_up_to_date(database)
        with database.reading() as connection:
            assert "pinned" not in {column["name"] for column in sa.inspect(connection).get_columns("images")}
            assert connection.exec_driver_sql(f"SELECT version_num FROM {VERSION_TABLE}").scalar() == REVISIONS[0]
        run(database, "DROP TABLE alias_moves")
        bring_up_to_date(database)
    catalog = open_catalog(fresh_place)
    with catalog.read() as tx:
        assert tx.images.count() == 1
    catalog.close()


def test_the_migrations_make_the_tables_that_the_code_uses(fresh_place: str) -> None:
    open_catalog(fresh_place).close()
    with opened(fresh_place) as database, database.reading() as connection:
        options = {"version_table": VERSION_TABLE, "compare_type": True}
        context = MigrationContext.configure(connection, opts=options)
        assert compare_metadata(context, metadata) == []
        if connection.dialect.name == "postgresql":
            other = connection.exec_driver_sql(
                "SELECT table_name, column_name FROM information_schema.columns WHERE table_schema = 'public' "
                "AND data_type = 'text' AND collation_name IS NULL"
            ).fetchall()
            json_columns = {
                (table.name, column.name)
                for table in metadata.tables.values()
                for column in table.c
                if isinstance(column.type, sa.Text)
            }
            assert {tuple(row) for row in other} == json_columns  # all other text sorts by code point


def test_the_newest_migration_is_the_one_the_code_knows(tmp_path: Path) -> None:
    script = ScriptDirectory(str(MIGRATIONS))
    assert script.get_heads() == [REVISIONS[-1]]
    assert tuple(one.revision for one in reversed(list(script.walk_revisions()))) == REVISIONS
