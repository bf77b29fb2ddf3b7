"""Settings, profiles, pools, projects, resources: what stands beside the images."""

from __future__ import annotations

from typing import Any

import pytest
from tests.rest import Rest


def test_the_server_describes_itself(rest: Rest) -> None:
    answer = rest.get("/1.0")
    view = answer.metadata
    assert view["api_version"] == "1.0"
    assert view["auth"] == "trusted"
    assert answer.etag
    assert "x86_64" in view["environment"]["architectures"] or view["environment"]["architectures"]
    assert view["environment"]["server_version"]
    assert view["environment"]["certificate_fingerprint"]
    assert "image_create_aliases" in view["api_extensions"]


def test_resources_are_listed(rest: Rest) -> None:
    view = rest.get("resources").metadata
    assert view["memory"]["total"] > 0
    assert view["cpu"]["total"] >= 1


# -- settings


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("images.compression_algorithm", "xyz"),
        ("images.compression_algorithm", "gzip; id"),
        ("images.compression_algorithm", "zstd --help"),
        ("images.remote_cache_expiry", "soon"),
        ("images.remote_cache_expiry", "1e3"),
        ("images.remote_cache_expiry", "100000000000000000000"),
        ("images.remote_cache_expiry", "9999999"),
        ("images.undelete_hours", "99999999999"),
        ("images.auto_update_interval", "1.5"),
        ("images.auto_update_interval", "99999999999999"),
        ("images.auto_update_cached", "maybe"),
        ("images.default_architecture", "vax"),
        ("images.size_limit", "-1"),
        ("images.size_limit", "10GB"),
        ("core.https_address", "a:b:c"),
        ("core.https_address", "127.0.0.1:99999"),
        ("core.https_address", "[::1"),
        ("storage.mount_squashfs", "sometimes"),
        ("nosuch.key", "x"),
        ("core", "x"),
        ("", "x"),
    ],
)
def test_settings_that_cannot_be_are_refused_and_change_nothing(rest: Rest, key: str, value: str) -> None:
    before = rest.get("/1.0").metadata["config"]
    for method in ("PUT", "PATCH"):
        answer = rest.send(method, "/1.0", {"config": {"user.other": "1", key: value}})
        assert answer.status == 400
        assert answer.error.startswith(f"cannot set '{key}' to '{value}'")
    assert rest.get("/1.0").metadata["config"] == before


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("images.compression_algorithm", "zstd -19"),
        ("images.remote_cache_expiry", "0"),
        ("images.remote_cache_expiry", "-1"),
        ("images.auto_update_interval", "24"),
        ("images.auto_update_cached", "off"),
        ("images.default_architecture", "amd64"),
        ("images.undelete_hours", "1"),
        ("images.size_limit", "1000000000"),
        ("user.anything", "x" * 1000),
        ("core.server_name", "here"),
    ],
)
def test_settings_are_set_shown_and_unset(rest: Rest, key: str, value: str) -> None:
    assert rest.patch("/1.0", {"config": {key: value}}).status == 200
    assert rest.get("/1.0").metadata["config"][key] == value
    assert rest.patch("/1.0", {"config": {key: ""}}).status == 200
    assert key not in rest.get("/1.0").metadata["config"]


def test_numbers_and_booleans_in_json_are_taken_for_their_text(rest: Rest) -> None:
    assert (
        rest.patch("/1.0", {"config": {"images.remote_cache_expiry": 5, "images.auto_update_cached": False}}).status
        == 200
    )
    config = rest.get("/1.0").metadata["config"]
    assert config["images.remote_cache_expiry"] == "5"
    assert config["images.auto_update_cached"] == "false"
    rest.patch("/1.0", {"config": {"images.remote_cache_expiry": "", "images.auto_update_cached": None}})


def test_a_stale_etag_changes_no_setting(rest: Rest) -> None:
    etag = rest.get("/1.0").etag
    assert rest.patch("/1.0", {"config": {"user.a": "1"}}, headers={"If-Match": etag}).status == 200
    answer = rest.patch("/1.0", {"config": {"user.a": "2"}}, headers={"If-Match": etag})
    assert answer.status == 412
    assert rest.get("/1.0").metadata["config"]["user.a"] == "1"
    rest.patch("/1.0", {"config": {"user.a": ""}})


