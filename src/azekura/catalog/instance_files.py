"""An instance's own metadata.yaml and templates: the image may go, and the instance's root is never read for them."""

from __future__ import annotations

from collections.abc import Mapping

import sqlalchemy as sa

from azekura.catalog.schema import instance_metadata, instance_templates
from azekura.catalog.session import Session
from azekura.errors import NotFound

_TABLES = (instance_metadata, instance_templates)


class InstanceFiles:
    """Rows with an empty snapshot are the instance's own."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def get(self, instance: str, snapshot: str) -> tuple[bytes, dict[str, bytes]]:
        """Raises:
        NotFound: there are none.
        """
        row = self._session.row(
            sa.select(instance_metadata.c.metadata_yaml).where(*_of(instance_metadata, instance, snapshot))
        )
        if row is None:
            raise NotFound("snapshot" if snapshot else "instance", f"{instance}/{snapshot}".rstrip("/"))
        templates = self._session.rows(
            sa.select(instance_templates.c.name, instance_templates.c.content)
            .where(*_of(instance_templates, instance, snapshot))
            .order_by(instance_templates.c.name)
        )
        return bytes(row[0]), {name: bytes(content) for name, content in templates}

    def set(self, instance: str, metadata_yaml: bytes, templates: Mapping[str, bytes]) -> None:
        self.delete(instance, "")
        self._session.change(
            instance_metadata.insert(), {"instance": instance, "snapshot": "", "metadata_yaml": metadata_yaml}
        )
        rows = [
            {"instance": instance, "snapshot": "", "name": name, "content": content}
            for name, content in templates.items()
        ]
        if rows:
            self._session.change(instance_templates.insert(), rows)

    def copy_to_snapshot(self, instance: str, snapshot: str) -> None:
        for table in _TABLES:
            copied = [column for column in table.c if column.name != "snapshot"]
            statement = sa.select(sa.literal(snapshot, table.c.snapshot.type), *copied).where(*_of(table, instance, ""))
            self._session.change(table.insert().from_select([table.c.snapshot, *copied], statement))

    def rename_snapshot(self, instance: str, old: str, new: str) -> None:
        for table in _TABLES:
            self._session.change(table.update().where(*_of(table, instance, old)).values(snapshot=new))

    def delete(self, instance: str, snapshot: str) -> None:
        for table in _TABLES:
            self._session.change(table.delete().where(*_of(table, instance, snapshot)))


def _of(table: sa.Table, instance: str, snapshot: str) -> tuple[sa.ColumnElement[bool], ...]:
    return table.c.instance == instance, table.c.snapshot == snapshot
