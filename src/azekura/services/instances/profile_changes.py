"""Changing a profile, and with it the instances that have it."""

from __future__ import annotations

from collections.abc import Mapping

from azekura.catalog import Transaction
from azekura.errors import AzekuraError, HostError, InvalidRequest
from azekura.model.instance import Instance, Profile, expand_config, expand_devices
from azekura.services.depot import Depot
from azekura.services.instances.config_keys import check_devices
from azekura.services.instances.lifecycle import Lifecycle
from azekura.services.instances.live import apply_devices, apply_limits, new_host_names
from azekura.services.instances.network_cards import card_settings
from azekura.services.instances.profiles import checked_profile, load_profiles
from azekura.services.instances.records import update_record
from azekura.services.pools import root_pool

_Expanded = tuple[dict[str, str], dict[str, dict[str, str]]]


def replace_profile(depot: Depot, lifecycle: Lifecycle, profile: Profile) -> None:
    """Change a profile; the limits and devices of running containers follow at once.

    Raises:
        NotFound: no such profile.
        InvalidRequest: a key, value or device that can't be, or an instance would lose its root disk.
        HostError: it is changed, but a running container couldn't follow.
    """
    profile = checked_profile(profile)
    if depot.host is not None:
        depot.host.check_raw(profile.config.get("raw.lxc", ""))
    with depot.catalog.write() as tx:
        tx.profiles.get(profile.name)
        users = [instance for instance in tx.instances.list() if profile.name in instance.profiles]
        changes = [(instance, *_sides(tx, instance, profile)) for instance in users]
        for instance, _, (_, devices) in changes:
            check_devices(devices, f"Instance {instance.name}: ")
            if root_pool(devices) != instance.pool:
                raise InvalidRequest("At least one instance relies on this profile's root disk device")
        tx.profiles.replace(profile)
    depot.events.lifecycle("profile-updated", f"/1.0/profiles/{profile.name}")
    failed = [
        f"{instance.name}: {reason}"
        for instance, before, after in changes
        if (reason := _follow(depot, lifecycle, instance, before, after))
    ]
    if failed:
        raise HostError(f"The profile is changed, but not yet these running instances: {'; '.join(failed)}")


def _sides(tx: Transaction, instance: Instance, profile: Profile) -> tuple[_Expanded, _Expanded]:
    before = load_profiles(tx, instance.profiles)
    after = [profile if one.name == profile.name else one for one in before]
    return _expand(before, instance), _expand(after, instance)


def _expand(profiles: list[Profile], instance: Instance) -> _Expanded:
    return expand_config(profiles, instance.config), expand_devices(profiles, instance.devices)


def _follow(depot: Depot, lifecycle: Lifecycle, instance: Instance, before: _Expanded, after: _Expanded) -> str:
    """Why a running container couldn't follow; empty when it did, or needn't."""
    if before == after or not lifecycle.is_running(instance.name):
        return ""
    made: Mapping[str, str] = {**card_settings(after[1], after[0]), **new_host_names(before[1], after[1])}
    try:
        with depot.instance_locks.hold(instance.name):
            if made:
                update_record(depot, instance.name, made)
            apply_limits(depot.runtime(), instance.name, before[0], after[0])
            apply_devices(depot, instance.name, before[1], after[1], {**before[0], **after[0], **made})
    except AzekuraError as exc:
        return exc.message
    return ""
