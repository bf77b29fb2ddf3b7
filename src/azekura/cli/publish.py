"""``lxc publish``: an instance or a snapshot becomes an image."""

from __future__ import annotations

from azekura.cli.action import STOPPED
from azekura.cli.command import MANY, TEXT, TEXTS, Command, Flag
from azekura.cli.image.reference import point_aliases
from azekura.cli.instance import is_snapshot, path_of
from azekura.client.address import encode_query, quote
from azekura.errors import AzekuraError, HostError, InvalidRequest

TYPE_CHECKING = False
if TYPE_CHECKING:
    from azekura.cli.invocation import Invocation
    from azekura.client.envelope import Record
    from azekura.client.server import Server


def run(call: Invocation) -> None:
    remote, name = call.split(call.arguments[0])
    pairs = call.arguments[1:]
    target_remote, target_name = call.config.default_remote, ""
    if pairs and "=" not in pairs[0]:
        target_remote, target_name = call.split(pairs.pop(0))
    if not name:
        raise InvalidRequest("Instance name is mandatory")
    if target_name:
        raise InvalidRequest('There is no "image name".  Did you want an alias?')
    source, target = call.server(remote), call.server(target_remote)
    was_running = was_ephemeral = False
    if not is_snapshot(name):
        instance, etag = source.get_with_etag(path_of(name))
        was_running = instance.get("status_code") not in (0, STOPPED)
        was_ephemeral = bool(instance.get("ephemeral"))
        if was_running:
            if not call.options.switch("force"):
                raise InvalidRequest("The instance is currently running. Use --force to have it stopped and restarted")
            if was_ephemeral:
                source.run("PUT", path_of(name), {**_writable(instance), "ephemeral": False}, etag=etag)
            _stop(source, name)
    try:
        fingerprint = _publish(call, source, name, pairs, here=remote == target_remote)
    finally:
        if was_running:
            _restore(source, name, ephemeral=was_ephemeral)
    if remote != target_remote:
        _hand_over(call, source, target, fingerprint)
    aliases = call.options.texts("alias")
    if not (remote == target_remote and source.has_extension("image_import_alias")):
        point_aliases(target, aliases, fingerprint)
    print(f"Instance published with fingerprint: {fingerprint}")


def _publish(call: Invocation, source: Server, name: str, pairs: list[str], *, here: bool) -> str:
    properties = {}
    for pair in pairs:
        key, equals, value = pair.partition("=")
        if not equals:
            raise InvalidRequest(f"Bad key=value pair: [{pair}]")
        properties[key] = value
    kind = "snapshot" if is_snapshot(name) else "instance" if source.has_extension("instances") else "container"
    order: Record = {
        "auto_update": False,
        "properties": properties or None,
        "public": here and call.options.switch("public"),
        "source": {"type": kind, "name": name},
        "compression_algorithm": call.options.text("compression"),
    }
    if call.options.text("compression"):
        source.require("image_compression_algorithm")
    if call.options.text("expire"):
        order["expires_at"] = _expiry(call.options.text("expire"))
    headers = {}
    aliases = call.options.texts("alias")
    if here and aliases and source.has_extension("image_import_alias"):
        headers = {"X-LXD-aliases": encode_query([("alias", alias) for alias in aliases]), "X-LXD-reuse": "true"}
    progress = call.progress("Publishing instance: %s")
    try:
        operation = source.run("POST", "images", order, headers=headers, watcher=progress)
    finally:
        if progress is not None:
            progress.done()
    return str((operation.get("metadata") or {})["fingerprint"])


def _expiry(text: str) -> str:
    """
    Raises:
        InvalidRequest: no RFC 3339 time.
    """
    from datetime import datetime

    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None or "T" not in text.upper():
        layout = "2006-01-02T15:04:05Z07:00"
        rest = text[10:] if text[:4].isdigit() and text[4:5] == "-" else text
        expected = "T" if rest != text else "2006"
        raise InvalidRequest(
            f'Invalid expiration date: parsing time "{text}" as "{layout}": cannot parse "{rest}" as "{expected}"'
        )
    return text


def _writable(instance: Record) -> Record:
    keys = ("architecture", "config", "devices", "ephemeral", "profiles", "stateful", "description")
    return {key: instance[key] for key in keys if key in instance}


def _stop(server: Server, name: str) -> None:
    try:
        server.run("PUT", f"{path_of(name)}/state", {"action": "stop", "timeout": -1, "force": True})
    except AzekuraError as exc:
        raise HostError("Stopping instance failed!") from exc


def _restore(server: Server, name: str, *, ephemeral: bool) -> None:
    """Start the instance again, and let it be ephemeral again."""
    if ephemeral:
        instance, etag = server.get_with_etag(path_of(name))
        server.run("PUT", path_of(name), {**_writable(instance), "ephemeral": True}, etag=etag)
    server.run("PUT", f"{path_of(name)}/state", {"action": "start", "timeout": -1, "force": False})


def _hand_over(call: Invocation, source: Server, target: Server, fingerprint: str) -> None:
    """The image was made where the instance is: let the other server fetch it, then take it away here."""
    from azekura.cli.image.copy import pull

    try:
        image = source.get(f"images/{quote(fingerprint)}")
        pull(source, target, image, {"public": call.options.switch("public")}, None)
    finally:
        source.run("DELETE", f"images/{quote(fingerprint)}")


COMMANDS = {
    "publish": Command(
        "Make an image of an instance",
        run,
        usage="[<remote>:]<instance>[/<snapshot>] [<remote>:] [flags] [key=value...]",
        minimum=1,
        maximum=MANY,
        flags=(
            Flag("alias", "Alias for the image (may be repeated)", kind=TEXTS),
            Flag("compression", "How to compress it: none, gzip, zstd, xz …", kind=TEXT),
            Flag("expire", "When the image expires (RFC 3339)", kind=TEXT),
            Flag("force", "Stop a running instance for it, then start it again", short="f"),
            Flag("public", "Show the image to everybody"),
            Flag("reuse", "Move aliases that stand for another image"),
        ),
        description="Properties given as key=value replace those that the instance's own image had.",
    )
}
