"""Which ids of the host a container's users and groups are: LXD's ``security.idmap.*`` and ``raw.idmap``.

Unprivileged containers share one range unless ``security.idmap.isolated`` gives each its own. ``raw.idmap`` maps
single ids, or spans of them, to the host's: ``both 1000 1000``, ``uid 50-60 500-510``, one in a line.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from azekura.errors import InvalidRequest
from azekura.services.settings import truth
from azekura.storage.port import DirectIds, IdMap, Kind

# The host ids of unprivileged containers: above the ranges that /etc/subuid gives to people, as LXD's default.
ID_BASE = 1_000_000
ID_COUNT = 10_000_001
ISOLATED_COUNT = 65536
BASE_KEY = "volatile.idmap.base"
RUNNING_KEY = "volatile.idmap.running"
_LINE = re.compile(r"(both|uid|gid)\s+(\d{1,10})(?:-(\d{1,10}))?\s+(\d{1,10})(?:-(\d{1,10}))?", re.ASCII)
_KINDS: Mapping[str, tuple[Kind, ...]] = {"both": ("u", "g"), "uid": ("u",), "gid": ("g",)}
_MOST_LINES = 100


def direct_ids(text: str) -> tuple[DirectIds, ...]:
    """What ``raw.idmap`` says: the host's ids first, then the container's.

    Raises:
        InvalidRequest: a line that can't be, in LXD's words.
    """
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    if len(lines) > _MOST_LINES:
        raise InvalidRequest(f"Invalid raw.idmap: more than {_MOST_LINES} lines")
    found: list[DirectIds] = []
    for line in lines:
        match = _LINE.fullmatch(line)
        if match is None:
            raise InvalidRequest(f'Invalid raw.idmap line "{line[:80]}"')
        outside, inside = int(match[2]), int(match[4])
        count = int(match[3] or outside) - outside + 1
        if count < 1 or int(match[5] or inside) - inside + 1 != count:
            raise InvalidRequest(f'The ID map ranges need to be the same size in "{line[:80]}"')
        found += [DirectIds(kind, inside, outside, count) for kind in _KINDS[match[1]]]
    return tuple(found)


def check_map(config: Mapping[str, str]) -> None:
    """Raises:
    InvalidRequest: a map that can't be.
    """
    wanted_map(config, config.get(BASE_KEY, ""))


def is_isolated(config: Mapping[str, str]) -> bool:
    """Whether a container (of expanded ``config``) has ids that no other has."""
    return not truth(config.get("security.privileged", "false")) and truth(
        config.get("security.idmap.isolated", "false")
    )


def wanted_map(config: Mapping[str, str], allotted: str) -> IdMap | None:
    """The map of the next start; None for a privileged container. ``allotted`` is where an isolated one's range is,
    unless it says so itself.

    Raises:
        InvalidRequest: a map that can't be.
    """
    if truth(config.get("security.privileged", "false")):
        return None
    base, count = ID_BASE, ID_COUNT
    if is_isolated(config):
        base, count = ID_BASE + ISOLATED_COUNT, isolated_count(config)
        if config.get("security.idmap.base"):
            base = int(config["security.idmap.base"])
        elif allotted and allotted != "0":
            base = int(allotted)
    return IdMap(base, count, direct_ids(config.get("raw.idmap", "")))


def isolated_count(config: Mapping[str, str]) -> int:
    """How many ids an isolated container has."""
    return int(config.get("security.idmap.size") or ISOLATED_COUNT)


def free_base(count: int, taken: Iterable[tuple[int, int]]) -> int:
    """Where ``count`` ids are free, besides those (from, how many) that are ``taken``.

    Raises:
        InvalidRequest: nowhere, in LXD's words.
    """
    start = ID_BASE + ISOLATED_COUNT
    for base, size in sorted(taken):
        if base >= start + count:
            break
        start = max(start, base + size)
    if start + count > ID_BASE + ID_COUNT:
        raise InvalidRequest("Not enough uid/gid available for the container")
    return start


def current_map(config: Mapping[str, str], *, running: bool) -> IdMap | None:
    """The map that the root file system is, or would be, mounted with: while it runs, that of its start.

    Raises:
        InvalidRequest: a map that can't be.
    """
    if running:
        kept = config.get(RUNNING_KEY, "")
        if kept:
            return _parse(kept)
        return None if truth(config.get("security.privileged", "false")) else IdMap(ID_BASE, ID_COUNT)
    return wanted_map(config, config.get(BASE_KEY, ""))


def running_text(idmap: IdMap | None) -> str | None:
    """What :func:`current_map` needs to know of a running container; None where its configuration's default says it."""
    if idmap == IdMap(ID_BASE, ID_COUNT):
        return None
    if idmap is None:
        return "privileged"
    direct = [f"{one.kind} {one.inside} {one.outside} {one.count}" for one in idmap.direct]
    return ";".join([f"{idmap.base} {idmap.count}", *direct])


def _parse(text: str) -> IdMap | None:
    if text == "privileged":
        return None
    try:
        first, *others = text.split(";")
        base, count = (int(number) for number in first.split())
        direct = []
        for other in others:
            kind, inside, outside, size = other.split()
            direct.append(DirectIds("u" if kind == "u" else "g", int(inside), int(outside), int(size)))
    except ValueError as exc:
        raise InvalidRequest(f"{RUNNING_KEY} can't be read; restart the container") from exc
    return IdMap(base, count, tuple(direct))
