"""The first tables: images, aliases, blobs, instances, trust, operations.

Revision ID: 0001
Revises:
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from azekura.catalog.columns import Counter, Words

revision = "0001"
down_revision = None


def _moment(name: str, *, nullable: bool = False) -> sa.Column[int]:
    return sa.Column(name, sa.BigInteger, nullable=nullable)


def _words(name: str, *constraints: sa.ForeignKey, key: bool = False, nullable: bool = False) -> sa.Column[str]:
    return sa.Column(name, Words, *constraints, primary_key=key, nullable=nullable)


def _json(name: str) -> sa.Column[str]:
    return sa.Column(name, sa.Text, nullable=False)


def _flag(name: str) -> sa.Column[bool]:
    return sa.Column(name, sa.Boolean, nullable=False)


def _follows(target: str) -> sa.ForeignKey:
    return sa.ForeignKey(target, onupdate="CASCADE", ondelete="CASCADE")


def _index(table: str, *columns: str) -> None:
    op.create_index(f"ix_{table}_{columns[0]}", table, list(columns))


def upgrade() -> None:
    _images()
    _blobs()
    _instances()
    _server()


def _images() -> None:
    op.create_table(
        "images",
        _words("fingerprint", key=True),
        _words("type"),
        _words("architecture"),
        _words("metadata_sha256"),
        sa.Column("metadata_size", sa.BigInteger, nullable=False),
        _words("metadata_extension"),
        _words("rootfs_sha256", nullable=True),
        sa.Column("rootfs_size", sa.BigInteger, nullable=True),
        _words("rootfs_extension", nullable=True),
        _moment("created_at"),
        _moment("uploaded_at"),
        _words("origin"),
        _words("filename"),
        _flag("public"),
        _flag("auto_update"),
        _flag("cached"),
        _moment("expires_at"),
        _moment("last_used_at"),
        _json("properties"),
        _json("profiles"),
        _words("source_server", nullable=True),
        _words("source_protocol", nullable=True),
        _words("source_alias", nullable=True),
        _words("source_certificate", nullable=True),
        _words("source_image_type", nullable=True),
    )
    _index("images", "metadata_sha256")
    _index("images", "rootfs_sha256")
    op.create_index("ix_images_source", "images", ["source_server", "source_protocol", "source_alias"])
    op.create_table(
        "image_metadata",
        _words("fingerprint", _follows("images.fingerprint"), key=True),
        sa.Column("metadata_yaml", sa.LargeBinary, nullable=False),
    )
    op.create_table(
        "image_templates",
        _words("fingerprint", _follows("images.fingerprint"), key=True),
        _words("name", key=True),
        sa.Column("content", sa.LargeBinary, nullable=False),
    )
    op.create_table(
        "image_secrets",
        _words("secret_sha256", key=True),
        _words("fingerprint", _follows("images.fingerprint")),
        _moment("expires_at", nullable=True),
        _moment("used_at", nullable=True),
    )
    _index("image_secrets", "fingerprint")
    op.create_table(
        "aliases",
        _words("name", key=True),
        _words("fingerprint", sa.ForeignKey("images.fingerprint")),
        _words("description"),
        _words("type"),
    )
    _index("aliases", "fingerprint")


def _blobs() -> None:
    op.create_table(
        "blobs",
        _words("sha256", key=True),
        sa.Column("size", sa.BigInteger, nullable=False),
        _moment("idle_since"),
    )
    _index("blobs", "idle_since")
    op.create_table(
        "blob_references",
        _words("sha256", _follows("blobs.sha256"), key=True),
        _words("kind", key=True),
        _words("owner", key=True),
        _moment("expires_at", nullable=True),
    )


def _instances() -> None:
    op.create_table("profiles", _words("name", key=True), _words("description"), _json("config"), _json("devices"))
    op.create_table("storage_pools", _words("name", key=True), _words("driver"), _json("config"), _words("description"))
    op.create_table(
        "instances",
        _words("name", key=True),
        _words("architecture"),
        _words("pool", sa.ForeignKey("storage_pools.name", onupdate="CASCADE")),
        _moment("created_at"),
        _json("config"),
        _json("devices"),
        _flag("ephemeral"),
        _words("description"),
        _moment("last_used_at"),
        _words("base_image"),
    )
    _index("instances", "pool")
    _index("instances", "base_image")
    op.create_table(
        "instance_profiles",
        _words("instance", _follows("instances.name"), key=True),
        sa.Column("position", sa.Integer, primary_key=True, autoincrement=False),
        _words("profile", sa.ForeignKey("profiles.name", onupdate="CASCADE")),
    )
    _index("instance_profiles", "profile")
    op.create_table(
        "snapshots",
        _words("instance", _follows("instances.name"), key=True),
        _words("name", key=True),
        _moment("created_at"),
        _moment("expires_at"),
        _flag("stateful"),
        _words("architecture"),
        _words("pool"),
        _moment("instance_created_at"),
        _json("config"),
        _json("devices"),
        _json("profiles"),
        _flag("ephemeral"),
        _words("description"),
        _moment("last_used_at"),
    )
    _index("snapshots", "expires_at")
    op.create_table(
        "instance_metadata",
        _words("instance", _follows("instances.name"), key=True),
        _words("snapshot", key=True),
        sa.Column("metadata_yaml", sa.LargeBinary, nullable=False),
    )
    op.create_table(
        "instance_templates",
        _words("instance", _follows("instances.name"), key=True),
        _words("snapshot", key=True),
        _words("name", key=True),
        sa.Column("content", sa.LargeBinary, nullable=False),
    )


def _server() -> None:
    op.create_table("settings", _words("key", key=True), _words("value"))
    op.create_table(
        "certificates",
        _words("fingerprint", key=True),
        _words("name"),
        _words("pem"),
        _words("type"),
        _flag("restricted"),
        _json("projects"),
    )
    op.create_table(
        "tokens",
        _words("id", key=True),
        _words("secret_sha256"),
        _words("purpose"),
        _words("name"),
        _moment("created_at"),
        _moment("expires_at", nullable=True),
        _words("scope"),
        _flag("restricted"),
        sa.UniqueConstraint("secret_sha256"),
    )
    op.create_table(
        "operations",
        _words("id", key=True),
        _words("kind"),
        _words("description"),
        sa.Column("status", sa.Integer, nullable=False),
        _moment("created_at"),
        _moment("updated_at"),
        _json("resources"),
        _json("metadata"),
        _flag("may_cancel"),
        _words("error"),
        _words("owner"),
    )
    _index("operations", "status")
    op.create_table(
        "events",
        sa.Column("id", Counter, primary_key=True),
        _words("type"),
        _moment("timestamp"),
        _json("metadata"),
        sqlite_autoincrement=True,
    )
    _index("events", "timestamp")
