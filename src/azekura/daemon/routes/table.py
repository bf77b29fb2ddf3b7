"""Every route of the REST API. docs/rest-api.md lists the same ones; a test compares the two."""

from __future__ import annotations

from azekura.daemon.application import Route
from azekura.daemon.callers import Access
from azekura.daemon.routes import (
    aliases,
    credentials,
    exec,  # noqa: A004 - LXD's word for it
    files,
    images,
    instance_metadata,
    instances,
    logs,
    operations,
    pools,
    profiles,
    server,
    snapshots,
    streams,
    trust,
)

ANYONE, TRUSTED, ADMIN = Access.ANYONE, Access.TRUSTED, Access.ADMIN


def _server() -> list[Route]:
    return [
        Route("GET", "/", server.versions, ANYONE, "API versions"),
        Route("GET", "/1.0", server.show, ANYONE, "What this server is, offers and is set to"),
        Route("PUT", "/1.0", server.update, ADMIN, "Replace the server's settings"),
        Route("PATCH", "/1.0", server.patch, ADMIN, "Change some of the server's settings"),
        Route("GET", "/1.0/openapi.json", server.openapi, ANYONE, "This API as an OpenAPI document"),
        Route("GET", "/1.0/resources", server.show_resources, TRUSTED, "Processors and memory"),
        Route("GET", "/1.0/projects", server.list_projects, TRUSTED, "Projects: there is one"),
        Route("POST", "/1.0/projects", server.refuse_project, ADMIN, "Refused: there is one project"),
        Route("GET", "/1.0/projects/{name}", server.show_project, TRUSTED, "The project default"),
        Route("PUT", "/1.0/projects/{name}", server.refuse_project, ADMIN, "Refused: it can't be changed"),
        Route("PATCH", "/1.0/projects/{name}", server.refuse_project, ADMIN, "Refused: it can't be changed"),
        Route("DELETE", "/1.0/projects/{name}", server.refuse_project, ADMIN, "Refused: it can't be deleted"),
        Route("GET", "/1.0/networks", server.no_networks, TRUSTED, "Networks: none are managed here"),
        Route("GET", "/1.0/networks/{name}", server.no_network, TRUSTED, "Networks: none are managed here"),
        Route("GET", "/1.0/warnings", server.empty_list, TRUSTED, "Warnings: none are kept"),
        Route("GET", "/internal/ready", server.wait_ready, ADMIN, "Answers when the daemon is ready"),
        Route("PUT", "/internal/shutdown", server.shut_down, ADMIN, "Stop containers and daemon"),
    ]


def _images() -> list[Route]:
    image = "/1.0/images/{fingerprint}"
    alias = "/1.0/images/aliases/{name:.+}"
    return [
        Route("GET", "/1.0/images", images.list_all, ANYONE, "List images"),
        Route("POST", "/1.0/images", images.create, ANYONE, "Upload, copy, download or publish an image"),
        Route("GET", "/1.0/images/usage", images.usage, TRUSTED, "What uses space"),
        Route("POST", "/1.0/images/prune", images.prune_images, ADMIN, "Remove what nobody needs"),
        Route("GET", "/1.0/images/outdated", images.list_outdated, TRUSTED, "What has something newer"),
        Route("GET", "/1.0/images/resolve", images.resolve, ANYONE, "An image by alias or fingerprint"),
        Route("GET", "/1.0/images/aliases", aliases.list_all, TRUSTED, "List aliases"),
        Route("POST", "/1.0/images/aliases", aliases.create, TRUSTED, "Create an alias"),
        Route("POST", f"{alias}/move", aliases.move, TRUSTED, "Point an alias elsewhere, compare-and-swap"),
        Route("GET", f"{alias}/history", aliases.history, TRUSTED, "Where an alias pointed"),
        Route("POST", f"{alias}/rollback", aliases.rollback, TRUSTED, "Point an alias back"),
        Route("GET", alias, aliases.show, ANYONE, "One alias"),
        Route("PUT", alias, aliases.update, TRUSTED, "Replace target and description"),
        Route("PATCH", alias, aliases.patch, TRUSTED, "Change target or description"),
        Route("POST", alias, aliases.rename, TRUSTED, "Rename an alias"),
        Route("DELETE", alias, aliases.delete, TRUSTED, "Delete an alias"),
        Route("GET", image, images.show, ANYONE, "One image"),
        Route("PUT", image, images.update, TRUSTED, "Replace what can be changed"),
        Route("PATCH", image, images.patch, TRUSTED, "Change flags and properties"),
        Route("DELETE", image, images.delete, TRUSTED, "Delete an image"),
        Route("GET", f"{image}/export", images.export, ANYONE, "The image's file or files"),
        Route("HEAD", f"{image}/export", images.export, ANYONE, "Size and name of the image's file"),
        Route("POST", f"{image}/export", images.push, TRUSTED, "Send the image to another server"),
        Route("POST", f"{image}/refresh", images.refresh, TRUSTED, "Take in what its source offers now"),
        Route("POST", f"{image}/secret", images.secret, TRUSTED, "A secret that opens this image once"),
        Route("POST", f"{image}/pin", images.pin, TRUSTED, "Pin or unpin an image"),
        Route("POST", f"{image}/undelete", images.undelete, TRUSTED, "Bring a deleted image back"),
        Route("GET", f"{image}/used-by", images.users, TRUSTED, "Instances made from the image"),
    ]


