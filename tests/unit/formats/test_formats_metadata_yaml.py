from __future__ import annotations

import string

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from azekura.errors import AzekuraError, InvalidRequest, TooLarge
from azekura.formats.metadata_yaml import dump_metadata, parse_metadata
from azekura.model.metadata import ImageMetadata, TemplateRule

GOOD = b"architecture: amd64\ncreation_date: 1424284563\n"


def issues(data: bytes) -> str:
    with pytest.raises(InvalidRequest) as caught:
        parse_metadata(data)
    return "\n".join(caught.value.issues)


def test_everything_lxd_documents_is_understood() -> None:
    metadata = parse_metadata(
        GOOD
        + b"""expiry_date: 1500000000
properties: {os: Debian, release: 12}
unknown: [1, {a: b}]
templates:
  /etc/hostname:
    when: [create, copy]
    create_only: true
    template: hostname.tpl
    properties: {default: 5.50}
    uid: "0"
"""
    )
    assert metadata == ImageMetadata(
        "x86_64",
        1424284563,
        1500000000,
        {"os": "Debian", "release": "12"},
        (TemplateRule("/etc/hostname", "hostname.tpl", ("create", "copy"), True, {"default": "5.50"}),),
    )


@pytest.mark.parametrize(
    ("written", "read"),
    [
        *[(text, text) for text in ("12", "true", "yes", "0x10", "2023-01-01", "5.50", "1e3", "no", "'12'"[1:3])],
        *[(text, "") for text in ("", "~", "null", "NULL")],
        *[(f'"{text}"', text) for text in ("", "~", "null", "a: b")],
        ("!!str 12", "12"),
        ("|-\n    a\n    b", "a\nb"),
    ],
)
def test_properties_keep_their_spelling(written: str, read: str) -> None:
    assert parse_metadata(GOOD + f"properties:\n  a: {written}\n".encode()).properties == {"a": read}


@pytest.mark.parametrize(
    ("written", "read"),
    [("1424284563", 1424284563), ("0x10", 16), ("1_000", 1000), ("010", 8), ("1.5e9", 1_500_000_000)],
)
def test_dates_are_whatever_yaml_takes_for_a_number(written: str, read: int) -> None:
    assert parse_metadata(f"architecture: i686\ncreation_date: {written}\n".encode()).creation_date == read


def test_lxds_words_are_used_for_lxds_faults() -> None:
    assert "Architecture isn't supported: foo" in issues(b"architecture: foo\ncreation_date: 1\n")
    assert "Missing creation date" in issues(b"architecture: amd64\n")
    assert "Missing creation date" in issues(b"architecture: amd64\ncreation_date: 0\n")


@pytest.mark.parametrize(
    ("yaml", "fragment"),
    [
        (b"", "is empty"),
        (b"- a\n", "must be a map"),
        (b"creation_date: 1", "names no architecture"),
        (GOOD + b"creation_date: 2\n", 'the key "creation_date" twice'),
        (GOOD + b"properties: {a: 1, a: 2}\n", 'the key "a" twice'),
        (GOOD + b"x: &x [a]\ny: *x\n", "an alias"),
        (GOOD + b"x: {<<: {a: b}}\n", "merge key"),
        (GOOD + b"---\na: b\n", "second document"),
        (GOOD + b"x: !!python/object/apply:os.system [id]\n", "the tag"),
        (GOOD + b"x: !!binary aGk=\n", "the tag"),
        (GOOD + b"properties: {a: [1]}\n", 'the value of "a" must be text'),
        (GOOD + b"properties: {a: {b: c}}\n", 'the value of "a" must be text'),
        (GOOD + b"properties: [a]\n", "properties must be a map"),
        (b"architecture: amd64\ncreation_date: soon\n", "creation_date must be a number"),
        (b"architecture: amd64\ncreation_date: -5\n", "creation_date must be a number"),
        (b"architecture: amd64\ncreation_date: 2023-01-01\n", "creation_date must be a number"),
        (b"architecture: [amd64]\ncreation_date: 1\n", "architecture must be text"),
        (GOOD + b"\xff", "isn't UTF-8"),
        (GOOD + b"a: 'x", "isn't valid YAML"),
        (GOOD + b"a: \x01", "isn't valid YAML"),
        (GOOD + b"templates: {/a: null}", "must be a map with the keys"),
        (GOOD + b"templates: {/a: {template: x, when: create}}", "when must be a list"),
        (GOOD + b"templates: {/a: {template: x, when: [[a]]}}", "when must be a list"),
        (GOOD + b'templates: {/a: {template: x, create_only: "yes"}}', "create_only must be true or false"),
        (GOOD + b"templates: {/a: {template: x, create_only: 1}}", "create_only must be true or false"),
        (GOOD + b"templates: {/a: {when: [create]}}", "it names no template"),
        (GOOD + b"templates: {/a: {template: ../../etc/shadow}}", "not a plain file name"),
        (GOOD + b"templates: {/a: {template: ..}}", "not a plain file name"),
        (GOOD + b"templates: {/a: {template: /etc/shadow}}", "not a plain file name"),
        (GOOD + b"templates: {/../../etc/cron.d/x: {template: x}}", "path outside of container"),
        (GOOD + b"templates: {/a/../../x: {template: x}}", "path outside of container"),
        (GOOD + b"templates: {/: {template: x}}", "names no file"),
        (GOOD + b"templates: {/a: {template: x, properties: {a: [1]}}}", 'value of "a" must be text'),
    ],
)
def test_faults_are_named(yaml: bytes, fragment: str) -> None:
    assert fragment in issues(yaml)


