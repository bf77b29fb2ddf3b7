"""What users type: YAML records, columns, filters, shorthands, ages and sizes, addresses and tokens."""

from __future__ import annotations

import base64
import contextlib
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from azekura.cli.config.set import target_and_rest
from azekura.cli.image import edit
from azekura.cli.image.filters import matching, server_filter
from azekura.cli.image.list import parse_columns as image_columns
from azekura.cli.image.prune import days, size
from azekura.cli.instance_columns import parse_columns, parse_size
from azekura.cli.instance_filters import shown
from azekura.cli.remote.add import decode_token, normalise
from azekura.cli.settings import pairs
from azekura.cli.shorthand import expand
from azekura.cli.yaml_input import BOOLEAN, MAPS, TEXT, TEXT_MAP, TEXTS, load
from azekura.errors import AzekuraError, InvalidRequest


def test_text_is_kept_as_typed() -> None:
    fields = {"properties": TEXT_MAP, "name": TEXT, "devices": MAPS, "list": TEXTS}
    text = "properties: {v: 1.10, n: 012, b: yes, d: 2020-01-01, e: }\nname: 7\ndevices: {a: {b: 1}}\nlist: [1, x]\n"
    assert load(text, fields) == {
        "properties": {"v": "1.10", "n": "012", "b": "yes", "d": "2020-01-01", "e": ""},
        "name": "7",
        "devices": {"a": {"b": "1"}},
        "list": ["1", "x"],
    }


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("properties: [", "yaml: line 1: did not find expected node content"),
        ("a: b: c", "yaml: mapping values are not allowed in this context"),
        ("properties: abc", "yaml: unmarshal errors:\n  line 1: cannot unmarshal !!str `abc` into map[string]string"),
        ("public: maybe", "yaml: unmarshal errors:\n  line 1: cannot unmarshal !!str `maybe` into bool"),
        (
            "public: [x]\nproperties: longer than ten",
            (
                "yaml: unmarshal errors:\n"
                "  line 1: cannot unmarshal !!seq into bool\n"
                "  line 2: cannot unmarshal !!str `longer ...` into map[string]string"
            ),
        ),
    ],
)
def test_mistakes_are_told_all_at_once_with_their_lines(text: str, message: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        load(text, {"properties": TEXT_MAP, "public": BOOLEAN})
    assert str(caught.value) == message


@given(st.text(max_size=60))
def test_any_text_is_a_record_or_one_clear_error(text: str) -> None:
    with contextlib.suppress(AzekuraError):
        assert set(load(text, edit.FIELDS)) <= set(edit.FIELDS)


def test_old_name_of_auto_update_is_understood() -> None:
    assert edit.parse("autoupdate: true")["auto_update"] is True
    assert edit.parse("autoupdate: true\nauto_update: false")["auto_update"] is False


def test_empty_text_wipes_as_with_lxd() -> None:
    assert edit.parse("") == {
        "auto_update": False,
        "properties": {},
        "public": False,
        "expires_at": "0001-01-01T00:00:00Z",
        "profiles": None,
    }


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("z", "Unknown column shorthand char 'z' in 'z'"),
        ("l,,f", "Empty column entry (redundant, leading or trailing command) in 'l,,f'"),
        ("", "Empty column entry (redundant, leading or trailing command) in ''"),
    ],
)
def test_bad_columns_are_told(text: str, message: str) -> None:
    for parse in (image_columns, parse_columns):
        if text == "l,,f" and parse is parse_columns:
            text, message = "n,,s", message.replace("l,,f", "n,,s")
        with pytest.raises(InvalidRequest) as caught:
            parse(text)
        assert str(caught.value) == message


def test_settings_can_be_columns() -> None:
    columns = parse_columns("ns,user.owner:OWNER:3,devices:root.pool,config:image.os")
    instance = {
        "name": "c1",
        "status": "Running",
        "expanded_config": {"user.owner": "Carol", "image.os": "Debian"},
        "expanded_devices": {"root": {"pool": "default"}},
    }
    assert [column.title for column in columns] == ["NAME", "STATE", "OWNER", "root.pool", "image.os"]
    assert [column.value(instance) for column in columns] == ["c1", "RUNNING", "Car", "default", "Debian"]


def _image(alias: str, fingerprint: str, **properties: str) -> dict[str, Any]:
    return {"aliases": [{"name": alias}], "fingerprint": fingerprint, "properties": properties, "type": "container"}


IMAGES = [_image("debian/12", "abcdef", os="Debian", release="12"), _image("alpine", "123456", os="Alpine")]


@pytest.mark.parametrize(
    ("words", "found"),
    [
        (["deb"], [0]),
        (["bcd"], [0]),
        (["Deb"], []),
        (["os=Debian"], [0]),
        (["os=debian"], []),
        (["o=.*"], [0, 1]),
        (["os=D"], []),
        (["os=^D"], [0]),
        (["os=("], []),
        (["os=Debian", "release=12"], [0]),
        (["os=Debian", "release=13"], []),
        (["type=container"], [0, 1]),
        (["type=virtual-machine"], []),
    ],
)
def test_image_filters_must_all_match(words: list[str], found: list[int]) -> None:
    assert matching(IMAGES, words, fields=True) == [IMAGES[number] for number in found]