def _streams() -> list[Route]:
    index, products, file = "/streams/v1/index.json", "/streams/v1/images.json", "/streams/v1/files/{name}"
    return [
        Route("GET", index, streams.index, ANYONE, "Index of the public images, for simplestreams clients"),
        Route("HEAD", index, streams.index, ANYONE, "Size and date of the index"),
        Route("GET", products, streams.images, ANYONE, "Products, versions and files of the public images"),
        Route("HEAD", products, streams.images, ANYONE, "Size and date of the products"),
        Route("GET", file, streams.file, ANYONE, "A file of a public image, named by its sha256"),
        Route("HEAD", file, streams.file, ANYONE, "Size of a public image's file"),
    ]


def _instances(root: str) -> list[Route]:
    one = f"{root}/{{name}}"
    snapshot = f"{one}/snapshots/{{snapshot}}"
    return [
        Route("GET", root, instances.list_all, TRUSTED, "List instances"),
        Route("POST", root, instances.create, TRUSTED, "Create an instance"),
        Route("PUT", root, instances.change_all_states, TRUSTED, "Start, stop … all instances"),
        Route("GET", one, instances.show, TRUSTED, "One instance"),
        Route("PUT", one, instances.update, TRUSTED, "Replace an instance's configuration, or restore it"),
        Route("PATCH", one, instances.patch, TRUSTED, "Change an instance's configuration"),
        Route("POST", one, instances.rename, TRUSTED, "Rename an instance"),
        Route("DELETE", one, instances.delete, TRUSTED, "Delete an instance"),
        Route("GET", f"{one}/state", instances.state, TRUSTED, "What an instance uses now"),
        Route("PUT", f"{one}/state", instances.change_state, TRUSTED, "Start, stop, restart, freeze, unfreeze"),
        Route("POST", f"{one}/exec", exec.execute, TRUSTED, "Run a command"),
        Route("GET", f"{one}/console", logs.console_log, TRUSTED, "The console's log"),
        Route("DELETE", f"{one}/console", logs.clear_console_log, TRUSTED, "Empty the console's log"),
        Route("POST", f"{one}/console", logs.no_console, TRUSTED, "Refused: consoles are not attached to"),
        Route("GET", f"{one}/files", files.read, TRUSTED, "A file, a folder's names or a link's target"),
        Route("HEAD", f"{one}/files", files.read, TRUSTED, "Owner, mode and kind of a file"),
        Route("POST", f"{one}/files", files.write, TRUSTED, "Write a file, folder or link"),
        Route("DELETE", f"{one}/files", files.remove, TRUSTED, "Remove a file or empty folder"),
        Route("GET", f"{one}/snapshots", snapshots.list_snapshots, TRUSTED, "List snapshots"),
        Route("POST", f"{one}/snapshots", snapshots.add_snapshot, TRUSTED, "Take a snapshot"),
        Route("GET", snapshot, snapshots.show_snapshot, TRUSTED, "One snapshot"),
        Route("POST", snapshot, snapshots.change_snapshot, TRUSTED, "Rename a snapshot"),
        Route("DELETE", snapshot, snapshots.remove_snapshot, TRUSTED, "Delete a snapshot"),
        Route("GET", f"{one}/metadata", instance_metadata.show_metadata, TRUSTED, "The container's metadata.yaml"),
        Route("PUT", f"{one}/metadata", instance_metadata.put_metadata, TRUSTED, "Replace metadata.yaml"),
        Route("PATCH", f"{one}/metadata", instance_metadata.patch_metadata, TRUSTED, "Change metadata.yaml"),
        Route("GET", f"{one}/metadata/templates", instance_metadata.templates, TRUSTED, "List templates, or one"),
        Route("POST", f"{one}/metadata/templates", instance_metadata.put_template, TRUSTED, "Write a template"),
        Route("DELETE", f"{one}/metadata/templates", instance_metadata.remove_template, TRUSTED, "Delete a template"),
        Route("GET", f"{one}/logs", logs.list_logs, TRUSTED, "List log files"),
        Route("GET", f"{one}/logs/{{file}}", logs.show_log, TRUSTED, "One log file"),
        Route("DELETE", f"{one}/logs/{{file}}", logs.remove_log, TRUSTED, "Delete a recorded output"),
        Route("GET", f"{one}/backups", logs.no_backups, TRUSTED, "Backups: none are kept"),
    ]


