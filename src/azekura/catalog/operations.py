"""Operations: kept here so that every server of a catalog, and the next start, can tell what became of them."""

from __future__ import annotations

import builtins
from collections.abc import Collection
from dataclasses import replace
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from azekura.catalog.columns import from_json, from_moment, to_json, to_moment
from azekura.catalog.schema import operations
from azekura.catalog.session import Row, Session
from azekura.errors import AlreadyExists, NotFound
from azekura.model.operation import Operation, OperationClass, OperationStatus

ORPHANED = "The server that ran this operation was stopped"

_ONE = operations.c.id == sa.bindparam("wanted")
_SELECT = sa.select(
    operations.c.id,
    operations.c.kind,
    operations.c.description,
    operations.c.status,
    operations.c.created_at,
    operations.c.updated_at,
    operations.c.resources,
    operations.c.metadata,
    operations.c.may_cancel,
    operations.c.error,
    operations.c.owner,
)
_FINISHED = operations.c.status.in_([status.value for status in OperationStatus if status.final])


class Operations:
    """``write(durable=False)`` is enough for these."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def create(self, operation: Operation) -> None:
        """Raises:
        AlreadyExists: the id is taken.
        """
        if not self._session.insert_absent(operations, _values(operation)):
            raise AlreadyExists("operation", operation.id)

    def update(self, operation: Operation) -> None:
        """Put down everything about the operation with that id.

        Raises:
            NotFound: in LXD's words.
        """
        if self._session.change(operations.update().where(_ONE), {"wanted": operation.id, **_values(operation)}) == 0:
            raise NotFound("operation", operation.id)

    def get(self, operation_id: str) -> Operation:
        """Raises:
        NotFound: in LXD's words.
        """
        row = self._session.row(_SELECT.where(_ONE), {"wanted": operation_id})
        if row is None:
            raise NotFound("operation", operation_id)
        return _operation(row)

    def list(self) -> list[Operation]:
        """All operations in the order they began."""
        rows = self._session.rows(_SELECT.order_by(operations.c.created_at, operations.c.id))
        return [_operation(row) for row in rows]

    def delete_finished_before(self, when: datetime) -> int:
        """Remove operations that ended before ``when``; how many."""
        return self._session.change(operations.delete().where(_FINISHED, operations.c.updated_at < to_moment(when)))

    def fail_orphans(self, alive: Collection[str]) -> builtins.list[Operation]:
        """Have the unfinished operations whose owner isn't among ``alive`` fail; returns them as they are now."""
        now = self._session.clock()
        rows = self._session.rows(_SELECT.where(~_FINISHED, operations.c.owner.not_in(builtins.list(alive))))
        failed = [
            replace(_operation(row), status=OperationStatus.FAILURE, error=ORPHANED, updated_at=now, may_cancel=False)
            for row in rows
        ]
        for operation in failed:
            self.update(operation)
        return failed


def _values(operation: Operation) -> dict[str, Any]:
    return {
        "id": operation.id,
        "kind": operation.kind.value,
        "description": operation.description,
        "status": operation.status.value,
        "created_at": to_moment(operation.created_at),
        "updated_at": to_moment(operation.updated_at),
        "resources": to_json(operation.resources),
        "metadata": to_json(operation.metadata),
        "may_cancel": operation.may_cancel,
        "error": operation.error,
        "owner": operation.owner,
    }


def _operation(row: Row) -> Operation:
    id_, kind, description, status, created_at, updated_at, resources, metadata, may_cancel, error, owner = row
    return Operation(
        id=id_,
        kind=OperationClass(kind),
        description=description,
        status=OperationStatus(status),
        created_at=from_moment(created_at),
        updated_at=from_moment(updated_at),
        resources={name: tuple(paths) for name, paths in from_json(resources).items()},
        metadata=from_json(metadata),
        may_cancel=may_cancel,
        error=error,
        owner=owner,
    )
