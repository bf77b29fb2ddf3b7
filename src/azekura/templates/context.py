"""What a template gets to see."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from azekura.templates import runes
from azekura.templates.conversions import as_text
from azekura.templates.values import Function, Table, TypedText, Value

_ENGINE_VERSION = b"4.0.2"  # of the engine in LXD 5.0; templates may ask for it


@dataclass(frozen=True, slots=True)
class TemplateContext:
    """One instance, and the reason for which its templates are rendered.

    ``trigger`` is ``create``, ``copy``, ``rename`` or ``start``; ``path`` the target as ``metadata.yaml`` spells it;
    ``config`` and ``devices`` are the expanded ones. ``now`` must know its time zone. Without ``random`` the system's
    source is used.

    ``exact_trigger``: LXD gives ``trigger`` a type of its own, so that ``trigger == "start"`` is never true there.
    Since authors mean it, it is true here unless this is set.
    """

    name: str
    architecture: str
    ephemeral: bool
    privileged: bool
    trigger: str
    path: str
    properties: Mapping[str, str]
    config: Mapping[str, str]
    devices: Mapping[str, Mapping[str, str]]
    now: datetime
    random: random.Random | None = None
    exact_trigger: bool = False


def public_names(context: TemplateContext) -> dict[bytes, Value]:
    """The variables of a template."""
    instance = _table(
        {
            "name": context.name,
            "type": "container",
            "architecture": context.architecture,
            "ephemeral": "true" if context.ephemeral else "false",
            "privileged": "true" if context.privileged else "false",
        }
    )
    config = _table(context.config)
    devices = {runes.from_host(name): _table(device, "config.Device") for name, device in context.devices.items()}
    trigger = runes.from_host(context.trigger)
    return {
        b"container": instance,
        b"instance": instance,
        b"trigger": TypedText(trigger) if context.exact_trigger else trigger,
        b"path": runes.from_host(context.path),
        b"properties": _table(context.properties),
        b"config": config,
        b"config_get": Function(2, lambda arguments: _config_get(config, arguments)),
        b"devices": Table(devices, "config.Devices"),
        b"pongo2": Table({b"version": _ENGINE_VERSION}, "pongo2.Context"),
    }


def _table(entries: Mapping[str, str], go_type: str = "map[string]string") -> Table:
    return Table({runes.from_host(key): runes.from_host(value) for key, value in entries.items()}, go_type)


def _config_get(config: Table, arguments: list[Value]) -> Value:
    """The value of a key, without the newlines at its end; the default, as it is, if there is no such key."""
    key, default = arguments
    name = as_text(key)
    return as_text(config.entries[name]).rstrip(b"\r\n") if name in config.entries else default
