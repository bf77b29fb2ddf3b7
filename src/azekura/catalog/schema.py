"""The tables, as the newest migration leaves them (docs/catalog.md describes each; a test compares the two)."""

from __future__ import annotations

import sqlalchemy as sa

from azekura.catalog.columns import Bytes, Counter, Json, Moment, Words

REVISIONS = ("0001", "0002")  # every schema this version can read, oldest first; it writes the last
VERSION_TABLE = "catalog_revision"

_INSTANCE = "instances.name"
metadata = sa.MetaData()


def _follows(target: str) -> sa.ForeignKey:
    """A reference to something that may be renamed, and that takes this row along when it goes."""
    return sa.ForeignKey(target, onupdate="CASCADE", ondelete="CASCADE")


images = sa.Table(
    "images",
    metadata,
    sa.Column("fingerprint", Words, primary_key=True),
    sa.Column("type", Words, nullable=False),
    sa.Column("architecture", Words, nullable=False),
    # the tarball with metadata.yaml in it; when rootfs_* is null it is a unified image and this is all of it
    sa.Column("metadata_sha256", Words, nullable=False, index=True),
    sa.Column("metadata_size", Bytes, nullable=False),
    sa.Column("metadata_extension", Words, nullable=False),
    sa.Column("rootfs_sha256", Words, index=True),
    sa.Column("rootfs_size", Bytes),
    sa.Column("rootfs_extension", Words),
    sa.Column("created_at", Moment, nullable=False),
    sa.Column("uploaded_at", Moment, nullable=False),
    sa.Column("origin", Words, nullable=False),
    sa.Column("filename", Words, nullable=False),
    sa.Column("public", sa.Boolean, nullable=False),
    sa.Column("auto_update", sa.Boolean, nullable=False),
    sa.Column("cached", sa.Boolean, nullable=False),
    sa.Column("expires_at", Moment, nullable=False),
    sa.Column("last_used_at", Moment, nullable=False),
    sa.Column("properties", Json, nullable=False),
    sa.Column("profiles", Json, nullable=False),
    sa.Column("source_server", Words),
    sa.Column("source_protocol", Words),
    sa.Column("source_alias", Words),
    sa.Column("source_certificate", Words),
    sa.Column("source_image_type", Words),
    sa.Column("pinned", sa.Boolean, nullable=False, server_default=sa.false()),
    sa.Column("deleted_at", Moment),
    # partial: "is null" is nearly everything, and an index for it lures SQLite away from the primary key
    sa.Index(
        "ix_images_deleted_at",
        "deleted_at",
        sqlite_where=sa.text("deleted_at IS NOT NULL"),
        postgresql_where=sa.text("deleted_at IS NOT NULL"),
    ),
    sa.Index("ix_images_source", "source_server", "source_protocol", "source_alias"),
)

image_metadata = sa.Table(
    "image_metadata",
    metadata,
    sa.Column("fingerprint", Words, _follows("images.fingerprint"), primary_key=True),
    sa.Column("metadata_yaml", sa.LargeBinary, nullable=False),
)

image_templates = sa.Table(
    "image_templates",
    metadata,
    sa.Column("fingerprint", Words, _follows("images.fingerprint"), primary_key=True),
    sa.Column("name", Words, primary_key=True),
    sa.Column("content", sa.LargeBinary, nullable=False),
)

image_secrets = sa.Table(
    "image_secrets",
    metadata,
    sa.Column("secret_sha256", Words, primary_key=True),
    sa.Column("fingerprint", Words, _follows("images.fingerprint"), nullable=False, index=True),
    sa.Column("expires_at", Moment),
    sa.Column("used_at", Moment),
)

aliases = sa.Table(
    "aliases",
    metadata,
    sa.Column("name", Words, primary_key=True),
    sa.Column("fingerprint", Words, sa.ForeignKey("images.fingerprint"), nullable=False, index=True),
    sa.Column("description", Words, nullable=False),
    sa.Column("type", Words, nullable=False),
)

alias_moves = sa.Table(
    "alias_moves",
    metadata,
    sa.Column("id", Counter, primary_key=True),
    sa.Column("name", Words, nullable=False, index=True),
    sa.Column("previous", Words, index=True),  # no foreign keys: history outlives images
    sa.Column("target", Words),
    sa.Column("moved_at", Moment, nullable=False),
    sa.Column("reason", Words, nullable=False),
    sa.Column("description", Words, nullable=False),
    sa.Column("type", Words, nullable=False),
    sqlite_autoincrement=True,
)

blobs = sa.Table(
    "blobs",
    metadata,
    sa.Column("sha256", Words, primary_key=True),
    sa.Column("size", Bytes, nullable=False),
    sa.Column("idle_since", Moment, nullable=False, index=True),
)

blob_references = sa.Table(
    "blob_references",
    metadata,
    sa.Column("sha256", Words, _follows("blobs.sha256"), primary_key=True),
    sa.Column("kind", Words, primary_key=True),
    sa.Column("owner", Words, primary_key=True),
    sa.Column("expires_at", Moment),
)

