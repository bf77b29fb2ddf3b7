"""Whatever strangers write, only our own errors come of it (promise 4, 6): properties, by hypothesis."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from azekura.daemon.call import clean_text
from azekura.daemon.filters import _matches, apply_filter
from azekura.errors import AzekuraError, InvalidRequest
from azekura.formats.compression import parse_algorithm
from azekura.formats.metadata_yaml import dump_metadata, parse_metadata
from azekura.model.architecture import canonical
from azekura.model.fingerprint import Fingerprint, is_prefix
from azekura.model.reference import Reference, check_alias_name, check_instance_name
from azekura.services.images.push import push_request
from azekura.services.instances.config_keys import KEYS, check_config, check_devices, runtime_limits
from azekura.services.instances.network_cards import runtime_nics
from azekura.services.instances.requests import instance_request
from azekura.services.settings import SETTINGS, parse_address
from azekura.services.sizes import parse_size
from azekura.wire.envelope import error_body, sync_body
from azekura.wire.etag import etag_matches, etag_of
from azekura.wire.fields import Body, string_map
from azekura.wire.images import image_put_from_json
from azekura.wire.times import format_time, parse_time


@contextmanager
def only_ours(more: type[Exception] = AzekuraError) -> Iterator[None]:
    """Inside, errors of ours (and of type ``more``) may be raised, with words; any other fails."""
    try:
        yield
    except (AzekuraError, more) as exc:
        if not str(exc):
            raise AssertionError("an error without a word") from exc


ANY_TEXT = st.text(st.characters(), max_size=60)  # lone surrogates and controls too
WORDS = st.sampled_from(
    "name source type image none copy alias fingerprint properties config devices profiles expires_at public "
    "auto_update migration server protocol ephemeral description target secret container disk path / pool".split()
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | ANY_TEXT | WORDS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(ANY_TEXT | WORDS, inner, max_size=5),
    max_leaves=20,
)
IMAGES: list[dict[str, Any]] = [
    {
        "fingerprint": "ab" * 32,
        "public": True,
        "size": 12,
        "properties": {"os": "Debian", "a.b": "c"},
        "aliases": [{"name": "x/y"}],
    },
    {"fingerprint": "cd" * 32, "public": False, "size": 7, "properties": {}, "aliases": [], "profiles": ["default"]},
]


@given(JSON)
def test_bodies_raise_only_our_errors(raw: Any) -> None:
    for read in (image_put_from_json, instance_request, push_request):
        with only_ours():
            read(raw)
    if not isinstance(raw, dict):
        with pytest.raises(InvalidRequest):
            Body(raw)
        return
    body = Body(raw)
    for key in raw:
        methods = (body.text, body.flag, body.number, body.body, body.bodies, body.texts, body.mapping, body.devices)
        for read_field in methods:
            with only_ours():
                read_field(key)


@given(JSON)
def test_maps_hold_texts_only_or_are_refused(raw: Any) -> None:
    try:
        found = string_map(raw, "map")
    except InvalidRequest:
        return
    assert {type(text) for pair in found.items() for text in pair} <= {str}


@given(JSON)
def test_any_value_makes_an_envelope_and_an_etag(raw: Any) -> None:
    assert sync_body(raw).endswith(b"\n")
    assert re.fullmatch("[0-9a-f]{64}", etag_of([raw]))
    assert etag_matches(f'"{etag_of([raw])}"', etag_of([raw]))


@given(ANY_TEXT)
def test_any_text_makes_an_error(text: str) -> None:
    error_body(400, text).decode("utf-8")


@given(st.binary(max_size=80))
def test_any_header_becomes_storable_text(raw: bytes) -> None:
    clean_text(raw.decode("utf-8", "surrogateescape")).encode("utf-8")


# -- the filter language

FILTER_WORDS = st.sampled_from(
    "and|or|not|eq|ne|public|properties.os|aliases.name|size|true|'|\"|\\|.*|7|a b|'a b'".split("|")
)


@given(st.lists(FILTER_WORDS | ANY_TEXT, max_size=12).map(" ".join))
def test_filters_choose_or_are_refused(text: str) -> None:
    with only_ours():
        assert all(one in IMAGES for one in apply_filter(text, IMAGES))


@given(st.text("ab", max_size=12), st.lists(st.text("ab", max_size=3), min_size=1, max_size=5))
def test_wildcards_match_as_the_regular_expression_does(text: str, parts: list[str]) -> None:
    expected = re.fullmatch(".*".join(parts), text) is not None
    assert _matches(parts, text) is expected


@given(st.integers(0, 3), st.integers(0, 3))
def test_a_clause_and_its_negation_part_all_records(number: int, other: int) -> None:
    clause = ["public eq true", "size eq 7", "properties.os eq debian", "aliases.name eq x/y"][number]
    chosen = apply_filter(clause, IMAGES)
    rest = apply_filter(f"not {clause}", IMAGES)
    assert len(chosen) + len(rest) == len(IMAGES)
    second = ["public eq false", "size ne 7", "properties.os ne debian", "fingerprint eq ab.*"][other]
    both = apply_filter(f"{clause} and {second}", IMAGES)
    either = apply_filter(f"{clause} or {second}", IMAGES)
    alone = apply_filter(second, IMAGES)
    assert [one for one in IMAGES if one in chosen and one in alone] == both
    assert [one for one in IMAGES if one in chosen or one in alone] == either


# -- names


@given(ANY_TEXT | st.text("0123456789abcdefABCDEFg", max_size=66))
def test_a_fingerprint_is_hex_or_refused(text: str) -> None:
    if re.fullmatch("[0-9a-f]{64}", text):
        assert Fingerprint.parse(text).value == text
    else:
        with pytest.raises(InvalidRequest):
            Fingerprint.parse(text)
    assert is_prefix(text) == bool(re.fullmatch("[0-9a-f]{1,64}", text))


@given(ANY_TEXT | st.text("ab/.: ", max_size=300))
def test_alias_names_can_be_sent_stored_and_split(text: str) -> None:
    with only_ours():
        name = check_alias_name(text)
        name.encode("utf-8")
        assert "\0" not in name
        assert "\n" not in name
        assert len(name) <= 256
        assert not {"", ".", ".."} & set(name.split("/"))


@given(ANY_TEXT | st.text("aZ09-_/.", max_size=70))
def test_instance_names_are_labels(text: str) -> None:
    try:
        name = check_instance_name(text)
    except InvalidRequest:
        return
    assert re.fullmatch("[A-Za-z][A-Za-z0-9-]{0,62}", name)
    assert not name.endswith("-")


@given(ANY_TEXT)
def test_other_words_are_read_or_refused(text: str) -> None:
    Reference.parse(text)
    for read in (canonical, parse_algorithm, parse_address, parse_size):
        with only_ours(ValueError):
            read(text)


# -- dates


@given(ANY_TEXT | st.from_regex(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?(Z|[+-]\d\d:\d\d)", fullmatch=True))
def test_dates_are_read_or_refused(text: str) -> None:
    with only_ours():
        moment = parse_time(text)
        assert moment.tzinfo is not None
        assert parse_time(format_time(moment)) == moment


# -- settings


VALUES = ANY_TEXT | st.sampled_from(
    ["1", "-1", "0", "50%", "0%", "101%", "10ms/100ms", "512MiB", "0-3", "true", "9" * 30]
)


@pytest.mark.parametrize("key", KEYS)
@settings(max_examples=30)
@given(value=VALUES)
def test_what_a_setting_of_instances_accepts_can_be_used(key: str, value: str) -> None:
    try:
        check_config({key: value})
    except InvalidRequest:
        return
    runtime_limits({key: value})


DEVICES = st.dictionaries(ANY_TEXT, st.dictionaries(WORDS | ANY_TEXT, WORDS | ANY_TEXT, max_size=4), max_size=3)


@given(st.dictionaries(ANY_TEXT, ANY_TEXT, max_size=4), DEVICES)
def test_any_configuration_is_accepted_or_refused(config: dict[str, str], devices: dict[str, dict[str, str]]) -> None:
    with only_ours():
        check_config(config)
    with only_ours():
        check_devices(devices)
        runtime_nics(devices, config)


@pytest.mark.parametrize("key", SETTINGS)
@settings(max_examples=30)
@given(value=VALUES)
def test_server_settings_are_refused_by_our_errors_alone(key: str, value: str) -> None:
    with only_ours(ValueError):
        SETTINGS[key].check(value)


# -- metadata.yaml

YAML_LINES = (
    "architecture: x86_64\n|creation_date: 1\n|properties:\n|  os: x\n|templates:\n|  /etc/x:\n|    template: a\n|"
    "    when: [create]\n|&a |*a|<<: *a\n|!!python/object |{|}|[|]|- |: |\n|>\n|%TAG|---\n"
).split("|")
YAML_WORDS = st.sampled_from(YAML_LINES)


@given(st.lists(YAML_WORDS | ANY_TEXT, max_size=14).map("".join) | st.binary(max_size=120))
def test_metadata_is_read_or_refused(raw: str | bytes) -> None:
    data = raw if isinstance(raw, bytes) else raw.encode("utf-8", "surrogatepass")
    with only_ours():
        metadata = parse_metadata(data)
        assert parse_metadata(dump_metadata(metadata)) == metadata
