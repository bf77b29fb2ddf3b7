"""Images as records: listed, filtered, shown, changed, deleted and brought back."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from urllib.parse import quote

import pytest
from tests.rest import Rest

NewImage = Callable[[], bytes]


@pytest.fixture
def image(rest: Rest, new_image: NewImage) -> str:
    return rest.add_image(new_image())


def test_lists_are_urls_or_with_recursion_records(rest: Rest, image: str) -> None:
    assert f"/1.0/images/{image}" in rest.get("images").metadata
    records = rest.get("images?recursion=1").metadata
    assert image in [one["fingerprint"] for one in records]
    assert [one["fingerprint"] for one in records] == sorted(one["fingerprint"] for one in records)


@pytest.mark.parametrize("value", ["x", "-1", "1.5", "", "9999", "%C2%B2"])
def test_a_recursion_that_is_no_number_is_refused(rest: Rest, value: str) -> None:
    answer = rest.get(f"images?recursion={value}")
    assert answer.status == 400
    assert "recursion" in answer.error


def test_an_image_is_found_by_the_beginning_of_its_fingerprint(rest: Rest, image: str) -> None:
    assert rest.get(f"images/{image[:16]}").metadata["fingerprint"] == image
    assert rest.get(f"images/resolve?reference={image[:16]}").metadata["fingerprint"] == image


@pytest.mark.parametrize("reference", ["%25", "_", "nosuch", "A" * 64, "f" * 65, "%00", "..%2F..%2Fetc", "%FF", "zz"])
@pytest.mark.parametrize("method", ["GET", "PUT", "PATCH", "DELETE"])
def test_what_is_no_fingerprint_is_not_found(rest: Rest, reference: str, method: str) -> None:
    answer = rest.send(method, f"images/{reference}", {} if method in ("PUT", "PATCH") else None)
    assert answer.status == 404
    assert answer.error


def test_an_ambiguous_beginning_is_refused(fresh: Rest, new_image: NewImage) -> None:
    seen: dict[str, str] = {}
    for _ in range(40):
        fingerprint = fresh.add_image(new_image())
        if fingerprint[0] in seen:
            answer = fresh.get(f"images/{fingerprint[0]}")
            assert answer.status == 400
            assert answer.error == "More than one image matches"
            return
        seen[fingerprint[0]] = fingerprint
    pytest.fail("forty images with as many first digits")


def listed(rest: Rest, clause: str) -> set[str]:
    return {one["fingerprint"] for one in rest.get(f"images?recursion=1&filter={quote(clause)}").metadata}


def test_filters_choose_by_fields_properties_and_aliases(rest: Rest, new_image: NewImage, unique: str) -> None:
    a = rest.add_image(new_image(), X_LXD_properties=f"mark={unique}&os=Debian", X_LXD_aliases=f"alias={unique}/a")
    b = rest.add_image(new_image(), X_LXD_properties=f"mark={unique}&os=alpine&a.b=dotted", X_LXD_public="1")
    mine = f"properties.mark eq {unique}"
    assert listed(rest, mine) == {a, b}
    assert listed(rest, f"{mine} and properties.os eq debian") == {a}
    assert listed(rest, f"{mine} and properties.os ne debian") == {b}
    assert listed(rest, f"{mine} and not properties.os eq debian") == {b}
    assert listed(rest, f"properties.os eq debian and {mine} or fingerprint eq {b}") == {a, b}
    assert listed(rest, f"{mine} and properties.os eq .*e.*an") == {a}
    assert listed(rest, f"{mine} and properties.os eq 'DEBIAN'") == {a}
    assert listed(rest, f"{mine} and public eq true") == {b}
    assert listed(rest, f"{mine} and public eq false") == {a}
    assert listed(rest, f"{mine} and properties.a.b eq dotted") == {b}
    assert listed(rest, f"{mine} and type eq container") == {a, b}
    assert listed(rest, f"{mine} and nosuch eq x") == set()
    assert listed(rest, f"{mine} and nosuch ne x") == {a, b}
    size = rest.get(f"images/{a}").metadata["size"]
    assert a in listed(rest, f"{mine} and size eq {size}")
    assert listed(rest, f"aliases.name eq {unique}/a") == {a}
    urls = rest.get(f"images?filter={quote(mine)}").metadata
    assert set(urls) == {f"/1.0/images/{a}", f"/1.0/images/{b}"}


@pytest.mark.parametrize(
    "clause",
    ["x", "public", "public eq", "public is true", "public eq true and", "public eq true xor a eq b", "a eq 'b", "not"],
)
def test_filters_that_make_no_sense_are_refused(rest: Rest, clause: str) -> None:
    answer = rest.get(f"images?filter={quote(clause)}")
    assert answer.status == 400
    assert answer.error.startswith("Invalid filter")


def test_a_filter_cannot_keep_the_server_busy(rest: Rest, new_image: NewImage, unique: str) -> None:
    import time

    rest.add_image(new_image(), X_LXD_properties=f"mark={unique}&long={'a' * 7000}")
    clause = f"properties.long eq {'.*a' * 1000}.*b"
    started = time.monotonic()
    assert listed(rest, f"properties.mark eq {unique} and {clause}") == set()
    assert time.monotonic() - started < 5


def test_put_replaces_what_can_be_changed(rest: Rest, image: str, unique: str) -> None:
    assert rest.post("profiles", {"name": unique}).status == 201
    before = rest.get(f"images/{image}").metadata
    wanted = {
        "public": True,
        "auto_update": True,
        "properties": {"a": "b", "empty": ""},
        "expires_at": "2031-01-02T03:04:05Z",
        "profiles": [unique],
        "architecture": "s390x",
        "size": 1,
        "fingerprint": "0" * 64,
        "filename": "other",
    }
    assert rest.put(f"images/{image}", wanted).status == 200
    after = rest.get(f"images/{image}").metadata
    assert after["public"]
    assert after["auto_update"]
    assert after["properties"] == {"a": "b"}
    assert after["expires_at"] == "2031-01-02T03:04:05Z"
    assert after["profiles"] == [unique]
    for fixed in ("architecture", "size", "fingerprint", "filename", "created_at", "uploaded_at", "type"):
        assert after[fixed] == before[fixed]


def test_put_of_nothing_wipes_as_in_lxd(rest: Rest, image: str) -> None:
    rest.put(f"images/{image}", {"public": True, "properties": {"a": "b"}, "expires_at": "2031-01-02T03:04:05Z"})
    assert rest.send("PUT", f"images/{image}", raw=b"").status == 200
    after = rest.get(f"images/{image}").metadata
    assert not after["public"]
    assert after["properties"] == {}
    assert after["profiles"] == ["default"]
    assert after["expires_at"] == "2031-01-02T03:04:05Z"


def test_put_understands_the_key_of_lxd_2(rest: Rest, image: str) -> None:
    assert rest.put(f"images/{image}", {"autoupdate": True}).status == 200
    assert rest.get(f"images/{image}").metadata["auto_update"]


def test_put_keeps_an_empty_list_of_profiles(rest: Rest, image: str) -> None:
    assert rest.put(f"images/{image}", {"profiles": []}).status == 200
    assert rest.get(f"images/{image}").metadata["profiles"] == []


def test_put_with_an_unknown_profile_changes_nothing(rest: Rest, image: str) -> None:
    answer = rest.put(f"images/{image}", {"profiles": ["nosuch"], "public": True})
    assert answer.status == 404
    assert answer.error == "Profile 'nosuch' doesn't exist"
    assert not rest.get(f"images/{image}").metadata["public"]


def test_patch_merges(rest: Rest, image: str) -> None:
    assert rest.patch(f"images/{image}", {"properties": {"a": "b"}, "public": True}).status == 200
    assert rest.patch(f"images/{image}", {"properties": {"os": "", "c": "d"}}).status == 200
    after = rest.get(f"images/{image}").metadata
    assert after["properties"] == {"a": "b", "c": "d"}
    assert after["public"]


def test_patch_takes_null_for_absent(rest: Rest, image: str) -> None:
    assert rest.patch(f"images/{image}", {"properties": None, "public": None}).status == 200
    assert rest.get(f"images/{image}").metadata["properties"] == {"os": "tiny"}


@pytest.mark.parametrize("method", ["PUT", "PATCH"])
@pytest.mark.parametrize(
    "body",
    [
        {"properties": []},
        {"properties": {"a": {"b": "c"}}},
        {"properties": "x"},
        {"public": "yes"},
        {"public": 1},
        [],
        "text",
        7,
        None,
    ],
)
def test_fields_of_the_wrong_type_are_refused(rest: Rest, image: str, method: str, body: Any) -> None:
    import json

    answer = rest.send(method, f"images/{image}", raw=json.dumps(body).encode())
    assert answer.status == 400
    assert answer.error.startswith("Invalid image")


@pytest.mark.parametrize(
    "date", ["yesterday", "2031-13-01T00:00:00Z", "0000-01-01T00:00:00Z", "9999-12-31T23:59:59-12:00"]
)
def test_dates_that_are_none_are_refused(rest: Rest, image: str, date: str) -> None:
    assert rest.put(f"images/{image}", {"expires_at": date}).status == 400


@pytest.mark.parametrize("method", ["PUT", "PATCH"])
def test_a_stale_etag_changes_nothing(rest: Rest, image: str, method: str) -> None:
    etag = rest.get(f"images/{image}").etag
    assert etag
    assert rest.patch(f"images/{image}", {"public": True}).status == 200
    answer = rest.send(method, f"images/{image}", {"public": False}, headers={"If-Match": etag})
    assert answer.status == 412
    assert "ETag doesn't match" in answer.error
    assert rest.get(f"images/{image}").metadata["public"]
    fresh_etag = rest.get(f"images/{image}").etag
    assert fresh_etag != etag
    assert rest.send(method, f"images/{image}", {"public": False}, headers={"If-Match": fresh_etag}).status == 200


def test_an_etag_may_come_without_quotes(rest: Rest, image: str) -> None:
    etag = rest.get(f"images/{image}").etag.strip('"')
    assert rest.patch(f"images/{image}", {"public": True}, headers={"If-Match": etag}).status == 200


def test_a_deleted_image_is_gone_and_can_be_brought_back_with_its_aliases(
    rest: Rest, new_image: NewImage, unique: str
) -> None:
    data = new_image()
    image = rest.add_image(data, X_LXD_aliases=f"alias={unique}", X_LXD_properties="k=v")
    before = rest.get(f"images/{image}").metadata
    rest.done(rest.delete(f"images/{image}"))
    assert rest.get(f"images/{image}").status == 404
    assert rest.get(f"images/{image}/export").status == 404
    assert rest.get(f"images/aliases/{unique}").status == 404
    assert rest.delete(f"images/{image}").status == 404
    deleted = {one["fingerprint"]: one for one in rest.get("images?recursion=1&deleted=1").metadata}
    assert deleted[image]["deleted_at"]
    assert rest.post(f"images/{image[:20]}/undelete").metadata["fingerprint"] == image
    assert rest.get(f"images/{image}").metadata == before
    assert rest.get(f"images/{image}/export").body == data
    assert rest.get(f"images/aliases/{unique}").metadata["target"] == image
    assert rest.post(f"images/{image}/undelete").status == 404


def test_an_undeleted_image_leaves_an_alias_that_was_taken_meanwhile(
    rest: Rest, new_image: NewImage, unique: str
) -> None:
    image = rest.add_image(new_image(), X_LXD_aliases=f"alias={unique}&alias={unique}-2")
    rest.done(rest.delete(f"images/{image}"))
    other = rest.add_image(new_image(), X_LXD_aliases=f"alias={unique}")
    assert rest.post(f"images/{image}/undelete").status == 200
    assert rest.get(f"images/aliases/{unique}").metadata["target"] == other
    assert rest.get(f"images/aliases/{unique}-2").metadata["target"] == image


def test_a_deleted_image_can_be_imported_again(rest: Rest, new_image: NewImage) -> None:
    data = new_image()
    image = rest.add_image(data, X_LXD_properties="k=old")
    rest.done(rest.delete(f"images/{image}"))
    assert rest.add_image(data, X_LXD_properties="k=new") == image
    assert rest.get(f"images/{image}").metadata["properties"]["k"] == "new"
    assert rest.get(f"images/{image}/export").body == data


def test_pins_are_set_and_taken_away(rest: Rest, image: str) -> None:
    assert "pinned" not in rest.get(f"images/{image}").metadata
    assert rest.post(f"images/{image}/pin", {}).status == 200
    assert rest.get(f"images/{image}").metadata["pinned"] is True
    assert rest.post(f"images/{image}/pin", {"pinned": False}).status == 200
    assert "pinned" not in rest.get(f"images/{image}").metadata
    assert rest.post(f"images/{image}/pin", {"pinned": "maybe"}).status == 400


def test_an_image_without_instances_is_used_by_nothing(rest: Rest, image: str) -> None:
    assert rest.get(f"images/{image}/used-by").metadata == []
    assert rest.get("images/nosuch/used-by").status == 404


def test_an_image_without_a_source_cannot_be_refreshed(rest: Rest, image: str) -> None:
    assert rest.failed(rest.post(f"images/{image}/refresh")).endswith("Image source not found")


def test_nothing_is_outdated_without_a_source(rest: Rest, image: str) -> None:
    assert image not in [one["fingerprint"] for one in rest.get("images/outdated").metadata]


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"source": None},
        {"source": {}},
        {"source": {"type": "moon"}},
        {"source": []},
        {"source": {"type": "url"}},
        {"source": {"type": "image"}},
        {"source": {"type": "image", "alias": "x"}},
        {"source": {"type": "image", "alias": "x", "server": "https://127.0.0.1:1", "protocol": "smoke"}},
        {"source": {"type": "image", "mode": "push"}},
        {"source": {"type": "instance"}},
        {"source": {"type": "instance", "name": "c1/snap0"}},
        {"source": {"type": "instance", "name": "../etc"}},
        {"source": {"type": "snapshot", "name": "c1"}},
        {"source": {"type": "instance", "name": "c1"}, "compression_algorithm": "xyz"},
        {"source": {"type": "instance", "name": "c1"}, "compression_algorithm": "gzip; rm -rf /"},
        {"source": {"type": "image", "alias": "x", "server": "https://127.0.0.1:1"}, "aliases": [{"name": "/"}]},
        {"source": {"type": "image", "alias": "x", "server": "https://127.0.0.1:1"}, "aliases": ["text"]},
        {"source": {"type": "image", "alias": "x", "server": "https://127.0.0.1:1"}, "expires_at": "soon"},
    ],
)
def test_sources_that_make_no_sense_are_refused(rest: Rest, body: Any) -> None:
    answer = rest.post("images", body)
    assert answer.status == 400, answer.body
    assert answer.error


def test_a_missing_instance_cannot_be_published(rest: Rest) -> None:
    answer = rest.post("images", {"source": {"type": "instance", "name": "nosuch"}})
    assert answer.status == 404


@pytest.mark.parametrize(
    "server", ["https://127.0.0.1:1", "https://", "ftp://x", "file:///etc/passwd", "https://[", ""]
)
def test_a_server_that_cannot_be_reached_is_a_failed_operation_or_refused(rest: Rest, server: str) -> None:
    answer = rest.post("images", {"source": {"type": "image", "alias": "x", "server": server}})
    assert answer.status in (202, 400)
    if answer.status == 202:
        assert rest.failed(answer)
    answer = rest.post("images", {"source": {"type": "url", "url": server}})
    assert answer.status in (202, 400)
    if answer.status == 202:
        assert rest.failed(answer)