def _profiles_and_pools() -> list[Route]:
    profile, pool = "/1.0/profiles/{name}", "/1.0/storage-pools/{name}"
    return [
        Route("GET", "/1.0/profiles", profiles.list_all, TRUSTED, "List profiles"),
        Route("POST", "/1.0/profiles", profiles.create, ADMIN, "Create a profile"),
        Route("GET", profile, profiles.show, TRUSTED, "One profile"),
        Route("PUT", profile, profiles.update, ADMIN, "Replace a profile"),
        Route("PATCH", profile, profiles.patch, ADMIN, "Change a profile"),
        Route("POST", profile, profiles.rename, ADMIN, "Rename a profile"),
        Route("DELETE", profile, profiles.delete, ADMIN, "Delete a profile"),
        Route("GET", "/1.0/storage-pools", pools.list_all, TRUSTED, "List storage pools"),
        Route("POST", "/1.0/storage-pools", pools.create, ADMIN, "Create a storage pool"),
        Route("GET", pool, pools.show, TRUSTED, "One storage pool"),
        Route("PUT", pool, pools.update, ADMIN, "Replace a pool's configuration"),
        Route("PATCH", pool, pools.patch, ADMIN, "Change a pool's configuration"),
        Route("DELETE", pool, pools.delete, ADMIN, "Delete an unused pool"),
        Route("GET", f"{pool}/resources", pools.resources, TRUSTED, "Space of a pool"),
        Route("GET", f"{pool}/volumes", pools.volumes, TRUSTED, "Volumes of a pool"),
        Route("GET", f"{pool}/volumes/{{type}}/{{volume}}", pools.no_volume, TRUSTED, "Not offered one by one"),
    ]


def _operations_and_trust() -> list[Route]:
    operation, certificate = "/1.0/operations/{id}", "/1.0/certificates/{fingerprint}"
    return [
        Route("GET", "/1.0/operations", operations.list_all, TRUSTED, "List operations"),
        Route("GET", operation, operations.show, TRUSTED, "One operation"),
        Route("DELETE", operation, operations.cancel, TRUSTED, "Cancel an operation"),
        Route("GET", f"{operation}/wait", operations.wait, ANYONE, "Wait until an operation has ended"),
        Route("GET", f"{operation}/websocket", operations.websocket, ANYONE, "A stream of a command"),
        Route("GET", "/1.0/events", operations.events, TRUSTED, "A websocket of what happens"),
        Route("GET", "/1.0/certificates", trust.list_all, ADMIN, "List trusted certificates"),
        Route("POST", "/1.0/certificates", trust.create, ANYONE, "Trust a certificate, or make a join token"),
        Route("GET", certificate, trust.show, TRUSTED, "One trusted certificate"),
        Route("PUT", certificate, trust.update, TRUSTED, "Replace a certificate's entry"),
        Route("PATCH", certificate, trust.patch, TRUSTED, "Change a certificate's entry"),
        Route("DELETE", certificate, trust.delete, ADMIN, "Trust a certificate no longer"),
        Route("GET", "/1.0/tokens", trust.list_tokens, ADMIN, "List tokens"),
        Route("POST", "/1.0/tokens", trust.create_token, ADMIN, "Make a token that reads images"),
        Route("DELETE", "/1.0/tokens/{id}", trust.revoke_token, ADMIN, "Revoke a token"),
        Route("GET", "/1.0/credentials", credentials.list_all, ADMIN, "Servers that credentials are kept for"),
        Route("PUT", "/1.0/credentials", credentials.put, ADMIN, "Keep credentials for a server images come from"),
        Route("DELETE", "/1.0/credentials", credentials.delete, ADMIN, "Forget a server's credentials"),
    ]


def routes() -> list[Route]:
    """All routes; those of instances stand under their older name too."""
    return [
        *_server(),
        *_images(),
        *_streams(),
        *_instances("/1.0/instances"),
        *_instances("/1.0/containers"),
        *_profiles_and_pools(),
        *_operations_and_trust(),
    ]
