"""``lxc config device …``."""

from __future__ import annotations

from azekura.cli.devices import DeviceCommands
from azekura.cli.owners import INSTANCES

COMMANDS = DeviceCommands(INSTANCES).commands()
