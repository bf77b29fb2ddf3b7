from __future__ import annotations

import pytest

from azekura.errors import Forbidden, InvalidRequest
from azekura.services.instances.config_keys import check_config
from azekura.services.instances.id_maps import (
    ID_BASE,
    ID_COUNT,
    current_map,
    direct_ids,
    free_base,
    running_text,
    wanted_map,
)
from azekura.services.instances.restrictions import check_restricted
from azekura.storage.port import DirectIds, IdMap


def test_ids_of_the_host_are_named_first_and_ids_inside_after() -> None:
    assert direct_ids("both 1000 0\nuid 50-60 500-510\n") == (
        DirectIds("u", 0, 1000),
        DirectIds("g", 0, 1000),
        DirectIds("u", 500, 50, 11),
    )


@pytest.mark.parametrize(
    "text",
    [
        "both 1000",
        "all 1 1",
        "uid 1-2 1",
        "uid 2-1 2-1",
        "uid 1 1; rm",
        "uid 0 0",
        f"uid {ID_BASE + 1} 1000",
        "both 1000 1\nboth 1000 2",
        "both 1000 1\nboth 1001 1",
        "uid 4294967295 1",
        "\n".join(["uid 5 5"] * 101),
    ],
)
def test_a_map_that_cannot_be_is_refused_when_it_is_set(text: str) -> None:
    with pytest.raises(InvalidRequest):
        check_config({"raw.idmap": text})


def test_a_map_leaves_every_id_in_one_place() -> None:
    idmap = IdMap(ID_BASE, 65536, direct_ids("both 1000 1000"))
    assert idmap.lines("u") == (
        (0, ID_BASE, 1000),
        (1001, ID_BASE + 1001, 64535),
        (1000, 1000, 1),
    )
    assert (idmap.outer("u", 999), idmap.outer("g", 1000)) == (ID_BASE + 999, 1000)
    with pytest.raises(InvalidRequest):
        idmap.outer("u", 65536)


def test_isolated_ranges_are_where_others_are_not() -> None:
    start = ID_BASE + 65536
    assert free_base(65536, []) == start
    assert free_base(65536, [(start, 65536)]) == start + 65536
    assert free_base(65536, [(start + 65536, 65536)]) == start
    assert free_base(100000, [(start + 65536, 65536)]) == start + 131072
    with pytest.raises(InvalidRequest, match="Not enough uid/gid available"):
        free_base(ID_COUNT, [])


@pytest.mark.parametrize(
    "config",
    [
        {},
        {"security.privileged": "true"},
        {"security.idmap.isolated": "true", "security.idmap.base": "2000000", "raw.idmap": "both 1000 1000"},
    ],
)
def test_what_a_container_runs_with_is_known_whatever_is_set_meanwhile(config: dict[str, str]) -> None:
    idmap = wanted_map(config, "")
    text = running_text(idmap)
    later = {"raw.idmap": "both 5 5", **({"volatile.idmap.running": text} if text else {})}
    assert current_map(later, running=True) == idmap


@pytest.mark.parametrize("key", ["raw.idmap", "security.idmap.base", "volatile.idmap.base"])
def test_a_restricted_client_may_not_choose_ids_of_the_host(key: str) -> None:
    with pytest.raises(Forbidden):
        check_restricted({key: "both 1000 1000"}, {})
