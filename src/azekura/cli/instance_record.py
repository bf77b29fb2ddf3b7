"""The part of an instance's record that a user may write."""

from __future__ import annotations

from azekura.cli.yaml_input import BOOLEAN, MAPS, TEXT, TEXT_MAP, TEXTS

FIELDS = {
    "architecture": TEXT,
    "config": TEXT_MAP,
    "devices": MAPS,
    "ephemeral": BOOLEAN,
    "profiles": TEXTS,
    "restore": TEXT,
    "stateful": BOOLEAN,
    "description": TEXT,
}
