"""A restricted client uses images and instances, and can't become the host's root by them."""

from __future__ import annotations

import pytest

from azekura.errors import Forbidden
from azekura.services.instances.restrictions import check_restricted


@pytest.mark.parametrize(
    ("config", "devices"),
    [
        ({"raw.lxc": "lxc.mount.entry = / mnt none bind 0 0"}, {}),
        ({"security.privileged": "true"}, {}),
        ({"security.nesting": "1"}, {}),
        ({}, {"host": {"type": "disk", "source": "/", "path": "/mnt"}}),
        ({}, {"eth0": {"type": "nic", "nictype": "bridged", "parent": "br0"}}),
    ],
)
def test_what_would_reach_the_host_is_refused(config: dict[str, str], devices: dict[str, dict[str, str]]) -> None:
    with pytest.raises(Forbidden, match="A restricted client may not"):
        check_restricted(config, devices)
    check_restricted(config, devices, before=config, devices_before=devices)  # an administrator set it before


def test_ordinary_wishes_pass() -> None:
    config = {"limits.memory": "1GiB", "user.x": "y", "security.privileged": "false"}
    check_restricted(config, {"root": {"type": "disk", "path": "/", "pool": "default"}})
