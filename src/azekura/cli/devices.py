"""The device commands, for whatever has devices: ``lxc config device …`` and ``lxc profile device …``."""

from __future__ import annotations

import sys

from azekura.cli.command import MANY, Command
from azekura.cli.settings import pairs
from azekura.errors import AlreadyExists, InvalidRequest, NotFound

TYPE_CHECKING = False
if TYPE_CHECKING:
    from azekura.cli.invocation import Invocation
    from azekura.cli.owners import Owner
    from azekura.client.envelope import Record
    from azekura.client.server import Server


def _missing(device: str) -> NotFound:
    return NotFound("device", device, message="Device doesn't exist")


class DeviceCommands:
    """The commands for one kind of owner."""

    def __init__(self, owner: Owner) -> None:
        self._owner = owner

    def _load(self, call: Invocation) -> tuple[Server, str, Record, str]:
        server, name = call.locate(call.arguments[0])
        record, etag = self._owner.fetch(server, name)
        return server, name, record, etag

    def add(self, call: Invocation) -> None:
        _, device, kind = call.arguments[:3]
        options = {"type": kind}
        for pair in call.arguments[3:]:
            key, equals, value = pair.partition("=")
            if not equals:
                raise InvalidRequest(f'No value found in "{pair}"')
            options[key] = value
        server, name, record, etag = self._load(call)
        if device in record["devices"]:
            raise AlreadyExists("device", device, message="The device already exists")
        record["devices"][device] = options
        self._owner.save(server, name, record, etag)
        call.say(f"Device {device} added to {name}")

    def get(self, call: Invocation) -> None:
        _, _, record, _ = self._load(call)
        print(self._device(record, call.arguments[1]).get(call.arguments[2], ""))

    def _device(self, record: Record, device: str) -> Record:
        if device not in record["devices"]:
            raise _missing(device)
        found: Record = record["devices"][device]
        return found

    def list_devices(self, call: Invocation) -> None:
        _, _, record, _ = self._load(call)
        print("\n".join(sorted(record["devices"])))

    def override(self, call: Invocation) -> None:
        server, name, record, etag = self._load(call)
        device = call.arguments[1]
        if device in record["devices"]:
            raise AlreadyExists("device", device, message="The device already exists")
        inherited = (record.get("expanded_devices") or {}).get(device)
        if inherited is None:
            raise NotFound("device", device, message="The profile device doesn't exist")
        record["devices"][device] = {**inherited, **_options(call.arguments[2:])}
        self._owner.save(server, name, record, etag)
        call.say(f"Device {device} overridden for {name}")

    def remove(self, call: Invocation) -> None:
        server, name, record, etag = self._load(call)
        for device in call.arguments[1:]:
            if device not in record["devices"]:
                inherited = (record.get("expanded_devices") or {}).get(device)
                if inherited is not None:
                    raise InvalidRequest(
                        "Device from profile(s) cannot be removed from individual instance. "
                        "Override device or modify profile instead"
                    )
                raise _missing(device)
            del record["devices"][device]
        self._owner.save(server, name, record, etag)
        call.say(f"Device {', '.join(call.arguments[1:])} removed from {name}")

    def set(self, call: Invocation) -> None:
        changes = pairs(call.arguments[2:])
        server, name, record, etag = self._load(call)
        device = self._device_to_change(record, call.arguments[1])
        device.update(changes)
        self._owner.save(server, name, record, etag)

    def _device_to_change(self, record: Record, name: str) -> Record:
        if name not in record["devices"] and name in (record.get("expanded_devices") or {}):
            raise InvalidRequest(
                "Device from profile(s) cannot be modified for individual instance. "
                "Override device or modify profile instead"
            )
        return self._device(record, name)

    def show(self, call: Invocation) -> None:
        from azekura.cli.yaml_output import dump

        _, _, record, _ = self._load(call)
        sys.stdout.write(dump(record["devices"]))

    def unset(self, call: Invocation) -> None:
        server, name, record, etag = self._load(call)
        device = self._device_to_change(record, call.arguments[1])
        device[call.arguments[2]] = ""
        self._owner.save(server, name, record, etag)

    def commands(self) -> dict[str, Command]:
        kind = self._owner.kind
        named = f"[<remote>:]<{kind}> <device>"
        commands = {
            "add": Command(
                "Add a device",
                self.add,
                usage=f"{named} <type> [key=value...]",
                minimum=3,
                maximum=MANY,
                examples=(
                    (
                        f"lxc {'config' if kind == 'instance' else kind} device add x data disk source=/srv path=/data",
                        "",
                    ),
                ),
            ),
            "get": Command("Show a setting of a device", self.get, usage=f"{named} <key>", minimum=3, maximum=3),
            "list": Command("List devices", self.list_devices, usage=f"[<remote>:]<{kind}>", minimum=1, maximum=1),
            "remove": Command(
                "Remove devices", self.remove, usage=f"[<remote>:]<{kind}> <name>...", minimum=2, maximum=MANY
            ),
            "set": Command(
                "Set settings of a device", self.set, usage=f"{named} <key>=<value>...", minimum=3, maximum=MANY
            ),
            "show": Command(
                "Show all devices with their settings", self.show, usage=f"[<remote>:]<{kind}>", minimum=1, maximum=1
            ),
            "unset": Command(
                "Take a setting of a device away", self.unset, usage=f"{named} <key>", minimum=3, maximum=3
            ),
        }
        if kind == "instance":
            commands["override"] = Command(
                "Copy a profile's device, to change it for this instance",
                self.override,
                usage=f"{named} [key=value...]",
                minimum=2,
                maximum=MANY,
            )
        return commands


def _options(arguments: list[str]) -> dict[str, str]:
    found = {}
    for pair in arguments:
        key, equals, value = pair.partition("=")
        if not equals:
            raise InvalidRequest(f'No value found in "{pair}"')
        found[key] = value
    return found
