"""``lxc init`` and ``lxc launch``: an instance of an image."""

from __future__ import annotations

import sys

from azekura.cli.action import change_state
from azekura.cli.birth import Birth, starts
from azekura.cli.command import OPTIONAL, TEXT, TEXTS, Command, Flag
from azekura.cli.files import key_value
from azekura.cli.image.reference import DEFAULT_ALIAS, alias_entry, dereference
from azekura.client.address import quote
from azekura.errors import InvalidRequest, NotFound

TYPE_CHECKING = False
if TYPE_CHECKING:
    from azekura.cli.invocation import Invocation
    from azekura.client.envelope import Record
    from azekura.client.server import Server


def init(call: Invocation) -> None:
    create(call)


def launch(call: Invocation) -> int | None:
    server, name, started = create(call, start=True)
    if not started:
        order = {"action": "start", "timeout": -1, "force": False, "stateful": False}
        change_state(call, server, name, order, call.argument(1) or name)
    if call.options.given("console"):
        from azekura.cli.console import attach

        return attach(server, name, call.options.text("console"))
    return None


def create(call: Invocation, *, start: bool = False) -> tuple[Server, str, bool]:
    """Make the instance; returns its server and name.

    ``start`` asks for its start in the same operation. Servers without the API extension ``instance_create_start``
    take no notice of that; whether it was done is returned too.
    """
    options = call.options
    empty = options.switch("empty")
    if empty and len(call.arguments) > 1:
        raise InvalidRequest("--empty cannot be combined with an image name")
    image_argument = "" if empty else call.arguments[0]
    target = call.argument(0 if empty else 1)
    image_remote, image = ("", "") if empty else call.split(image_argument)
    remote, name = call.split(target) if target else (call.config.default_remote, "")
    order = _given_record()
    if not call.quiet:
        print(f"Creating {name}" if name else "Creating the instance", flush=True)
    server = call.server(remote)
    _apply_flags(call, order, server)
    order["name"] = name
    if start:
        order["start"] = True
    if empty:
        order["source"] = {"type": "none"}
    else:
        order["source"] = _source(call, server, remote, image_remote, image, order)
    birth = Birth(call, server, name, start, call.progress("Retrieving image: %s"))
    record = birth.watch(server.start("POST", "instances", order, watcher=birth if birth.shows_progress else None))
    started = start and (starts(record) or server.has_extension("instance_create_start"))
    return server, birth.name, started


def _given_record() -> Record:
    """What standard input holds, if it isn't a terminal: config, devices, profiles as YAML."""
    record: Record = {"config": {}, "devices": {}, "profiles": None, "ephemeral": False, "description": ""}
    if sys.stdin is None or sys.stdin.isatty():
        return record
    text = sys.stdin.buffer.read()
    if not text.strip():
        return record
    from azekura.cli.instance_record import FIELDS
    from azekura.cli.yaml_input import load

    try:
        decoded = text.decode()
    except UnicodeDecodeError as exc:
        raise InvalidRequest("The standard input is not UTF-8 text") from exc
    given = load(decoded, FIELDS)
    record.update({key: given[key] for key in ("config", "devices", "profiles") if key in given})
    return record


def _apply_flags(call: Invocation, order: Record, server: Server) -> None:
    options = call.options
    for pair in options.texts("config"):
        key, value = key_value(pair, "Bad key=value pair: %s")
        order["config"][key] = value
    overrides: dict[str, dict[str, str]] = {}
    for text in options.texts("device"):
        device, comma, pair = text.partition(",")
        key, equals, value = pair.partition("=")
        if not comma or not equals:
            raise InvalidRequest(f"Bad device override syntax, expecting <device>,<key>=<value>: {text}")
        overrides.setdefault(device, {})[key] = value
    if options.switch("no-profiles"):
        order["profiles"] = []
    elif options.texts("profile"):
        order["profiles"] = options.texts("profile")
    if overrides:
        inherited = _profile_devices(order, server)
        for device, changes in overrides.items():
            order["devices"][device] = {**inherited.get(device, {}), **order["devices"].get(device, {}), **changes}
    if options.switch("ephemeral"):
        order["ephemeral"] = True
    if options.text("network"):
        _attach_network(order, server, options.text("network"))
    if options.text("storage"):
        pool = options.text("storage")
        try:
            server.get(f"storage-pools/{quote(pool)}")
        except NotFound as exc:
            raise NotFound("storage pool", pool, message=f'Failed loading storage pool "{pool}": {exc}') from exc
        order["devices"]["root"] = {"type": "disk", "path": "/", "pool": options.text("storage")}
    order["type"] = "virtual-machine" if options.switch("vm") else "container"
    order["instance_type"] = options.text("type")


def _profile_devices(order: Record, server: Server) -> dict[str, dict[str, str]]:
    """The devices that the instance will have from its profiles: what an override starts from."""
    devices: dict[str, dict[str, str]] = {}
    for profile in ["default"] if order["profiles"] is None else order["profiles"]:
        devices.update(server.get(f"profiles/{quote(profile)}").get("devices") or {})
    return devices