def test_conditions_on_fields_go_to_the_server() -> None:
    assert server_filter(["type=container", "os=Debian", "public=true", "x"]) == (
        "type eq container and public eq true",
        ["os=Debian", "x"],
    )


INSTANCE = {
    "name": "web-01",
    "status": "Running",
    "type": "container",
    "expanded_config": {"user.owner": "carol", "security.nesting": "true"},
    "state": {"network": {"eth0": {"addresses": [{"family": "inet", "address": "10.1.2.3"}]}}},
}


@pytest.mark.parametrize(
    ("word", "passes"),
    [
        ("web", True),
        ("eb", False),
        ("web-.*", True),
        ("^web-0[12]$", True),
        ("u.owner=carol", True),
        ("user.owner=car", False),
        ("s.n=true", True),
        ("type=container,virtual-machine", True),
        ("status=running", True),
        ("status=stopped", False),
        ("ipv4=10.1.0.0/16", True),
        ("ipv4=10.1.2.3", True),
        ("ipv4=11.0.0.0/8", False),
        ("ipv6=fe80::/10", False),
    ],
)
def test_instance_filters(word: str, *, passes: bool) -> None:
    assert shown(INSTANCE, [word]) is passes


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["ll"], ["list", "-c", "n"]),
        (["ll", "-f", "csv"], ["list", "-c", "n", "-f", "csv"]),
        (["sh", "c1"], ["exec", "c1", "--", "sh", "-c", "a b"]),
        (["cp2", "a", "b", "c"], ["copy", "b", "a", "c"]),
        (["image", "ls", "x"], ["image", "list", "x"]),
        (["shell", "c1"], ["exec", "c1", "--", "su", "-l"]),
        (["other"], ["other"]),
    ],
)
def test_shorthands_are_replaced(words: list[str], expected: list[str]) -> None:
    aliases = {
        "ll": "list -c n",
        "sh": 'exec @ARGS@ -- sh -c "a b"',
        "cp2": "copy @ARG2@ @ARG1@",
        "image ls": "image list",
    }
    assert expand(words, aliases) == expected


def test_shorthand_with_too_few_arguments_is_told() -> None:
    with pytest.raises(InvalidRequest, match="@ARG2@"):
        expand(["x", "one"], {"x": "copy @ARG2@ @ARG1@"})


@pytest.mark.parametrize(
    ("arguments", "target", "rest"),
    [
        (["a.b=c"], "", ["a.b=c"]),
        (["core.x", "value"], "", ["core.x", "value"]),
        (["core.x", "http://a?b=c"], "", ["core.x", "http://a?b=c"]),
        (["c1", "a=b"], "c1", ["a=b"]),
        (["c1", "a", "b"], "c1", ["a", "b"]),
        (["r:c1", "a=b", "c=d"], "r:c1", ["a=b", "c=d"]),
        (["c1"], "c1", []),
    ],
)
def test_settings_tell_instances_from_keys(arguments: list[str], target: str, rest: list[str]) -> None:
    assert target_and_rest(arguments) == (target, rest)


def test_pairs_come_in_both_forms() -> None:
    assert pairs(["a", "b"]) == {"a": "b"}
    assert pairs(["a=b=c", "d="]) == {"a": "b=c", "d": ""}
    with pytest.raises(InvalidRequest, match="Invalid key=value configuration: x"):
        pairs(["a=b", "x"])


def test_ages_and_sizes() -> None:
    assert (days("30d"), days("2w"), days("7")) == (30, 14, 7)
    assert (size("5GiB"), size("5 GB"), size("1k"), size("7")) == (5 << 30, 5 * 10**9, 1024, 7)
    assert (parse_size("512MiB"), parse_size("1GB"), parse_size("x")) == (512 << 20, 10**9, 0)
    for wrong in ("", "d", "5x", "-1d", "1.5d", "12h"):
        with pytest.raises(InvalidRequest):
            days(wrong)
        with pytest.raises(InvalidRequest):
            size(wrong.replace("d", "Q").replace("h", "Q").replace(".5", ".5.5"))


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("host", "https://host:8443"),
        ("host:1", "https://host:1"),
        ("https://host", "https://host:8443"),
        ("https://host/", "https://host:8443"),
        ("https://[::1]:5", "https://[::1]:5"),
        ("::1", "https://[::1]:8443"),
        ("unix:///x", "unix:///x"),
        ("/run/x.socket", "unix:///run/x.socket"),
    ],
)
def test_addresses_of_remotes_get_their_defaults(address: str, expected: str) -> None:
    assert normalise(address) == expected


def test_other_schemes_are_refused() -> None:
    with pytest.raises(InvalidRequest, match='Invalid URL scheme "http" in "http://x"'):
        normalise("http://x")


def test_tokens_are_told_from_addresses() -> None:
    token = {"client_name": "x", "fingerprint": "ab", "addresses": ["h:1"], "secret": "s"}
    assert decode_token(base64.b64encode(json.dumps(token).encode()).decode()) == token
    for other in ("host", "https://host", "", base64.b64encode(b"[]").decode(), base64.b64encode(b"{}").decode()):
        assert decode_token(other) is None
