"""What the server knows, in SQL: images, aliases, instances, settings, trust, operations (docs/catalog.md).

::

    with open_catalog(path).write() as tx:
        tx.aliases.move("debian/12", fingerprint, expect=ANY, reason="refresh")
"""

from azekura.catalog.aliases import ANY, AnyTarget
from azekura.catalog.blob_references import BlobReference
from azekura.catalog.events import RecordedEvent
from azekura.catalog.opening import Catalog, open_catalog
from azekura.catalog.transaction import Transaction
from azekura.model.image import AliasMove
from azekura.model.instance import Snapshot

__all__ = [
    "ANY",
    "AliasMove",
    "AnyTarget",
    "BlobReference",
    "Catalog",
    "RecordedEvent",
    "Snapshot",
    "Transaction",
    "open_catalog",
]
