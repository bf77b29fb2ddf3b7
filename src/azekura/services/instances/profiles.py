"""Profiles: created, changed, renamed, and what uses them."""

from __future__ import annotations

import re
from dataclasses import replace

from azekura.catalog import Transaction
from azekura.errors import Forbidden, InUse, InvalidRequest, NotFound
from azekura.model.instance import Profile
from azekura.services.depot import Depot
from azekura.services.instances.config_keys import check_config, check_devices, without_empty

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.@-]{0,63}", re.ASCII)


def check_profile_name(name: str) -> str:
    """Raises:
    InvalidRequest: a name that can't be.
    """
    if not name:
        raise InvalidRequest("No name provided")
    if "/" in name:
        raise InvalidRequest("Profile names may not contain slashes")
    if not _NAME.fullmatch(name):
        raise InvalidRequest(f'Invalid profile name "{name[:80]}"')
    return name


def load_profiles(tx: Transaction, names: tuple[str, ...]) -> list[Profile]:
    """The profiles of an instance, in order.

    Raises:
        NotFound: one is unknown, in LXD's words.
    """
    found = []
    for name in names:
        try:
            found.append(tx.profiles.get(name))
        except NotFound:
            raise NotFound("profile", name, message=f'Requested profile "{name}" doesn\'t exist') from None
    return found


def checked_profile(profile: Profile) -> Profile:
    """The profile less what was set to nothing.

    Raises:
        InvalidRequest: a key, value or device that can't be.
    """
    config = {key: value for key, value in profile.config.items() if value}
    checked = replace(profile, config=config, devices=without_empty(profile.devices))
    check_config(checked.config, "")
    check_devices(checked.devices, "")
    return checked


def create_profile(depot: Depot, profile: Profile) -> None:
    """Raises:
    InvalidRequest, AlreadyExists.
    """
    check_profile_name(profile.name)
    profile = checked_profile(profile)
    with depot.catalog.write() as tx:
        tx.profiles.create(profile)
    depot.events.lifecycle("profile-created", f"/1.0/profiles/{profile.name}")


def rename_profile(depot: Depot, name: str, new: str) -> None:
    """Raises:
    Forbidden: the default profile keeps its name.
    InvalidRequest, NotFound, AlreadyExists.
    """
    check_profile_name(new)
    if name == "default":
        raise Forbidden('The "default" profile cannot be renamed')
    with depot.catalog.write() as tx:
        tx.profiles.rename(name, new)
    depot.events.lifecycle("profile-renamed", f"/1.0/profiles/{new}", {"old_name": name})


def delete_profile(depot: Depot, name: str) -> None:
    """Raises:
    Forbidden: the default profile stays.
    InUse: instances have it.
    NotFound.
    """
    if name == "default":
        raise Forbidden('The "default" profile cannot be deleted')
    with depot.catalog.write() as tx:
        tx.profiles.get(name)
        if tx.profiles.used_by(name):
            raise InUse("Profile is currently in use")
        tx.profiles.delete(name)
    depot.events.lifecycle("profile-deleted", f"/1.0/profiles/{name}")


def merge_profile(
    profile: Profile, *, config: dict[str, str], devices: dict[str, dict[str, str]], description: str | None
) -> Profile:
    """The profile after a PATCH: given keys and devices replace, empty values remove."""
    merged = {**profile.config, **config}
    all_devices = {name: dict(device) for name, device in profile.devices.items()}
    all_devices.update(devices)
    return replace(
        profile,
        config=merged,
        devices=all_devices,
        description=profile.description if description is None else description,
    )