profiles = sa.Table(
    "profiles",
    metadata,
    sa.Column("name", Words, primary_key=True),
    sa.Column("description", Words, nullable=False),
    sa.Column("config", Json, nullable=False),
    sa.Column("devices", Json, nullable=False),
)

storage_pools = sa.Table(
    "storage_pools",
    metadata,
    sa.Column("name", Words, primary_key=True),
    sa.Column("driver", Words, nullable=False),
    sa.Column("config", Json, nullable=False),
    sa.Column("description", Words, nullable=False),
)

instances = sa.Table(
    "instances",
    metadata,
    sa.Column("name", Words, primary_key=True),
    sa.Column("architecture", Words, nullable=False),
    sa.Column("pool", Words, sa.ForeignKey("storage_pools.name", onupdate="CASCADE"), nullable=False, index=True),
    sa.Column("created_at", Moment, nullable=False),
    sa.Column("config", Json, nullable=False),
    sa.Column("devices", Json, nullable=False),
    sa.Column("ephemeral", sa.Boolean, nullable=False),
    sa.Column("description", Words, nullable=False),
    sa.Column("last_used_at", Moment, nullable=False),
    sa.Column("base_image", Words, nullable=False, index=True),  # config["volatile.base_image"], to be found by it
)

instance_profiles = sa.Table(
    "instance_profiles",
    metadata,
    sa.Column("instance", Words, _follows(_INSTANCE), primary_key=True),
    sa.Column("position", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("profile", Words, sa.ForeignKey("profiles.name", onupdate="CASCADE"), nullable=False, index=True),
)

snapshots = sa.Table(
    "snapshots",
    metadata,
    sa.Column("instance", Words, _follows(_INSTANCE), primary_key=True),
    sa.Column("name", Words, primary_key=True),
    sa.Column("created_at", Moment, nullable=False),
    sa.Column("expires_at", Moment, nullable=False, index=True),
    sa.Column("stateful", sa.Boolean, nullable=False),
    sa.Column("architecture", Words, nullable=False),
    sa.Column("pool", Words, nullable=False),
    sa.Column("instance_created_at", Moment, nullable=False),
    sa.Column("config", Json, nullable=False),
    sa.Column("devices", Json, nullable=False),
    sa.Column("profiles", Json, nullable=False),
    sa.Column("ephemeral", sa.Boolean, nullable=False),
    sa.Column("description", Words, nullable=False),
    sa.Column("last_used_at", Moment, nullable=False),
)

# snapshot is empty for the instance's own copy
instance_metadata = sa.Table(
    "instance_metadata",
    metadata,
    sa.Column("instance", Words, _follows(_INSTANCE), primary_key=True),
    sa.Column("snapshot", Words, primary_key=True),
    sa.Column("metadata_yaml", sa.LargeBinary, nullable=False),
)

instance_templates = sa.Table(
    "instance_templates",
    metadata,
    sa.Column("instance", Words, _follows(_INSTANCE), primary_key=True),
    sa.Column("snapshot", Words, primary_key=True),
    sa.Column("name", Words, primary_key=True),
    sa.Column("content", sa.LargeBinary, nullable=False),
)

settings = sa.Table(
    "settings",
    metadata,
    sa.Column("key", Words, primary_key=True),
    sa.Column("value", Words, nullable=False),
)

certificates = sa.Table(
    "certificates",
    metadata,
    sa.Column("fingerprint", Words, primary_key=True),
    sa.Column("name", Words, nullable=False),
    sa.Column("pem", Words, nullable=False),
    sa.Column("type", Words, nullable=False),
    sa.Column("restricted", sa.Boolean, nullable=False),
    sa.Column("projects", Json, nullable=False),
)

tokens = sa.Table(
    "tokens",
    metadata,
    sa.Column("id", Words, primary_key=True),
    sa.Column("secret_sha256", Words, nullable=False, unique=True),
    sa.Column("purpose", Words, nullable=False),
    sa.Column("name", Words, nullable=False),
    sa.Column("created_at", Moment, nullable=False),
    sa.Column("expires_at", Moment),
    sa.Column("scope", Words, nullable=False),
    sa.Column("restricted", sa.Boolean, nullable=False),
)

operations = sa.Table(
    "operations",
    metadata,
    sa.Column("id", Words, primary_key=True),
    sa.Column("kind", Words, nullable=False),
    sa.Column("description", Words, nullable=False),
    sa.Column("status", sa.Integer, nullable=False, index=True),
    sa.Column("created_at", Moment, nullable=False),
    sa.Column("updated_at", Moment, nullable=False),
    sa.Column("resources", Json, nullable=False),
    sa.Column("metadata", Json, nullable=False),
    sa.Column("may_cancel", sa.Boolean, nullable=False),
    sa.Column("error", Words, nullable=False),
    sa.Column("owner", Words, nullable=False),
)

events = sa.Table(
    "events",
    metadata,
    sa.Column("id", Counter, primary_key=True),
    sa.Column("type", Words, nullable=False),
    sa.Column("timestamp", Moment, nullable=False, index=True),
    sa.Column("metadata", Json, nullable=False),
    sqlite_autoincrement=True,
)