def test_an_address_that_cannot_be_listened_on_changes_no_setting(rest: Rest) -> None:
    before = rest.get("/1.0").metadata["config"]
    answer = rest.patch("/1.0", {"config": {"core.https_address": "203.0.113.7:8443", "user.b": "1"}})
    assert answer.status == 400
    assert "Can't listen on" in answer.error
    assert rest.get("/1.0").metadata["config"] == before


# -- profiles


def test_a_profile_lives(rest: Rest, unique: str) -> None:
    body = {
        "name": unique,
        "description": "d",
        "config": {"limits.memory": "512MiB", "user.x": "1"},
        "devices": {"data": {"type": "disk", "path": "/data", "source": "/srv"}},
    }
    made = rest.post("profiles", body)
    assert made.status == 201
    assert made.headers["Location"] == f"/1.0/profiles/{unique}"
    shown = rest.get(f"profiles/{unique}")
    assert shown.metadata == {**body, "used_by": []}
    assert f"/1.0/profiles/{unique}" in rest.get("profiles").metadata
    assert shown.metadata in rest.get("profiles?recursion=1").metadata
    assert rest.post("profiles", body).status == 409
    assert rest.patch(f"profiles/{unique}", {"config": {"user.x": "", "user.y": "2"}}).status == 200
    after = rest.get(f"profiles/{unique}").metadata
    assert after["config"] == {"limits.memory": "512MiB", "user.y": "2"}
    assert after["description"] == "d"
    stale = rest.put(f"profiles/{unique}", {"config": {}}, headers={"If-Match": shown.etag})
    assert stale.status == 412
    assert rest.put(f"profiles/{unique}", {"description": "new"}).status == 200
    assert rest.get(f"profiles/{unique}").metadata["config"] == {}
    renamed = rest.post(f"profiles/{unique}", {"name": f"{unique}-b"})
    assert renamed.status == 201
    assert rest.get(renamed.headers["Location"]).metadata["name"] == f"{unique}-b"
    assert rest.get(f"profiles/{unique}").status == 404
    assert rest.delete(f"profiles/{unique}-b").status == 200
    assert rest.delete(f"profiles/{unique}-b").status == 404


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"name": ""},
        {"name": "a/b"},
        {"name": ".."},
        {"name": "x" * 100},
        {"name": "p", "config": {"nosuch": "1"}},
        {"name": "p", "config": {"limits.memory": "lots"}},
        {"name": "p", "config": {"limits.memory": "9%%"}},
        {"name": "p", "config": {"limits.memory": "1" * 5000}},
        {"name": "p", "config": {"limits.cpu": "0"}},
        {"name": "p", "config": {"limits.cpu": "²"}},
        {"name": "p", "config": {"limits.processes": "9" * 5000}},
        {"name": "p", "config": {"boot.autostart.priority": "high"}},
        {"name": "p", "config": {"environment.A B": "1"}},
        {"name": "p", "config": {"environment.A": "1\n2"}},
        {"name": "p", "config": {"user.x": "\u0000"}},
        {"name": "p", "config": []},
        {"name": "p", "config": {"user.x": {}}},
        {"name": "p", "devices": {"x": {}}},
        {"name": "p", "devices": {"x": "disk"}},
        {"name": "p", "devices": {"x": {"type": "moon"}}},
        {"name": "p", "devices": {"x": {"type": "disk"}}},
        {"name": "p", "devices": {"x": {"type": "disk", "path": "/a", "source": "b"}}},
        {"name": "p", "devices": {"root": {"type": "disk", "path": "/", "source": "/x"}}},
        {"name": "p", "devices": {"x": {"type": "nic"}}},
        {"name": "p", "devices": []},
    ],
)
def test_profiles_that_cannot_be_are_refused(rest: Rest, body: Any) -> None:
    answer = rest.post("profiles", body)
    assert answer.status == 400
    assert answer.error
    assert rest.get("profiles/p").status == 404


def test_the_default_profile_stays(rest: Rest) -> None:
    assert rest.delete("profiles/default").status == 403
    assert rest.post("profiles/default", {"name": "other"}).status == 403


# -- pools


