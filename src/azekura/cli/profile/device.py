"""``lxc profile device …``."""

from __future__ import annotations

from azekura.cli.devices import DeviceCommands
from azekura.cli.owners import PROFILES

COMMANDS = DeviceCommands(PROFILES).commands()
