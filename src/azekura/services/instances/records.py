"""An instance's rows, and the reference by which it holds its image's file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from azekura.catalog import Transaction
from azekura.errors import AlreadyExists
from azekura.model.instance import Instance
from azekura.services.depot import Depot
from azekura.services.instances.image_trees import BASE_BLOB


def add_record(tx: Transaction, instance: Instance, metadata_yaml: bytes, templates: Mapping[str, bytes]) -> None:
    """Write the instance's rows.

    Raises:
        AlreadyExists: the name is taken, in LXD's words.
    """
    try:
        tx.instances.create(instance)
    except AlreadyExists:
        raise AlreadyExists(
            "instance",
            instance.name,
            message='Failed creating instance record: Add instance info to the database: This "instances" entry '
            "already exists",
        ) from None
    tx.instances.set_files(instance.name, metadata_yaml, templates)
    if instance.config.get(BASE_BLOB):
        tx.blobs.add_reference(instance.config[BASE_BLOB], "instance", instance.name)


def update_record(depot: Depot, name: str, changes: Mapping[str, str | None], **fields: object) -> Instance:
    """Set (None: remove) configuration keys of an instance, and other fields, in one transaction."""
    with depot.catalog.write() as tx:
        instance = tx.instances.get(name)
        config = dict(instance.config)
        for key, value in changes.items():
            if value is None:
                config.pop(key, None)
            else:
                config[key] = value
        instance = replace(instance, config=config, **fields)  # type: ignore[arg-type]
        tx.instances.replace(instance)
        return instance


def remove_record(tx: Transaction, instance: Instance) -> None:
    """Remove the rows; the instance's image may go when nothing else holds it."""
    sha256 = instance.config.get(BASE_BLOB, "")
    if sha256:
        tx.blobs.drop_reference(sha256, "instance", instance.name)
    tx.instances.delete(instance.name)