def test_all_faults_are_told_at_once() -> None:
    with pytest.raises(InvalidRequest, match=r"and 3 more") as caught:
        parse_metadata(b"architecture: foo\nproperties: {a: [1]}\ntemplates: {/a: null}\n")
    assert len(caught.value.issues) == 4


def test_inner_dots_of_a_template_path_that_stay_inside_are_fine() -> None:
    rule = parse_metadata(GOOD + b"templates: {/x/../x/s2: {template: t}}").templates[0]
    assert rule == TemplateRule("/x/../x/s2", "t")


@pytest.mark.parametrize(
    "data", [GOOD + b"#" * 1024 * 1024, GOOD + b"x: " + b"[" * 100_000, GOOD + b"x: [" + b"a," * 100_000]
)
def test_yaml_that_is_too_much_is_refused(data: bytes) -> None:
    with pytest.raises(TooLarge):
        parse_metadata(data)


TEXT = st.text(st.characters(codec="utf-8", exclude_categories=["Cs", "Cc"]), max_size=20) | st.sampled_from(
    ["~", "null", "yes", "12", "0x10", "- a", "a: b", " x ", "\n", "a\nb\n", "'", '"', "#", "\u2028", "<<", "=", "\t"]
)
KEYS = TEXT.filter(lambda text: bool(text) and text.isprintable() and text != "<<")
NAMES = st.text(string.ascii_letters + string.digits + "äß. ", min_size=1, max_size=20).filter(
    lambda name: name not in (".", "..") and bool(name.strip())
)
RULES = st.builds(
    TemplateRule,
    path=NAMES.map("/etc/{}".format),
    template=NAMES,
    when=st.lists(st.sampled_from(["create", "copy", "start"]), max_size=3).map(tuple),
    create_only=st.booleans(),
    properties=st.dictionaries(KEYS, TEXT, max_size=3),
)


@settings(max_examples=150, deadline=None)
@given(
    st.integers(1, 2_000_000_000),
    st.integers(0, 2_000_000_000),
    st.dictionaries(KEYS, TEXT, max_size=4),
    st.lists(RULES, max_size=3, unique_by=lambda rule: rule.path).map(
        lambda rules: sorted(rules, key=lambda r: r.path)
    ),
)
def test_what_is_dumped_is_parsed_back(
    created: int, expires: int, properties: dict[str, str], rules: list[TemplateRule]
) -> None:
    metadata = ImageMetadata("x86_64", created, expires, properties, tuple(rules))
    data = dump_metadata(metadata)
    assert parse_metadata(data) == metadata
    assert dump_metadata(parse_metadata(data)) == data


@settings(max_examples=150, deadline=None)
@given(st.binary(max_size=200) | st.text("abc:-[]{}&*!|>'\"\n #%@`,?~0123.", max_size=200).map(str.encode))
def test_no_bytes_make_the_parser_raise_anything_else(data: bytes) -> None:
    for prefix in (b"", GOOD):
        try:
            parse_metadata(prefix + data)
        except AzekuraError:
            pass