def test_a_pool_lives(rest: Rest, unique: str) -> None:
    made = rest.post("storage-pools", {"name": unique, "driver": "dir", "description": "d"})
    assert made.status == 201
    assert made.headers["Location"] == f"/1.0/storage-pools/{unique}"
    try:
        shown = rest.get(f"storage-pools/{unique}")
        assert shown.metadata["driver"] == "dir"
        assert shown.metadata["used_by"] == []
        assert f"/1.0/storage-pools/{unique}" in rest.get("storage-pools").metadata
        assert unique in [one["name"] for one in rest.get("storage-pools?recursion=1").metadata]
        space = rest.get(f"storage-pools/{unique}/resources").metadata
        assert 0 < space["space"]["used"] <= space["space"]["total"]
        assert rest.get(f"storage-pools/{unique}/volumes").metadata == []
        assert rest.get(f"storage-pools/{unique}/volumes/container/x").status == 404
        assert rest.post("storage-pools", {"name": unique, "driver": "dir"}).status == 409
        assert rest.patch(f"storage-pools/{unique}", {"description": "new"}).status == 200
        assert rest.get(f"storage-pools/{unique}").metadata["description"] == "new"
        assert rest.put(f"storage-pools/{unique}", {}, headers={"If-Match": "x"}).status == 412
        profile = {"name": unique, "devices": {"root": {"type": "disk", "path": "/", "pool": unique}}}
        assert rest.post("profiles", profile).status == 201
        assert rest.get(f"storage-pools/{unique}").metadata["used_by"] == [f"/1.0/profiles/{unique}"]
        in_use = rest.delete(f"storage-pools/{unique}")
        assert in_use.status == 409
        assert in_use.error == "The storage pool is currently in use"
        assert rest.delete(f"profiles/{unique}").status == 200
    finally:
        assert rest.delete(f"storage-pools/{unique}").status == 200
    assert rest.get(f"storage-pools/{unique}").status == 404


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"name": "p"},
        {"name": "p", "driver": "zfs"},
        {"name": "../p", "driver": "dir"},
        {"name": ".", "driver": "dir"},
        {"name": "p/q", "driver": "dir"},
        {"name": "p" * 200, "driver": "dir"},
        {"name": "p", "driver": "btrfs", "config": {"size": "big"}},
        {"name": "p", "driver": "dir", "config": []},
    ],
)
def test_pools_that_cannot_be_are_refused(rest: Rest, body: Any) -> None:
    answer = rest.post("storage-pools", body)
    assert answer.status == 400
    assert answer.error
    assert rest.get("storage-pools/p").status == 404


# -- what there is only one of, or none


def test_there_is_one_project(rest: Rest) -> None:
    assert rest.get("projects").metadata == ["/1.0/projects/default"]
    assert rest.get("projects?recursion=1").metadata[0]["name"] == "default"
    assert rest.get("projects/default").etag
    assert rest.get("projects/other").status == 404
    for method, path in (("POST", "projects"), ("PUT", "projects/default"), ("DELETE", "projects/default")):
        answer = rest.send(method, path, {"name": "other"})
        assert answer.status == 501
        assert 'one project, "default"' in answer.error


@pytest.mark.parametrize("path", ["images", "instances", "profiles", "operations", "images/aliases"])
def test_another_project_is_not_found(rest: Rest, path: str) -> None:
    assert rest.get(f"{path}?project=default").status == 200
    assert rest.get(f"{path}?project=").status == 200
    answer = rest.get(f"{path}?project=other")
    assert answer.status == 404
    assert answer.error == "Project not found"


def test_there_are_no_networks_or_warnings(rest: Rest) -> None:
    assert rest.get("networks?recursion=1").metadata == []
    assert rest.get("networks/lxdbr0").status == 404
    assert rest.get("warnings").metadata == []


@pytest.mark.parametrize("path", ["/1.0", "certificates", "projects", "resources"])
def test_what_belongs_to_no_project_is_shown_whatever_project_is_asked_for(rest: Rest, path: str) -> None:
    assert rest.get(f"{path}?project=other").status == 200


def test_the_server_repeats_the_project_it_was_asked_for(rest: Rest) -> None:
    assert rest.get("/1.0?project=other").metadata["environment"]["project"] == "other"
    assert rest.get("/1.0").metadata["environment"]["project"] == "default"
