"""What the catalog wants of a database: transactions to read, to write, and to migrate in."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Protocol

import sqlalchemy as sa


class Database(Protocol):
    """Writers come one after the other, over all processes: what a writer has read stays true until it commits.

    Every method raises StorageFailed where the database can't be used, NoSpace where its disk is full.
    """

    where: str  # for error messages, without secrets

    def reading(self) -> AbstractContextManager[sa.Connection]:
        """A transaction that sees one state of the database and can't change it."""

    def writing(self, *, durable: bool = True) -> AbstractContextManager[sa.Connection]:
        """A transaction that commits at the end of the block, and rolls back when an exception leaves it.

        Without ``durable`` a power failure may undo the last such commits (never half of one).
        """

    def migrating(self) -> AbstractContextManager[sa.Connection]:
        """As :meth:`writing`, with foreign keys out of the way of tables that are made anew."""

    def close(self) -> None:
        """Let go of all connections."""