def _attach_network(order: Record, server: Server, name: str) -> None:
    network = server.get(f"networks/{quote(name)}")
    if network.get("managed") and network.get("type") == "bridge":
        device = {"name": "eth0", "type": "nic", "network": name}
    elif network.get("type") == "bridge":
        device = {"name": "eth0", "type": "nic", "nictype": "bridged", "parent": name}
    else:
        device = {"name": "eth0", "type": "nic", "nictype": "macvlan", "parent": name}
    order["devices"][name] = device


def _source(call: Invocation, server: Server, remote: str, image_remote: str, image: str, order: Record) -> Record:
    """Where the server takes the image from, and what it is asked for by."""
    origin = call.config.remote(image_remote)
    if origin.is_simplestreams:
        return {
            "type": "image",
            "mode": "pull",
            "protocol": "simplestreams",
            "server": origin.addr,
            "certificate": call.config.file(f"servercerts/{image_remote}.crt") or "",
            "alias": image or DEFAULT_ALIAS,
        }
    source_server = call.server(image_remote)
    kind = str(order["type"])
    if image_remote == remote:
        image_remote, image, elsewhere = _or_a_remote(call, server, image_remote, image)
        if elsewhere:
            return _source(call, server, remote, image_remote, image, order)
        fingerprint = _local_image(server, image, kind)
        return {"type": "image", "certificate": "", "fingerprint": fingerprint, "allow_inconsistent": False}
    from azekura.cli.image.transfer import remote_source

    fingerprint = dereference(source_server, image)
    record = source_server.get(f"images/{quote(fingerprint)}")
    _check_kind(record, kind)
    return remote_source(source_server, record, image or DEFAULT_ALIAS, by_alias=fingerprint != image)


def _local_image(server: Server, image: str, kind: str) -> str:
    """The fingerprint of an image of the server. An alias's entry tells all that is asked of an image's record."""
    entry = alias_entry(server, image)
    if entry is not None and entry.get("type"):
        _check_kind(entry, kind)
        return str(entry["target"])
    record = server.get(f"images/{quote((image or DEFAULT_ALIAS) if entry is None else str(entry['target']))}")
    _check_kind(record, kind)
    return str(record["fingerprint"])


def _check_kind(record: Record, kind: str) -> None:
    found = record.get("type") or "container"
    if found != kind:
        names = {"container": "a container", "virtual-machine": "a VM"}
        have = "container" if found == "container" else "virtual-machine"
        raise InvalidRequest(f"Asked for {names[kind]} but image is of type {have}")


def _or_a_remote(call: Invocation, server: Server, remote: str, image: str) -> tuple[str, str, bool]:
    """``ubuntu`` or ``ubuntu/22.04`` where no image here is called so, but a remote is: that is what was meant."""
    first, slash, rest = image.partition("/")
    if first not in call.config.remotes or first == remote:
        return remote, image, False
    try:
        server.get(f"images/{quote(dereference(server, image))}")
    except NotFound:
        meant = f"{first}:{rest}"
        sys.stderr.write(f"The local image '{image}' couldn't be found, trying '{meant}' instead.\n")
        return first, rest if slash else DEFAULT_ALIAS, True
    return remote, image, False


FLAGS = (
    Flag("config", "Setting key=value of the new instance (may be repeated)", short="c", kind=TEXTS),
    Flag("device", "Setting NAME,key=value of a device (may be repeated)", short="d", kind=TEXTS),
    Flag("empty", "Make an empty instance"),
    Flag("ephemeral", "Delete the instance when it stops", short="e"),
    Flag("network", "Attach it to this network", short="n", kind=TEXT),
    Flag("no-profiles", "Without any profile"),
    Flag("profile", "With this profile (may be repeated)", short="p", kind=TEXTS),
    Flag("storage", "On this storage pool", short="s", kind=TEXT),
    Flag("target", "Cluster member", kind=TEXT),
    Flag("type", "Instance type", short="t", kind=TEXT),
    Flag("vm", "Make a virtual machine"),
)
CONSOLE = Flag("console", "Then attach to its console", kind=OPTIONAL, bare="console")
_USAGE = "[<remote>:]<image> [<remote>:][<name>]"

COMMANDS = {
    "init": Command("Make an instance of an image", init, usage=_USAGE, minimum=1, maximum=2, flags=FLAGS),
    "launch": Command(
        "Make an instance of an image and start it",
        launch,
        usage=_USAGE,
        minimum=1,
        maximum=2,
        flags=(*FLAGS, CONSOLE),
        examples=(
            ("lxc launch ubuntu:24.04 first", "A container with Ubuntu"),
            ("lxc launch debian/12 second < settings.yaml", "With config, devices and profiles from a file"),
        ),
    ),
}
