"""LXD's JSON: dates, ETags, envelopes, images and aliases, as LXD's clients read them."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest

from azekura.errors import InvalidRequest
from azekura.model.fingerprint import Fingerprint
from azekura.model.image import EPOCH, NEVER, Alias, Image, ImageFile, ImageType, SplitFiles
from azekura.model.instance import Instance, InstanceStatus, Profile, expand_config, expand_devices
from azekura.model.operation import Operation, OperationClass, OperationStatus
from azekura.model.source import ImageSource, Origin, Protocol
from azekura.wire.envelope import async_body, error_body, sync_body
from azekura.wire.etag import etag_matches, etag_of, go_json
from azekura.wire.fields import Body, string_map
from azekura.wire.images import alias_to_json, image_etag, image_put_from_json, image_to_json
from azekura.wire.instances import instance_to_json
from azekura.wire.operations import operation_to_json
from azekura.wire.times import format_time, parse_time

NOW = datetime(2026, 11, 24, 4, 46, 5, 120_000, UTC)
IMAGE = Image(
    fingerprint=Fingerprint("ab" * 32),
    type=ImageType.CONTAINER,
    architecture="x86_64",
    files=SplitFiles(ImageFile("c" * 64, 100, ".tar.xz"), ImageFile("d" * 64, 1000, ".squashfs")),
    created_at=EPOCH,
    uploaded_at=NOW,
    origin=Origin.ADMIN,
    properties={"b": "2", "a": "<1>"},
    aliases=(Alias("debian/12", Fingerprint("ab" * 32), "Debian"),),
    source=ImageSource("https://x", Protocol.SIMPLESTREAMS, "debian/12"),
)


# -- dates


@pytest.mark.parametrize(
    ("moment", "text"),
    [
        (NEVER, "0001-01-01T00:00:00Z"),
        (EPOCH, "1970-01-01T00:00:00Z"),
        (NOW, "2026-11-24T04:46:05.12Z"),
        (NOW.replace(microsecond=1), "2026-11-24T04:46:05.000001Z"),
        (NOW.replace(microsecond=0, tzinfo=timezone(timedelta(hours=2))), "2026-11-24T02:46:05Z"),
    ],
)
def test_dates_are_written_as_go_writes_them(moment: datetime, text: str) -> None:
    assert format_time(moment) == text
    assert parse_time(text) == moment


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("", NEVER),
        ("2026-11-24t04:46:05z", NOW.replace(microsecond=0)),
        ("2026-11-24T04:46:05.123456789Z", NOW.replace(microsecond=123456)),
        ("2026-11-24T06:46:05.12+02:00", NOW),
        ("2026-11-23T22:46:05.12-06:00", NOW),
    ],
)
def test_dates_are_read_in_every_form_of_rfc_3339(text: str, moment: datetime) -> None:
    assert parse_time(text) == moment


@pytest.mark.parametrize(
    "text",
    [
        "now",
        "2026-11-24",
        "2026-11-24 04:46:05Z",
        "2026-11-24T04:46:05",
        "2026-02-30T00:00:00Z",
        "0001-01-01T00:00:00+01:00",
        "9999-12-31T23:59:59-01:00",
        "２026-11-24T04:46:05Z",
        "2026-11-24T04:46:05Z\n",
        "2026-11-24T04:46:60Z",
        "2026-11-24T04:46:05+24:00",
    ],
)
def test_what_is_no_date_is_refused(text: str) -> None:
    with pytest.raises(InvalidRequest, match="Invalid date"):
        parse_time(text)


# -- ETags


def test_etags_are_over_gos_json() -> None:
    assert go_json([True, {"b": "<>&", "a": "é\u2028"}]) == '[true,{"a":"é\\u2028","b":"\\u003c\\u003e\\u0026"}]\n'


def test_an_etag_is_compared_with_and_without_quotes() -> None:
    etag = etag_of(["x"])
    assert etag_matches(etag, etag)
    assert etag_matches(f' "{etag}" ', etag)
    assert not etag_matches(etag[:-1], etag)
    assert not etag_matches("*", etag)
    assert not etag_matches("", etag)


def test_an_images_etag_is_over_what_a_put_changes() -> None:
    assert image_etag(IMAGE) == image_etag(replace(IMAGE, last_used_at=NOW, aliases=(), cached=True))
    for changed in (replace(IMAGE, public=True), replace(IMAGE, auto_update=True), replace(IMAGE, properties={})):
        assert image_etag(IMAGE) != image_etag(changed)


# -- envelopes


def test_envelopes_are_lxds() -> None:
    assert json.loads(sync_body(None))["metadata"] == {}
    assert json.loads(sync_body([]))["metadata"] == []
    assert json.loads(error_body(404, ""))["error"] == "not found"
    assert json.loads(error_body(418, ""))["error"]
    assert json.loads(error_body(400, "broken \ud800 text"))["error"] == "broken ? text"


def test_an_operation_is_lxds() -> None:
    operation = Operation("id", OperationClass.TASK, "Working", OperationStatus.RUNNING, NOW, NOW)
    view = operation_to_json(operation)
    assert view["status"] == "Running"
    assert view["status_code"] == 103
    assert view["resources"] is None
    assert view["metadata"] is None
    assert json.loads(async_body(operation))["operation"] == "/1.0/operations/id"


# -- images


def test_an_image_is_lxds() -> None:
    view = image_to_json(IMAGE)
    assert view["size"] == 1100
    assert view["aliases"] == [{"name": "debian/12", "description": "Debian"}]
    assert list(view["properties"]) == ["a", "b"]
    assert view["last_used_at"] == "0001-01-01T00:00:00Z"
    assert view["update_source"] == {
        "alias": "debian/12",
        "certificate": "",
        "protocol": "simplestreams",
        "server": "https://x",
        "image_type": "container",
    }
    assert "origin" not in json.dumps(view)
    assert alias_to_json(IMAGE.aliases[0])["target"] == "ab" * 32


def test_a_put_is_read_as_lxd_reads_it() -> None:
    put = image_put_from_json({"properties": {"a": "1", "b": "", "n": 7, "t": True, "x": None}, "public": None})
    assert put.properties == {"a": "1", "n": "7", "t": "true"}
    assert not put.public
    assert put.expires_at is None
    assert put.profiles is None
    assert image_put_from_json({"profiles": []}).profiles == ()
    assert image_put_from_json({"autoupdate": True}).auto_update
    assert image_put_from_json({"expires_at": "0001-01-01T00:00:00Z"}).expires_at is None


# -- bodies


@pytest.mark.parametrize("raw", [None, [], "x", 7, True])
def test_a_body_is_an_object(raw: Any) -> None:
    with pytest.raises(InvalidRequest, match="expected a JSON object"):
        Body(raw)


@pytest.mark.parametrize(
    ("method", "value"),
    [
        ("text", 7),
        ("text", []),
        ("flag", "true"),
        ("flag", 1),
        ("number", "7"),
        ("number", True),
        ("number", 1.0),
        ("body", []),
        ("bodies", {}),
        ("bodies", ["x"]),
        ("texts", "x"),
        ("texts", [1]),
        ("mapping", []),
        ("mapping", {"a": []}),
        ("devices", {"a": "x"}),
    ],
)
def test_a_field_of_another_type_is_refused_by_name(method: str, value: Any) -> None:
    with pytest.raises(InvalidRequest, match="field"):
        getattr(Body({"field": value}, "request, field"), method)("field")


def test_absent_and_null_are_the_same() -> None:
    for body in (Body({}), Body({"field": None})):
        assert not body.has("field")
        assert body.text("field", "d") == "d"
        assert body.flag("field", True) is True
        assert body.number("field", 5) == 5
        assert body.body("field").raw == {}
        assert body.bodies("field") == []
        assert body.texts("field") == ()
        assert body.mapping("field") == {}
        assert body.devices("field") == {}


def test_scalars_of_a_map_become_lxds_spelling_of_them() -> None:
    assert string_map({"a": True, "b": False, "c": None, "d": 7, "e": 1.5, "f": "x"}, "map") == {
        "a": "true", "b": "false", "c": "", "d": "7", "e": "1.5", "f": "x",
    }  # fmt: skip


# -- instances


def test_an_instance_shows_what_its_profiles_add() -> None:
    first = Profile("a", config={"x": "1", "y": "1"}, devices={"root": {"type": "disk", "pool": "one"}})
    second = Profile("b", config={"y": "2", "z": "2"}, devices={"root": {"type": "disk"}, "eth0": {"type": "nic"}})
    instance = Instance("c1", "x86_64", "default", NOW, {"z": "3"}, {"eth0": {"type": "none"}}, ("a", "b"))
    view = instance_to_json(instance, [first, second], InstanceStatus.RUNNING)
    assert view["config"] == {"z": "3"}
    assert view["expanded_config"] == {"x": "1", "y": "2", "z": "3"}
    assert view["expanded_devices"] == {"eth0": {"type": "none"}, "root": {"type": "disk"}}
    assert view["status_code"] == 103
    assert expand_config([], {}) == {}
    assert expand_devices([first], {})["root"]["pool"] == "one"
