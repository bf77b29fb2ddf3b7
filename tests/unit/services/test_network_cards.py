from __future__ import annotations

import re

import pytest

from azekura.errors import InvalidRequest
from azekura.runtime.port import Nic
from azekura.services.instances.config_keys import check_devices
from azekura.services.instances.network_cards import card_settings, host_names, runtime_nics, without_removed

P2P = {"type": "nic", "nictype": "p2p", "name": "eth0"}


@pytest.mark.parametrize(
    "device",
    [
        P2P,
        {
            **P2P,
            "host_name": "veth-web",
            "ipv4.routes": "192.0.2.1/32, 198.51.100.0/24",
            "ipv6.routes": "2001:db8::/64",
        },
        {"type": "nic", "nictype": "bridged", "parent": "br0", "mtu": "1400", "hwaddr": "00:16:3e:00:00:01"},
        {"type": "nic", "nictype": "macvlan", "parent": "enp1s0"},
        {"type": "nic", "nictype": "physical", "parent": "enp1s0"},
        {"type": "nic", "network": "lxdbr0"},
    ],
)
def test_network_cards_on_interfaces_of_the_host_are_offered(device: dict[str, str]) -> None:
    check_devices({"eth0": device})


@pytest.mark.parametrize(
    ("device", "said"),
    [
        ({"type": "nic", "nictype": "bridged"}, "Missing required option"),
        ({"type": "nic", "nictype": "macvlan"}, "Missing required option"),
        ({"type": "nic"}, "Requires name property"),
        ({"type": "nic", "nictype": "sriov", "parent": "x"}, "Unsupported"),
        ({**P2P, "parent": "br0"}, 'Invalid device option "parent"'),
        ({**P2P, "ipv4.routes": "not-a-network"}, "Not an IPv4 network"),
        ({**P2P, "ipv4.routes": "2001:db8::/64"}, "Not an IPv4 network"),
        ({**P2P, "hwaddr": "1:2"}, "Invalid MAC address"),
        ({**P2P, "mtu": "lots"}, "Invalid MTU"),
        ({**P2P, "name": "a name of an interface"}, "Not the name of a network interface"),
        ({**P2P, "host_name": "../../x"}, "Not the name of a network interface"),
    ],
)
def test_a_network_card_that_cannot_be_is_refused_with_the_reason(device: dict[str, str], said: str) -> None:
    with pytest.raises(InvalidRequest, match=re.escape(said)):
        check_devices({"eth0": device})


def test_a_card_gets_an_address_of_its_own_once() -> None:
    made = card_settings({"eth0": P2P}, {})
    assert re.fullmatch(r"00:16:3e(:[0-9a-f]{2}){3}", made["volatile.eth0.hwaddr"])
    assert card_settings({"eth0": P2P}, made) == {}
    assert card_settings({"eth0": {**P2P, "hwaddr": "00:16:3e:00:00:01"}}, {}) == {}


def test_cards_without_a_name_are_eth0_and_so_on_as_they_are_free() -> None:
    unnamed = {"type": "nic", "nictype": "p2p", "hwaddr": "00:16:3e:00:00:01"}
    devices = {"a": unnamed, "b": {**unnamed, "name": "eth0"}, "c": unnamed}
    made = card_settings(devices, {})
    assert made == {"volatile.a.name": "eth1", "volatile.c.name": "eth2"}
    assert [nic.name for nic in runtime_nics(devices, made)] == ["eth1", "eth0", "eth2"]


def test_the_end_outside_has_the_name_that_was_asked_for_or_a_fresh_one() -> None:
    named = host_names({"eth0": {**P2P, "host_name": "veth-web"}, "eth1": P2P, "mac": {**P2P, "nictype": "macvlan"}})
    assert named["volatile.eth0.host_name"] == "veth-web"
    assert re.fullmatch(r"veth[0-9a-f]{8}", named["volatile.eth1.host_name"])
    assert "volatile.mac.host_name" not in named


def test_what_was_made_up_for_a_card_goes_with_it() -> None:
    config = {"volatile.eth0.hwaddr": "x", "volatile.eth1.hwaddr": "y", "user.a": "b"}
    assert without_removed(config, {"eth0": P2P, "eth1": P2P}, {"eth1": P2P}) == {
        "volatile.eth1.hwaddr": "y",
        "user.a": "b",
    }


def test_a_card_reaches_the_runtime_with_all_it_says() -> None:
    device = {**P2P, "host_name": "veth-web", "ipv4.routes": "192.0.2.1/32", "mtu": "1400"}
    config = {"volatile.eth0.hwaddr": "00:16:3e:00:00:01", "volatile.eth0.host_name": "veth-web"}
    assert runtime_nics({"eth0": device}, config) == (
        Nic("eth0", "", "00:16:3e:00:00:01", 1400, "veth", "veth-web", ("192.0.2.1/32",)),
    )
